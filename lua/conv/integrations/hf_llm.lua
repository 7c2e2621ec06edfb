-- llm.nvim of Hugging Face: `:h conv-hf_llm`. It sends `api_token` of its config with each completion, and knows no
-- function: so the token is written there, when it changes and when a person begins to type.

local host = require("conv.host")

local M = {}

---@type conv.HostInfo
M.host = {
  name = "llm.nvim (Hugging Face)",
  module = "llm",
  marker = "lua/llm/language_server.lua",
  check = function(tell)
    local module = host.module("llm.config")
    if type(module.config) ~= "table" then
      tell("llm.nvim (Hugging Face) is not set up", "Call `require('llm').setup()`.")
    elseif module.config.api_token == nil then
      tell("llm.nvim (Hugging Face) has no token yet", "It gets one when you first enter insert mode.")
    end
  end,
}

---The config as the host reads it; nil before its setup.
---@return table?
local function config()
  local module = package.loaded["llm.config"]
  return type(module) == "table" and type(module.config) == "table" and module.config or nil
end

---@param token? string
local function write(token)
  local target = config()
  if target then
    target.api_token = token
    if type(target.tokenizer) == "table" and target.tokenizer.repository then
      target.tokenizer.api_token = token
    end
  end
end

---Brings the host's token up to date, without waiting.
---@param login string
local function update(login)
  require("conv").get(login, {}, function(err, credential)
    err = err or (credential and host.needs_more(credential, M.host.name))
    write(not err and credential and credential.token or nil)
    host.complain(login, err)
  end)
end

---After the host's own setup. Nothing starts before the first insert mode.
---@param login? string default: `huggingface`
function M.attach(login)
  local name = login or "huggingface"
  host.wire("hf_llm", name)
  local group = vim.api.nvim_create_augroup("conv.hf_llm", { clear = true })
  vim.api.nvim_create_autocmd("InsertEnter", {
    group = group,
    callback = function()
      if config() then
        update(name)
      end
    end,
  })
  vim.api.nvim_create_autocmd("User", {
    group = group,
    pattern = { "ConvLogin", "ConvRefresh", "ConvLogout", "ConvError" },
    callback = function(event)
      local of = event.data and event.data.login
      if not config() or host.provider(of) ~= host.provider(name) then
        return
      elseif event.match == "ConvLogout" then
        write(nil)
      else
        update(name)
      end
    end,
  })
end

return M

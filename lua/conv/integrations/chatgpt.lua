-- ChatGPT.nvim: `:h conv-chatgpt`. It runs a command once at setup and keeps what it printed, which is enough for a key
-- that lasts. `follow` makes the header that it reads at each request ours, for those who ask for it.

local host = require("conv.host")

local M = {}

local HOST, FIELD = "ChatGPT.nvim", "AUTHORIZATION_HEADER"

---@type conv.HostInfo
M.host = { name = HOST, module = "chatgpt", marker = "lua/chatgpt/api.lua" }

---For `api_key_cmd`.
---@param login? string default: `openai`
---@return string
function M.api_key_cmd(login)
  local name = login or "openai"
  host.wire("chatgpt", name)
  return host.command(name)
end

---@param login string
---@return string
local function authorization(login)
  local credential = host.request(login)
  local err = credential and host.needs_more(credential, HOST)
  if err then
    host.tell(err)
  end
  return "Authorization: Bearer " .. (credential and not err and credential.token or "")
end

---After ChatGPT's setup, or before it: the header is asked for at each request.
---@param login? string default: `openai`
function M.follow(login)
  local name = login or "openai"
  host.wire("chatgpt", name)
  local api = host.module("chatgpt.api")
  rawset(api, FIELD, nil)
  setmetatable(api, {
    __index = function(_, field)
      return field == FIELD and authorization(name) or nil
    end,
    __newindex = function(module, field, value)
      if field ~= FIELD then -- what the host's setup finds later stays out
        rawset(module, field, value)
      end
    end,
  })
end

return M

-- model.nvim: `:h conv-model`. What goes through its `secrets` stays for ever, and not every prompt has a
-- hook for a token. But a provider is a table with one function that sends: so ours takes the place of that
-- function, for chats and for prompts, and answers a request without a login with an error before anything is
-- sent.

local headers = require("conv.integration_headers")
local integration = require("conv.integration")

local M = {}

---@type conv.HostInfo
M.host = {
  name = "model.nvim",
  module = "model",
  marker = "lua/model/core/chat.lua",
  use = ".provider(LOGIN, BASE)",
  fresh = "each request",
  refused = "the same token until it ends",
  shown = "curl's arguments",
  gateway = "default",
}

---@class (exact) conv.model.Handlers
---@field on_error fun(text: string, label?: string)

---The host's provider for Anthropic: it has an address of its own, and reads a key from `secrets` first.
local ANTHROPIC, ANTHROPIC_URL = "model.providers.anthropic", "https://api.anthropic.com"

---What to give the provider below, which is the one for Anthropic.
---@param login string
---@param options table
---@return table? options, ConvError? err
local function for_anthropic(login, options)
  local credential, err = integration.credential(login, { url = ANTHROPIC_URL, option = "base_url" })
  if not credential then
    return nil, err
  end
  -- curl sends no header that is empty: so none of the host's where the login has none.
  local given = vim.tbl_extend("force", { ["x-api-key"] = "" }, options.headers or {})
  local without_key = not headers.find(credential, "x-api-key")
  options.headers = headers.apply(given, credential)
  options.headers["x-api-key"] = without_key and "" or options.headers["x-api-key"]
  return options
end

---What to give a provider of OpenAI's shape.
---@param login string
---@param options table
---@param to conv.Destination
---@return table? options, ConvError? err
local function for_openai(login, options, to)
  local credential, err = integration.credential(login, to)
  local base = credential and integration.base_url(login, credential)
  if credential and not base then
    local message = ("The address of `%s` is not known here."):format(tostring(login))
    err = require("conv.errors").new("config_invalid", message, "Give it a `base_url` in convocations.toml.")
  end
  if not (credential and base) then
    return nil, err
  end
  options.url = base .. "/"
  options.authorization = headers.find(credential, "authorization") or ("Bearer " .. credential.token)
  return options
end

---For `provider` of a chat or of a prompt.
---@param login string
---@param base table the host's own provider: `model.providers.openai` or `model.providers.anthropic`
---@param opts? { gateway?: boolean }
---@return table
function M.provider(login, base, opts)
  integration.wire("model", login)
  local own = integration.own(M.host, opts)
  return setmetatable({
    ---@param handlers conv.model.Handlers
    ---@param params table
    ---@param options? table
    ---@return fun() cancel
    request_completion = function(handlers, params, options)
      local prepare = base == package.loaded[ANTHROPIC] and for_anthropic or for_openai
      local ready, err = prepare(login, vim.deepcopy(options or {}), own)
      if ready then
        return base.request_completion(handlers, params, ready)
      end
      vim.schedule(function()
        handlers.on_error(err and integration.text(err) or "", "Convocations")
      end)
      return function() end
    end,
  }, { __index = base })
end

return M

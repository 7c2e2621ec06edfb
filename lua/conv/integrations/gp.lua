-- gp.nvim: `:h conv-gp`. It has no hook: a command that it runs once stays for the session, logout or not. So the one
-- function that all of it asks for a secret, when a request is made, is wrapped.

local integration = require("conv.integration")

local M = {}

local HOST = "gp.nvim"

---What gp keeps beside the secrets of its providers: whose login it is, and where it goes.
---@type table<string, { provider: string, url: fun(): any }>
local OTHERS = {
  openai_api_key = {
    provider = "openai",
    url = function()
      return (integration.module("gp.whisper").config or {}).endpoint
    end,
  },
  imager_secret = {
    provider = "openai",
    url = function()
      return "https://api.openai.com" -- written into its code
    end,
  },
}

---@type conv.HostInfo
M.host = {
  name = HOST,
  module = "gp",
  marker = "lua/gp/vault.lua",
  use = ".follow({ NAME = LOGIN })",
  fresh = "each request",
  refused = "the same token until it ends",
  shown = "curl's arguments, and its log with `log_sensitive`",
  check = function(tell)
    local gp = integration.module("gp")
    local config = gp.config
    if type(config) == "table" and config.log_sensitive then
      tell(
        "gp.nvim writes keys to its log (`log_sensitive`)",
        "Set `log_sensitive = false`, and delete its log."
      )
    end
  end,
}

---Where gp sends what it asks for by this name.
---@param name string
---@return conv.Destination
local function destination(name)
  local url = OTHERS[name] and OTHERS[name].url()
  local provider = (integration.module("gp.dispatcher").providers or {})[name]
  url = url or (type(provider) == "table" and provider.endpoint)
  return { url = tostring(url), option = "endpoint", plain = HOST }
end

---After gp's setup: from now on the secrets of these providers are asked for at each request. The providers need a
---`secret` in gp's config; any text will do.
---@param logins table<string, string> login by gp's name of a provider
function M.follow(logins)
  local vault = integration.module("gp.vault")
  local original = vault.get_secret
  for _, login in pairs(logins) do
    integration.wire("gp", login)
  end
  vault.get_secret = function(name)
    local login = logins[name] or (OTHERS[name] and logins[OTHERS[name].provider])
    if not login then
      return original(name)
    end
    local credential = integration.request(login, destination(name))
    return credential and credential.token
  end
end

return M

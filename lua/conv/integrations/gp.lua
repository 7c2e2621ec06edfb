-- gp.nvim: `:h conv-gp`. It has no hook: it takes a command, runs it once, and keeps what it printed for the session. That
-- is enough for a key that lasts. `follow` puts a function of ours in its place, for those who ask for it.

local host = require("conv.host")

local M = {}

local HOST = "gp.nvim"

---@type conv.HostInfo
M.host = {
  name = HOST,
  module = "gp",
  marker = "lua/gp/vault.lua",
  check = function(tell)
    local gp = host.module("gp")
    local config = gp.config
    if type(config) == "table" and config.log_sensitive then
      tell(
        "gp.nvim writes keys to its log (`log_sensitive`)",
        "Set `log_sensitive = false`, and delete its log."
      )
    end
  end,
}

---For `providers.NAME.secret`: the command that prints the token, run once in a session.
---@param login string
---@return string[]
function M.secret(login)
  host.wire("gp", login)
  return host.argv(login)
end

---@param login string
---@return string?
local function bearer(login)
  local credential = host.request(login)
  local err = credential and host.needs_more(credential, HOST)
  if err then
    host.tell(err)
    return nil
  end
  return credential and credential.token
end

---After gp's setup: from now on the secrets of these providers are asked for at each request. The providers need a
---`secret` in gp's config; any text will do.
---@param logins table<string, string> login by gp's name of a provider
function M.follow(logins)
  local vault = host.module("gp.vault")
  local original = vault.get_secret
  for _, login in pairs(logins) do
    host.wire("gp", login)
  end
  vault.get_secret = function(name)
    local login = logins[name]
    if login then
      return bearer(login)
    end
    return original(name)
  end
end

return M

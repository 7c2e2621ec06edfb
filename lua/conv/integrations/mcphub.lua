-- mcphub.nvim: `:h conv-mcphub`. Its hub runs a `${cmd: …}` each time it connects or starts a server, in the
-- server's own `headers` or `env`: so a server gets a fresh token at its connection, keeps it, and sees no
-- other's. (`global_env` would put a token into the environment of every server.)

local integration = require("conv.integration")

local M = {}

---@type conv.HostInfo
M.host = {
  name = "mcphub.nvim",
  module = "mcphub",
  marker = "lua/mcphub/hub.lua",
  use = "${cmd: convocations token LOGIN}",
  fresh = "each start of a server",
  refused = "the same token until the server is restarted",
  outside = "servers.json",
  shown = "the server's environment, for a local one",
  gateway = "none",
}

---The text for one variable of a server's own `env` in servers.json, for those who write that file from Lua.
---@param login string
---@return string
function M.env(login)
  integration.wire("mcphub", login)
  return ("${cmd: %s}"):format(integration.command(login))
end

---The same for the `Authorization` among a remote server's `headers`.
---@param login string
---@return string
function M.bearer(login)
  return "Bearer " .. M.env(login)
end

return M

-- mcphub.nvim: `:h conv-mcphub`. It calls `global_env` when it starts its hub, and the hub runs a `${cmd: …}` each time it
-- connects a server: so a server gets a fresh token at its connection, and keeps it.

local host = require("conv.host")

local M = {}

---@type conv.HostInfo
M.host = { name = "mcphub.nvim", module = "mcphub", marker = "lua/mcphub/hub.lua" }

---For `global_env`: variables for local servers. One whose login is missing is left out, and told.
---@param logins table<string, string> login by variable
---@param more? table<string, string> variables of your own
---@return fun(context?: table): table<string, string>
function M.global_env(logins, more)
  for _, login in pairs(logins) do
    host.wire("mcphub", login)
  end
  return function()
    local env = vim.deepcopy(more or {})
    for variable, login in vim.spairs(logins) do
      local credential = host.request(login)
      env[variable] = credential and credential.token or nil
    end
    return env
  end
end

---The text for a header in servers.json, for those who write that file from Lua.
---@param login string
---@return string
function M.bearer(login)
  host.wire("mcphub", login)
  return ("Bearer ${cmd: %s}"):format(host.command(login))
end

return M

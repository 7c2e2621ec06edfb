-- News inside the plugin, so that the process client knows none of those who listen. Names: `credential`,
-- `changed`, `login`, `log`, `waiting` (events of doc/rpc.md) and `backend` (the client's own state).

local M = {}

---@type table<string, fun(data: any)[]>
local listeners = {}

---@param name string
---@param listener fun(data: any)
function M.on(name, listener)
  listeners[name] = listeners[name] or {}
  table.insert(listeners[name], listener)
end

---Calls every listener; one that fails does not keep the others from hearing.
---@param name string
---@param data any
function M.emit(name, data)
  for _, listener in ipairs(listeners[name] or {}) do
    local ok, problem = pcall(listener, data)
    if not ok then
      require("conv.notify").internal(name, problem)
    end
  end
end

return M

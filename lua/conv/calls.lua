-- The calls that are under way: each is answered exactly once, by its reply, its deadline, or the backend's end.

local errors = require("conv.errors")

local M = {}

---Milliseconds until a call is given up: every method of doc/rpc.md has its own. Those that reach a provider outlast the
---backend's own limits (30 s for a request, and a lock to wait for), so that its answer says what happened.
---@type table<string, integer>
M.DEADLINES = {
  hello = 10000,
  providers = 10000,
  status = 60000, -- asks the keyring, which may take what `store.keyring_timeout` allows
  get = 60000,
  invalidate = 60000,
  ["login.start"] = 45000,
  ["login.input"] = 60000,
  ["login.cancel"] = 5000,
  logout = 60000,
  shutdown = 3000,
}

---@class (exact) conv.Call
---@field method string
---@field params table
---@field done fun(err?: ConvError, result?: any)
---@field timer uv.uv_timer_t

---@type table<integer, conv.Call>
local calls = {}
local last_id = 0

---@param id integer
---@return conv.Call?
function M.get(id)
  return calls[id]
end

---Answers a call; one that has its answer already is left alone.
---@param id integer
---@param err? ConvError
---@param result? any
function M.answer(id, err, result)
  local call = calls[id]
  if not call then
    return
  end
  calls[id] = nil
  if not call.timer:is_closing() then
    call.timer:stop()
    call.timer:close()
  end
  local ok, problem = pcall(call.done, err, result)
  if not ok then
    require("conv.notify").internal(call.method, problem)
  end
end

---@param err ConvError
function M.answer_all(err)
  local ids = vim.tbl_keys(calls)
  table.sort(ids)
  for _, id in ipairs(ids) do
    M.answer(id, err)
  end
end

---Takes up a call.
---@param method string
---@param params table
---@param timeout? integer milliseconds
---@param done fun(err?: ConvError, result?: any)
---@return integer id
function M.add(method, params, timeout, done)
  last_id = last_id + 1
  local id = last_id
  local limit = timeout or M.DEADLINES[method] or error(("The method `%s` has no deadline."):format(method))
  local timer = vim.defer_fn(function()
    local message = ("The backend did not answer `%s` within %d s."):format(method, math.ceil(limit / 1000))
    M.answer(id, errors.new("timeout", message, "Try again; `:checkhealth conv` says how the backend is."))
  end, limit)
  calls[id] = { method = method, params = params, done = done, timer = timer }
  return id
end

return M

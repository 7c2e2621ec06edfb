-- The calls that are under way: each is answered exactly once, by its reply, its deadline, or the backend's
-- end.

local errors = require("conv.errors")
local protocol = require("conv.protocol")

local M = {}

---@class (exact) conv.Call
---@field method string
---@field params table
---@field done fun(err?: ConvError, result?: any)
---@field timer uv.uv_timer_t
---@field is_usual boolean whether its deadline is the method's own, and not the caller's

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

---@return boolean whether none is under way
function M.is_idle()
  return next(calls) == nil
end

---@param err ConvError
function M.answer_all(err)
  local ids = vim.tbl_keys(calls)
  table.sort(ids)
  for _, id in ipairs(ids) do
    M.answer(id, err)
  end
end

---@param id integer
---@param method string
---@param limit integer milliseconds
local function deadline(id, method, limit)
  return vim.defer_fn(function()
    local message = ("The backend did not answer `%s` within %d s."):format(method, math.ceil(limit / 1000))
    M.answer(
      id,
      errors.new("timeout", message, "Try again; `:checkhealth conv` shows the state of the backend.")
    )
  end, limit)
end

---Gives the calls about a login more time, where their callers did not say how long they wait.
---@param login string
---@param milliseconds integer from now
function M.outlast(login, milliseconds)
  for id, call in pairs(calls) do
    if call.is_usual and call.params.login == login and protocol.deadlines[call.method] < milliseconds then
      call.timer:stop()
      call.timer:close()
      call.timer = deadline(id, call.method, milliseconds)
    end
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
  local limit = timeout
    or protocol.deadlines[method]
    or error(("The method `%s` has no deadline."):format(method))
  local timer = deadline(id, method, limit)
  calls[id] = { method = method, params = params, done = done, timer = timer, is_usual = timeout == nil }
  return id
end

return M

-- Work in several steps of which each waits for a command or a moment, written one below the other, while
-- the editor goes on. Guarantees: it ends once, with a result or an error; a cancel ends the command that
-- runs and every step after it. It knows nothing of what the steps do.

local errors = require("conv.errors")

local M = {}

---@class conv.Steps
---@field cancelled boolean
---@field job? vim.SystemObj the command that runs now
---@field what string
---@field ends fun()[]
---@field continue fun(co: thread, ...: any)
local Steps = {}
Steps.__index = Steps

---Ends the work with an error.
---@param code string
---@param message string
---@param hint? string
function Steps.fail(_, code, message, hint)
  error(errors.new(code, message, hint), 0)
end

---@private
function Steps:check()
  if self.cancelled then
    self:fail("cancelled", self.what .. " was cancelled.")
  end
end

---@private
---@param begin fun(continue: fun(...))
function Steps:await(begin)
  self:check()
  local co = assert(coroutine.running())
  begin(vim.schedule_wrap(function(...)
    self.continue(co, ...)
  end))
  ---@diagnostic disable-next-line: await-in-sync
  local result = coroutine.yield()
  self:check()
  return result
end

---Runs a command to its end. A program that cannot be started is an exit status 127.
---@param argv string[]
---@param opts? vim.SystemOpts
---@return vim.SystemCompleted
function Steps:run(argv, opts)
  local defaults = { text = true, stdin = false }
  return self:await(function(continue)
    local ok, job = pcall(vim.system, argv, vim.tbl_extend("force", defaults, opts or {}), function(result)
      self.job = nil
      continue(result)
    end)
    if ok then
      self.job = job
    else
      continue({ code = 127, signal = 0, stdout = "", stderr = tostring(job) })
    end
  end)
end

---Has something done when the work ends, however it does; what was asked last comes first.
---@param action fun()
function Steps:finally(action)
  table.insert(self.ends, 1, action)
end

---@param milliseconds integer
function Steps:pause(milliseconds)
  self:await(function(continue)
    vim.defer_fn(continue, milliseconds)
  end)
end

---Ends the command that runs: the work goes on with what it has come to. Callable in a fast event.
function Steps:interrupt()
  if self.job then
    self.job:kill("sigterm")
  end
end

---Ends the work; `done` gets the error `cancelled` once what runs has ended.
function Steps:cancel()
  self.cancelled = true
  self:interrupt()
end

---@param problem any
---@return ConvError
local function as_error(problem)
  if type(problem) == "table" and problem.code then
    return problem
  end
  local first = errors.redact(tostring(problem)):match("[^\n]*")
  return errors.new("backend_missing", "The plugin failed by a fault of its own: " .. first)
end

---Begins the work.
---@param what string its name in the message of a cancel
---@param work fun(steps: conv.Steps): any
---@param done fun(err?: ConvError, result?: any) called once, on the main loop
---@return conv.Steps
function M.go(what, work, done)
  local self = setmetatable({ cancelled = false, what = what, ends = {}, continue = function() end }, Steps)
  self.continue = function(co, ...)
    local ok, result = coroutine.resume(co, ...)
    if coroutine.status(co) ~= "dead" then
      return
    end
    for _, action in ipairs(self.ends) do
      pcall(action)
    end
    done(not ok and as_error(result) or nil, ok and result or nil)
  end
  vim.schedule(function()
    self.continue(coroutine.create(work), self)
  end)
  return self
end

return M

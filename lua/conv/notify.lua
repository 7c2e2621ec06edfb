-- The one door to the person for messages, and to other plugins for `User` events. Always scheduled, always titled,
-- never with a token: what comes from outside is redacted here.

local errors = require("conv.errors")

local M = {}

---Seconds in which the same message is not shown twice.
local REPEAT = 5

---@type table<string, integer>
local shown = {}

---@param text string
---@param level integer
local function show(text, level)
  local custom = require("conv.config").get().notify
  local opts = { title = "Convocations" }
  if custom then
    custom(text, level, opts)
  else
    vim.notify("conv: " .. text, level, opts)
  end
end

---@param text string
---@param level? integer
function M.say(text, level)
  local now = os.time()
  if shown[text] and now - shown[text] < REPEAT then
    return
  end
  shown[text] = now
  vim.schedule(function()
    pcall(show, text, level or vim.log.levels.INFO)
  end)
end

---@param err ConvError
function M.error(err)
  M.say(errors.text(err), errors.level(err))
end

---Something in this plugin, or in a callback given to it, raised an error.
---@param where string
---@param problem any
function M.internal(where, problem)
  local first = errors.redact(tostring(problem)):match("[^\n]*")
  M.say(("A listener of `%s` failed: %s"):format(where, first), vim.log.levels.ERROR)
end

---Fires a `User` event.
---@param pattern string
---@param data table never with a token in it
function M.event(pattern, data)
  vim.schedule(function()
    local ok, problem =
      pcall(vim.api.nvim_exec_autocmds, "User", { pattern = pattern, modeline = false, data = data })
    if not ok then
      M.internal(pattern, problem)
    end
  end)
end

---The backend's `log` event: something the person should be told, once.
---@param data { level: string, code?: string, message: string, hint?: string, login?: string }
function M.on_log(data)
  local level = ({ warn = vim.log.levels.WARN, error = vim.log.levels.ERROR })[data.level]
  M.say(errors.text({ code = "", message = data.message, hint = data.hint }), level)
  if data.code and level then
    M.event("ConvError", { login = data.login, error = errors.from_wire(data) })
  end
end

return M

-- The one door to the person for messages, and to other plugins for `User` events. Always scheduled, always titled,
-- never with a token: what comes from outside is redacted here.

local errors = require("conv.errors")

local M = {}

---Seconds in which the same message is not shown twice.
local REPEAT = 5

---@type table<string, integer>
local shown = {}

---What of a text fits the message line, in whole sentences or at least words, and where the rest is.
---@param text string
---@param width integer cells
---@return string
local function shortened(text, width)
  local more = " … :messages"
  local room = width - vim.fn.strdisplaywidth(more)
  for _, piece in ipairs({ ".-%.%f[%s%z]%s*", "%S+%s*" }) do
    local fits = ""
    for part in text:gmatch(piece) do
      if vim.fn.strdisplaywidth(fits .. part) > room then
        break
      end
      fits = fits .. part
    end
    if fits ~= "" then
      return vim.trim(fits) .. more
    end
  end
  return more
end

---A text that is longer than the message line would stop the person at a "Press ENTER", and eat the next key. It goes
---to `:messages` whole, and what fits is shown.
---@param text string
---@param short string
---@param level integer
local function show_on_one_line(text, short, level)
  local before = vim.o.messagesopt
  vim.o.messagesopt = "wait:0,history:" .. (before:match("history:(%d+)") or "500")
  pcall(vim.notify, text, level)
  vim.cmd.redraw()
  vim.o.messagesopt = before
  local group = ({ [vim.log.levels.WARN] = "WarningMsg", [vim.log.levels.ERROR] = "ErrorMsg" })[level]
  vim.api.nvim_echo({ { short, group } }, false, {})
end

---@param text string
---@param level integer
local function show(text, level)
  local custom = require("conv.config").get().notify
  local opts = { title = "Convocations" }
  if custom then
    custom(text, level, opts)
    return
  end
  text = "conv: " .. text
  local is_long = vim.fn.strdisplaywidth(text) > vim.v.echospace and #vim.api.nvim_list_uis() > 0
  if is_long and require("conv.stock").is_stock(vim.notify) then
    show_on_one_line(text, shortened(text, vim.v.echospace), level)
  else
    vim.notify(text, level, opts)
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
    if not pcall(show, text, level or vim.log.levels.INFO) then
      vim.api.nvim_echo({ { "conv: " .. text } }, true, {})
    end
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
  M.say(("`%s` failed: %s"):format(where, first), vim.log.levels.ERROR)
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

-- The one door to the person for messages, and to other plugins for `User` events. Always scheduled, always
-- titled, never with a token: what comes from outside is redacted here.

local errors = require("conv.errors")

local M = {}

---Seconds in which the same news is not shown twice.
local REPEAT = 5

---Milliseconds within which messages belong together.
local TOGETHER = 20

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

---A text that is longer than the message line would stop the person at a "Press ENTER", and eat the next key.
---It goes to `:messages` whole, and what fits is shown.
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

---On Neovim's own message line one message would hide the one before it: what is told together stands there
---together.
---@param messages conv.Message[] the most important first
local function show_together(messages)
  local level, texts = vim.log.levels.INFO, {}
  for _, message in ipairs(messages) do
    level = math.max(level, message.level)
    table.insert(texts, message.text)
  end
  local text = "conv: " .. table.concat(texts, " ")
  if vim.fn.strdisplaywidth(text) > vim.v.echospace and #vim.api.nvim_list_uis() > 0 then
    show_on_one_line(text, shortened(text, vim.v.echospace), level)
  else
    vim.notify(text, level)
  end
end

---@param messages conv.Message[]
local function show_each(messages)
  local notify = require("conv.config").get().notify or vim.notify
  for _, message in ipairs(messages) do
    notify(message.text, message.level, { title = "Convocations" })
  end
end

---@class (exact) conv.Message
---@field text string
---@field level integer
---@field is_answer boolean

---@type conv.Message[]
local waiting = {}

---@param messages conv.Message[]
---@param display fun(messages: conv.Message[])
local function safely(messages, display)
  if not pcall(display, messages) then
    for _, message in ipairs(messages) do
      vim.api.nvim_echo({ { "conv: " .. message.text } }, true, {})
    end
  end
end

local function flush()
  local answers, news = {}, {} ---@type conv.Message[], conv.Message[]
  for _, message in ipairs(waiting) do
    table.insert(message.is_answer and answers or news, message)
  end
  waiting = {}
  local messages = vim.list_extend(answers, news)
  if not require("conv.config").get().notify and require("conv.stock").is_stock(vim.notify) then
    return safely(messages, show_together)
  end
  for _, message in ipairs(messages) do
    safely({ message }, show_each)
  end
end

---@param text string
---@param level integer
---@param is_answer boolean
local function tell(text, level, is_answer)
  shown[text] = os.time()
  table.insert(waiting, { text = text, level = level, is_answer = is_answer })
  if #waiting == 1 then
    vim.schedule(function()
      vim.defer_fn(flush, TOGETHER)
    end)
  end
end

---News: the same is not told again and again.
---@param text string
---@param level? integer
function M.say(text, level)
  if not shown[text] or os.time() - shown[text] >= REPEAT then
    tell(text, level or vim.log.levels.INFO, false)
  end
end

---@param err ConvError
function M.error(err)
  M.say(errors.text(err), errors.level(err))
end

---What answers a person: told each time.
---@param what string|ConvError
function M.answer(what)
  if type(what) == "string" then
    tell(what, vim.log.levels.INFO, true)
  else
    tell(errors.text(what), errors.level(what), true)
  end
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

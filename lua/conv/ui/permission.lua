-- The window in which a grant of this editor asks the person before a login is used. It never opens under
-- somebody who is typing, takes no key for its first second, and goes when what it asks is withdrawn. What is
-- not answered is no, which the backend sees to.

local float = require("conv.ui.float")
local notify = require("conv.notify")
local pages = require("conv.ui.page")

local M = {}

local WIDTH = 64
---Milliseconds in which no key answers: it may have been meant for something else.
local BLIND = 1000

---@class (exact) conv.PermissionWindow
---@field window conv.Float
---@field question conv.GrantQuestion
---@field ready boolean whether keys answer

---@type conv.PermissionWindow?
local open
---@type conv.GrantQuestion[]
local asked = {}
---@type table<integer, true> questions whose window the person has closed
local closed = {}
local waits_for_normal = false

---@param question conv.GrantQuestion
---@return string
local function words(question)
  local wants = question.power == "token" and "wants a token of %s"
    or "wants to send a request with your login %s"
  local text = ("%s %s, by the grant %s to %s."):format(
    question.program,
    wants:format(question.login),
    question.grant,
    question.label
  )
  return question.waiting > 1 and ("%s %d requests wait for it."):format(text, question.waiting) or text
end

---@param columns integer
---@param shown conv.PermissionWindow
---@return conv.Line[]
local function lines(columns, shown)
  local page = pages.new(columns)
  page:para(words(shown.question))
  page:para("No answer within 30 s is no.", "ConvMuted")
  if shown.ready then
    page:keys({ { "o", "once" }, { "g", "for this grant" }, { "n", "no" } })
  end
  return page.lines
end

local function render()
  if open then
    local shown = open
    shown.window:set(function(columns)
      return lines(columns, shown)
    end)
  end
end

local function close()
  if open then
    local shown = open
    open = nil
    shown.window:close()
  end
end

---@param answer "once"|"grant"|"no"
---@return fun()
local function say(answer)
  return function()
    if not (open and open.ready) then
      return
    end
    local id = open.question.id
    closed[id] = true
    close()
    require("conv.backend").call("agent.answer", { id = id, answer = answer }, function(err, result)
      if err or not result.taken then
        notify.answer(err or "It is no longer asked.")
      end
      M.show()
    end)
  end
end

---Every key is taken, so that what is typed blind does nothing else here.
---@return table<string, fun()>
local function keys()
  local all = {} ---@type table<string, fun()>
  local named = { [" "] = "<Space>", ["<"] = "<lt>", ["|"] = "<Bar>", ["\\"] = "<Bslash>" }
  for byte = 32, 126 do
    local letter = string.char(byte)
    if letter ~= ":" then -- commands stay within reach
      all[named[letter] or letter] = function() end
    end
  end
  all["<CR>"] = function() end
  all.o, all.g, all.n = say("once"), say("grant"), say("no")
  return all
end

---@param question conv.GrantQuestion
local function ask(question)
  local window, err = float.open({
    title = "May a login be used?",
    width = WIDTH,
    filetype = "conv",
    keys = keys(),
    on_close = function()
      if open and open.question.id == question.id then
        closed[question.id], open = true, nil
        M.show()
      end
    end,
  })
  if not window then
    return notify.answer(err --[[@as ConvError]])
  end
  local shown = { window = window, question = question, ready = false }
  open = shown
  render()
  vim.defer_fn(function()
    shown.ready = true
    if open == shown then
      render()
    end
  end, BLIND)
end

---Whether a window may open now: not under somebody who types, and not where none can.
---@return boolean
local function is_free()
  local mode = vim.api.nvim_get_mode()
  return mode.mode == "n" and not mode.blocking and vim.fn.getcmdwintype() == ""
end

---Waits until nobody types any more.
local function wait_for_normal()
  if waits_for_normal then
    return
  end
  waits_for_normal = true
  notify.answer("A grant asks whether a login may be used: leave this mode to answer.")
  vim.api.nvim_create_autocmd({ "ModeChanged", "CmdwinLeave" }, {
    group = vim.api.nvim_create_augroup("conv.permission", { clear = true }),
    callback = function()
      vim.schedule(function()
        if waits_for_normal and is_free() then
          waits_for_normal = false
          vim.api.nvim_create_augroup("conv.permission", { clear = true })
          M.show()
        end
      end)
    end,
  })
end

---Shows the oldest question that is open and was not closed.
function M.show()
  local first = vim.iter(asked):find(function(question)
    return not closed[question.id]
  end)
  if open and not (first and first.id == open.question.id) then
    close()
  end
  if not first then
    waits_for_normal = false
  elseif open then
    open.question = first
    render()
  elseif is_free() then
    ask(first)
  else
    wait_for_normal()
  end
end

---The backend's `question` event: what is asked now.
---@param data conv.GrantQuestions
function M.on_questions(data)
  asked = data.questions
  M.show()
end

return M

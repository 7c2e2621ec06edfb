-- One login in progress, and how it ends: exactly once, whatever happens, with nothing of it left on the
-- screen but the reason of a failure. At most one lives per editor.

local backend = require("conv.backend")
local errors = require("conv.errors")
local notify = require("conv.notify")
local secret = require("conv.ui.secret")
local status = require("conv.status")
local ui = require("conv.ui.login")

---Seconds after the backend's own limit at which a silent login is given up.
local GRACE = 30
---Milliseconds to wait for the backend to confirm a cancel.
local CANCEL_WAIT = 3000

---@class conv.Session
---@field login? string
---@field opts ConvLoginOpts
---@field cb fun(err?: ConvError, status?: ConvLoginStatus)
---@field phase "choosing"|"starting"|"running"|"cancelling"
---@field id? integer the backend's number
---@field method? conv.Method
---@field view conv.LoginView
---@field window? conv.Float
---@field tick? uv.uv_timer_t
---@field prompted boolean whether the prompt opened by itself
---@field report? conv.Report
---@field after? fun() what was asked for while it was being cancelled
local Session = {}
Session.__index = Session

local M = {}

---@type conv.Session?
local current
---@type conv.Float? the window that shows why the last one failed
local leftover
local last_id ---@type integer?

---@return conv.Session?
function M.current()
  return current
end

---Whether this number belongs to a login that is over.
---@param id integer
---@return boolean
function M.is_over(id)
  return id == last_id
end

---A new backend counts anew.
function M.forget_numbers()
  last_id = nil
end

---@param login? string
---@param opts ConvLoginOpts
---@param cb fun(err?: ConvError, status?: ConvLoginStatus)
---@param view conv.LoginView
---@return conv.Session
function M.new(login, opts, cb, view)
  if leftover then
    leftover:close()
    leftover = nil
  end
  current = setmetatable(
    { login = login, opts = opts, cb = cb, phase = "choosing", view = view, prompted = false },
    Session
  )
  return current
end

---@return ConvError
function M.cancelled()
  return errors.new("cancelled", "The login was cancelled.")
end

---@return boolean whether it is still under way
function Session:alive()
  return current == self
end

function Session:render()
  if self.window then
    self.window:set(function(columns, room)
      return ui.lines(self.view, columns, room)
    end)
    if secret.is_open() then
      vim.cmd.redraw()
    end
    if self.report and self.view.stage ~= "notice" and self:alive() then
      self.report.update(ui.happening(self.view))
    end
  end
end

---@param actions table<string, fun()>
---@param on_close fun()
---@return ConvError? err
function Session:show(actions, on_close)
  local window, err = ui.open(self.view, actions, on_close, function(text)
    self:submit(text)
  end)
  if not window then
    return err
  end
  self.window = window
  self.report = require("conv.ui.report").begin(self.view.title)
  secret.guard(window.buf)
  self.tick = assert(vim.uv.new_timer())
  self.tick:start(
    1000,
    1000,
    vim.schedule_wrap(function()
      self:every_second()
    end)
  )
end

---The time left goes on; and nobody waits for ever for a backend that says nothing.
function Session:every_second()
  if not self:alive() then
    return
  end
  local ends = self.view.expires_at
  if ends and os.time() > ends + GRACE then
    self:tell_backend_to_cancel()
    return self:finish(
      errors.new("login_timeout", "The login was not finished in time.", "Try again: `:ConvLogin`.")
    )
  end
  self:render()
end

---Why a text cannot be taken now; nothing where it can.
---@return string?
function Session:_takes_no_text()
  if not self:alive() then
    return "This login is over, and a code belongs to the login it was made for. Press r to try again."
  elseif not self.id or self.view.stage == "preparing" or self.view.stage == "notice" then
    return "It is too early for that."
  elseif self.view.input == "none" then
    return "There is nothing to paste or type here: this login waits for the browser."
  end
end

---Hands what was pasted or typed to the backend. An error leaves the login waiting.
---@param text string
function Session:submit(text)
  local no = self:_takes_no_text() or (text:match("^%s*$") and "That was empty.")
  if no then
    self.view.message = no
    return self:render()
  end
  self.view.message = "Checking…"
  self:render()
  secret.dismiss()
  backend.call("login.input", { id = self.id, text = text }, function(err)
    if self:alive() then
      self.view.message = err and errors.text(err) or nil
      self:render()
    end
  end)
end

---Asks by the hidden prompt.
function Session:prompt()
  local no = self:_takes_no_text()
  if no then
    self.view.message = no
    return self:render()
  end
  local label = self.view.input == "code" and "Paste the code (hidden): " or "Type the key (hidden): "
  secret.ask(label, function(text)
    if text then
      self:submit(text)
    end
  end)
end

---@param url? string
function Session:open(url)
  if not url then
    return
  end
  require("conv.browser").open(url, function(why)
    if self:alive() then
      self.view.opened = ("The browser did not open (%s). Open the address yourself."):format(why)
      self:render()
    end
  end)
end

---@param text? string
---@param what string
function Session:copy(text, what)
  if text then
    require("conv.browser").copy(text)
    self.view.remark = what .. " copied."
    self:render()
  end
end

function Session:tell_backend_to_cancel()
  if self.id then
    backend.call("login.cancel", { id = self.id }, function(err)
      if err then
        self:finish(M.cancelled())
      end
    end)
  end
end

---The person does not want it any more. It ends when the backend has let go of everything, or soon after.
function Session:cancel()
  if self.phase == "cancelling" then
    return
  elseif self.phase == "choosing" then
    self:finish(M.cancelled())
    return require("conv.ui.select").dismiss()
  end
  self.phase = "cancelling"
  secret.dismiss()
  if self.window then
    self.window:close()
  end
  self:tell_backend_to_cancel()
  vim.defer_fn(function()
    self:finish(M.cancelled())
  end, CANCEL_WAIT)
end

function Session:_release()
  if self.tick then
    self.tick:stop()
    self.tick:close()
  end
  secret.dismiss()
end

---Leaves the window open for the reason of a failure, else closes it.
---@param err? ConvError
---@return boolean shown
function Session:_settle_window(err)
  local window = self.window
  if window and err and err.code ~= "cancelled" and window:is_open() then
    self.view.stage, self.view.error, self.view.message = "failed", err, nil
    self:render()
    leftover = window
    return true
  elseif window then
    window:close()
  end
  return false
end

---@param err? ConvError
---@param result? ConvLoginStatus
function Session:finish(err, result)
  if not self:alive() then
    return
  end
  current, last_id = nil, self.id or last_id
  self:_release()
  if self.report then
    local failed = err and (err.code == "cancelled" and "cancel" or "failed")
    self.report.finish(failed or "success", err and err.message or "Logged in.")
  end
  status.set_logging_in(nil)
  if result then
    status.logged_in(result.login, result.identity)
  end
  if not self:_settle_window(err) and err then
    notify.answer(err)
  end
  if err and err.code ~= "cancelled" then
    notify.event("ConvError", { login = self.login, error = err })
  end
  local login = result and result.login or self.login
  if login then
    notify.event("ConvAuthComplete", { login = login, ok = err == nil, error = err })
  end
  vim.schedule(function()
    local ok, problem = pcall(self.cb, err, result)
    if not ok then
      notify.internal("conv.login", problem)
    end
    if self.after then
      self.after()
    end
  end)
end

return M

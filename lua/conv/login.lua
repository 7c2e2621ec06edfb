-- A login as the person sees it: pick, confirm, approve, done. One at a time per editor. The backend does the work
-- (doc/rpc.md, event `login`); this file keeps the conversation, and ends it exactly once, whatever happens.

local backend = require("conv.backend")
local bus = require("conv.bus")
local errors = require("conv.errors")
local notify = require("conv.notify")
local secret = require("conv.ui.secret")
local status = require("conv.status")
local ui = require("conv.ui.login")

local M = {}

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
---@field stop_paste? fun()
---@field prompted boolean
---@field after? fun() what was asked while it was being cancelled

---@type conv.Session?
local session
---@type conv.Float? the window that shows why the last one failed
local leftover
local ended_id ---@type integer?

---@param s conv.Session
---@return boolean
local function alive(s)
  return session == s
end

---@param s conv.Session
local function render(s)
  if s.window then
    s.window:set(ui.lines(s.view))
  end
end

---@param s conv.Session
local function release(s)
  if s.tick then
    s.tick:stop()
    s.tick:close()
  end
  if s.stop_paste then
    s.stop_paste()
  end
  secret.dismiss()
end

---@param s conv.Session
---@param err? ConvError
local function settle_window(s, err)
  if not s.window then
    return
  elseif err and err.code ~= "cancelled" and s.window:is_open() then
    s.view.stage, s.view.error = "failed", err
    render(s)
    leftover = s.window
  else
    s.window:close()
  end
end

---@param err ConvError
---@param s conv.Session
local function tell(err, s)
  if not (s.window and s.window:is_open()) then
    notify.error(err)
  end
  if err.code ~= "cancelled" then
    notify.event("ConvError", { login = s.login, error = err })
  end
end

---@param s conv.Session
---@param err? ConvError
---@param result? ConvLoginStatus
local function finish(s, err, result)
  if not alive(s) then
    return
  end
  session, ended_id = nil, s.id
  release(s)
  status.set_logging_in(nil)
  if result then
    status.logged_in(result.login, result.identity)
  end
  settle_window(s, err)
  if err then
    tell(err, s)
  end
  local login = result and result.login or s.login
  if login then
    notify.event("ConvAuthComplete", { login = login, ok = err == nil, error = err })
  end
  vim.schedule(function()
    s.cb(err, result)
  end)
  if s.after then
    vim.schedule(s.after)
  end
end

---@return ConvError
local function cancelled()
  return errors.new("cancelled", "The login was cancelled.")
end

---@param s conv.Session
---@param text string
local function submit(s, text)
  if not alive(s) or s.view.input == "none" or text:match("^%s*$") then
    return
  end
  s.view.message = "Checking…"
  render(s)
  secret.dismiss()
  backend.call("login.input", { id = s.id, text = text }, function(err)
    if alive(s) then
      s.view.message = err and errors.text(err) or nil
      render(s)
    end
  end)
end

---@param s conv.Session
local function prompt(s)
  if not alive(s) or s.view.input == "none" then
    return
  end
  local label = s.view.input == "code" and "Paste the code (hidden): " or "Type the key (hidden): "
  secret.ask(label, function(text)
    if text then
      submit(s, text)
    end
  end)
end

---@param s conv.Session
---@param url? string
local function open(s, url)
  if not url then
    return
  end
  require("conv.browser").open(url, function(why)
    if alive(s) then
      s.view.opened = ("The browser did not open (%s). Open the address yourself."):format(why)
      render(s)
    end
  end)
end

---@param view conv.LoginView
---@return string?
local function address(view)
  return not view.browser and view.paste_url or view.url or view.verification_uri or view.page
end

---@param s conv.Session
---@param text? string
---@param what string
local function copy(s, text, what)
  if text then
    require("conv.browser").copy(text)
    s.view.remark = what .. " copied."
    render(s)
  end
end

---@param s conv.Session
local function start_backend_login(s)
  s.phase = "starting"
  s.view.stage = "preparing"
  render(s)
  status.set_logging_in(s.login)
  local params = {
    login = s.login,
    method = s.method and s.method.id,
    browser = s.view.browser,
    confirmed = s.opts.confirmed or nil,
  }
  backend.call("login.start", params, function(err, result)
    if not alive(s) then
      return
    elseif err then
      finish(s, s.phase == "cancelling" and cancelled() or err)
    else
      s.id = result.id
      if s.phase == "cancelling" then
        backend.call("login.cancel", { id = s.id }, function() end)
      elseif s.phase == "starting" then
        s.phase = "running"
      end
    end
  end)
end

---What the keys of the window do.
---@param s conv.Session
---@return table<string, fun()>
local function actions(s)
  local view = s.view
  return {
    q = function()
      if alive(s) then
        M.cancel()
      elseif s.window then
        s.window:close()
      end
    end,
    p = function()
      prompt(s)
    end,
    o = function()
      open(s, alive(s) and address(view) or nil)
    end,
    c = function()
      copy(s, view.user_code, "The code is")
    end,
    Q = function()
      view.show_qr = not view.show_qr and view.qr ~= nil
      render(s)
    end,
    r = function()
      if view.stage == "failed" then
        M.start(s.login, s.opts, s.cb)
      end
    end,
    y = function()
      if view.stage == "notice" then
        s.opts.confirmed = true
        start_backend_login(s)
      else
        copy(s, address(view), "The address is")
      end
    end,
  }
end

---@param s conv.Session
local function every_second(s)
  if not alive(s) then
    return
  end
  local ends = s.view.expires_at
  if ends and os.time() > ends + GRACE then
    if s.id then
      backend.call("login.cancel", { id = s.id }, function() end)
    end
    return finish(s, errors.new("login_timeout", "The login was not finished in time.", "Try again: `:ConvLogin`."))
  end
  render(s)
end

---@param s conv.Session
local function show(s)
  if leftover then
    leftover:close()
    leftover = nil
  end
  s.window = ui.open(s.view, actions(s), function()
    if alive(s) then
      M.cancel()
    end
  end)
  s.stop_paste = secret.catch_paste(s.window.buf, function(text)
    submit(s, text)
  end)
  s.tick = vim.uv.new_timer()
  s.tick:start(
    1000,
    1000,
    vim.schedule_wrap(function()
      every_second(s)
    end)
  )
end

---@param s conv.Session
---@param provider conv.Provider
---@param method conv.Method
local function confirm(s, provider, method)
  s.method = method
  s.view.title = "Log in to " .. provider.name .. " · " .. method.label
  if s.opts.browser == nil and require("conv.choose").needs_browser(method) then
    s.view.browser = true
  end
  local ask = method.notice and not method.notice_confirmed and not s.opts.confirmed
  if ask then
    s.view.stage, s.view.notice, s.view.terms = "notice", method.notice, method.terms
  end
  show(s)
  if not ask then
    start_backend_login(s)
  end
end

---@param s conv.Session
---@param providers conv.Provider[]
local function with_login(s, providers)
  local choose = require("conv.choose")
  local provider, err = choose.find(providers, s.login)
  if not provider then
    return finish(s, err)
  end
  choose.method(provider, s.opts.method, s.view.browser, function(method, problem)
    if not alive(s) then
      return
    elseif not method then
      return finish(s, problem or cancelled())
    end
    s.opts.method = method.id
    confirm(s, provider, method)
  end)
end

---@param s conv.Session
---@param providers conv.Provider[]
local function with_providers(s, providers)
  if s.login then
    return with_login(s, providers)
  end
  require("conv.choose").provider(providers, function(login)
    if not alive(s) then
      return
    elseif not login then
      return finish(s, cancelled())
    end
    s.login = login
    with_login(s, providers)
  end)
end

---@param s conv.Session
local function begin(s)
  require("conv.binary").ensure(function(err)
    if not alive(s) then
      return
    end
    err = err or backend.retry()
    if err then
      return finish(s, err)
    end
    backend.call("providers", {}, function(failed, result)
      if not alive(s) then
        return
      elseif failed then
        return finish(s, failed)
      end
      with_providers(s, result.providers)
    end)
  end)
end

---@param opts ConvLoginOpts
---@return conv.LoginView
local function new_view(opts)
  local browser, why = opts.browser, nil
  if browser == nil then
    browser, why = require("conv.environment").browser()
  end
  return {
    title = "Log in",
    stage = "preparing",
    input = "none",
    browser = browser,
    why_paste = why,
    loopback = false,
    show_qr = false,
    ignored = 0,
  }
end

---@param login? string
---@param opts ConvLoginOpts
---@param cb fun(err?: ConvError, status?: ConvLoginStatus)
function M.start(login, opts, cb)
  if session and session.phase == "cancelling" then
    session.after = function()
      M.start(login, opts, cb)
    end
    return
  end
  local err = login and require("conv.credentials").check_name(login)
  if session then
    if session.window then
      session.window:focus()
    end
    err = errors.new("busy", "A login is under way already.", "Finish it, or cancel it with `q` in its window.")
  end
  if err then
    notify.error(err)
    vim.schedule(function()
      cb(err)
    end)
    return
  end
  opts = vim.deepcopy(opts)
  session = { login = login, opts = opts, cb = cb, phase = "choosing", view = new_view(opts), prompted = false }
  begin(session)
end

---Ends the login that is under way, if there is one.
function M.cancel()
  local s = session
  if not s or s.phase == "cancelling" then
    return
  elseif s.phase == "choosing" then
    return finish(s, cancelled())
  end
  s.phase = "cancelling"
  if s.window then
    s.window:close()
  end
  if s.id then
    backend.call("login.cancel", { id = s.id }, function(err)
      if err then
        finish(s, cancelled())
      end
    end)
  end
  vim.defer_fn(function()
    finish(s, cancelled())
  end, CANCEL_WAIT)
end

---@type table<string, fun(s: conv.Session, data: conv.LoginEvent)>
local stages = {}

stages["open-url"] = function(s, data)
  local view = s.view
  view.stage, view.url, view.paste_url = "open-url", data.url, data.paste_url
  view.loopback, view.remark, view.qr = data.loopback or false, data.notice, data.qr
  if view.browser then
    open(s, address(view))
  end
end

stages["device-code"] = function(s, data)
  local view = s.view
  view.stage, view.user_code, view.qr = "device-code", data.user_code, data.qr
  view.verification_uri = data.verification_uri
  if view.browser then
    open(s, data.verification_uri_complete or data.verification_uri)
  end
end

stages.waiting = function(s, data)
  local view = s.view
  view.label, view.page = data.label or view.label, data.page or view.page
  view.ignored = data.ignored or 0
  if view.stage == "exchanging" or view.stage == "preparing" then
    view.stage = view.user_code and "device-code" or view.url and "open-url" or "waiting"
  end
  if data.input == "api-key" and not s.prompted then
    s.prompted = true
    vim.schedule(function()
      prompt(s)
    end)
  end
end

stages.exchanging = function(s)
  s.view.stage, s.view.message = "exchanging", nil
  secret.dismiss()
end

stages.done = function(s, data)
  local drop = require("conv.credentials").drop
  drop(data.login)
  drop(s.login)
  local result = vim.tbl_extend("force", status.of(data.login), {
    state = "valid",
    identity = data.identity,
    expires_at = data.expires_at,
    method = data.method,
    store = data.store,
  })
  local who = data.identity and (" as " .. data.identity) or ""
  notify.say(("Logged in to %s%s. Kept in: %s."):format(data.login, who, data.store or "the store"))
  finish(s, nil, result)
end

stages.failed = function(s, data)
  finish(s, s.phase == "cancelling" and cancelled() or errors.from_wire(data.error))
end

bus.on("login", function(data)
  local s = session
  if not s or s.phase == "choosing" or data.id == ended_id then
    return
  end
  s.id = s.id or data.id
  local stage = stages[data.stage]
  if data.id ~= s.id or not stage then
    return
  end
  s.view.expires_at = data.expires_at or s.view.expires_at
  s.view.input = data.input or (data.stage == "exchanging" and "none") or s.view.input
  if s.phase ~= "cancelling" or data.stage == "failed" or data.stage == "done" then
    stage(s, data)
  end
  if alive(s) then
    render(s)
  end
end)

bus.on("backend", function(data)
  local s = session
  if s and s.phase ~= "choosing" and (data.state == "stopped" or data.state == "down") then
    local hint = "Nothing was changed. Try again: `:ConvLogin`."
    finish(s, data.error or errors.new("backend_crashed", "The backend ended during the login.", hint))
  end
end)

return M

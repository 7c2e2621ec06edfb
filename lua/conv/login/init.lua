-- A login as the person sees it: pick, confirm, approve, done. The backend does the work; this file leads to
-- it. `session.lua` knows how a login ends, `stages.lua` what the backend's news change.

local backend = require("conv.backend")
local bus = require("conv.bus")
local picker = require("conv.picker")
local errors = require("conv.errors")
local notify = require("conv.notify")
local sessions = require("conv.login.session")
local stages = require("conv.login.stages")
local status = require("conv.status")

local M = {}

---Milliseconds of silence after which a person is told what is waited for.
local SLOW = 1000

---@param s conv.Session
local function start_backend_login(s)
  s.phase, s.view.stage = "starting", "preparing"
  s:render()
  status.set_logging_in(s.login)
  local params = {
    login = s.login,
    method = s.method and s.method.id,
    browser = s.view.browser,
    confirmed = s.opts.confirmed or nil,
    challenge = s.opts.challenge,
    organization = s.opts.organization,
  }
  backend.call("login.start", params, function(err, result)
    if not s:alive() then
      return
    elseif err then
      return s:finish(s.phase == "cancelling" and sessions.cancelled() or err)
    end
    s.id = result.id
    if s.phase == "cancelling" then
      s:tell_backend_to_cancel()
    elseif s.phase == "starting" then
      s.phase = "running"
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
      if s:alive() then
        s:cancel()
      elseif s.window then
        s.window:close()
      end
    end,
    p = function()
      s:prompt()
    end,
    o = function()
      s:open(s:alive() and stages.address(view) or nil)
    end,
    c = function()
      s:copy(view.user_code, "The code is")
    end,
    Q = function()
      view.show_qr = not view.show_qr and view.qr ~= nil
      s:render()
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
        s:copy(stages.address(view), "The address is")
      end
    end,
  }
end

---@param s conv.Session
---@param provider conv.Provider
---@param method conv.Method
local function confirm(s, provider, method)
  local view = s.view
  s.method, s.opts.method = method, method.id
  view.title = "Log in to " .. provider.name .. " · " .. method.label
  if s.opts.browser == nil and picker.needs_browser(method) then
    view.browser = true
  end
  local ask = method.notice and not method.notice_confirmed and not s.opts.confirmed
  if ask then
    view.stage, view.notice, view.terms = "notice", method.notice, method.terms
  end
  local err = s:show(actions(s), function()
    if s:alive() then
      s:cancel()
    end
  end)
  if err then
    return s:finish(err)
  elseif not ask then
    start_backend_login(s)
  end
end

---@param s conv.Session
---@param providers conv.Provider[]
local function pick_method(s, providers)
  local lender = status.of(s.login --[[@as string]]).lender
  if lender then
    local message = ("The login `%s` is kept on %s and only lent here."):format(s.login, lender)
    return s:finish(
      errors.new("invalid_argument", message, "Log in there, in Neovim or at a terminal of it.")
    )
  end
  local provider, err = picker.find(providers, s.login --[[@as string]])
  if not provider then
    return s:finish(err)
  end
  picker.method(provider, s.opts.method, s.view.browser, function(method, problem)
    if not s:alive() then
      return
    elseif not method then
      return s:finish(problem or sessions.cancelled())
    end
    confirm(s, provider, method)
  end)
end

---@param s conv.Session
---@param providers conv.Provider[]
local function pick_provider(s, providers)
  if s.login then
    return pick_method(s, providers)
  end
  picker.provider(providers, function(login)
    if not s:alive() then
      return
    elseif not login then
      return s:finish(sessions.cancelled())
    end
    s.login = login
    pick_method(s, providers)
  end)
end

---@param s conv.Session
local function begin(s)
  require("conv.install.offer").ensure(function(err)
    if not s:alive() then
      return
    end
    err = err or backend.retry()
    if err then
      return s:finish(err)
    end
    local answered = false
    vim.defer_fn(function()
      if s:alive() and not answered then
        notify.answer("The backend is starting…")
      end
    end, SLOW)
    backend.call("providers", {}, function(failed, result)
      answered = true
      if not s:alive() then
        return
      elseif failed then
        return s:finish(failed)
      end
      if s.opts.browser == nil then
        s.view.browser, s.view.why_paste = require("conv.environment").browser()
      end
      pick_provider(s, result.providers)
    end)
  end)
end

---@param opts ConvLoginOpts
---@return conv.LoginView
local function new_view(opts)
  return {
    title = "Log in",
    stage = "preparing",
    input = "none",
    browser = opts.browser ~= false,
    loopback = false,
    show_qr = false,
    ignored = 0,
  }
end

---@return ConvError? err why no login can begin now
local function under_way()
  local s = sessions.current()
  if s and s.phase == "choosing" and not require("conv.install.offer").is_under_way() then
    s:cancel() -- a picker may have gone without a word: nothing else would ever end this one
    return nil
  elseif not s then
    return nil
  elseif s.window then
    s.window:focus()
  end
  return errors.new(
    "busy",
    "A login is under way already.",
    "Finish it, or cancel it with `q` in its window."
  )
end

---@param login? string
---@param opts ConvLoginOpts
---@param cb fun(err?: ConvError, status?: ConvLoginStatus)
function M.start(login, opts, cb)
  local s = sessions.current()
  if s and s.phase == "cancelling" then
    s.after = function()
      M.start(login, opts, cb)
    end
    return
  end
  local err = login and require("conv.credentials").check_name(login) or under_way()
  if err then
    notify.answer(err)
    return vim.schedule(function()
      cb(err)
    end)
  end
  begin(sessions.new(login, vim.deepcopy(opts), cb, new_view(opts)))
end

---Ends the login that is under way, if there is one.
function M.cancel()
  local s = sessions.current()
  if s then
    s:cancel()
    require("conv.install.offer").cancel()
  end
end

bus.on("login", stages.on_event)
bus.on("backend", stages.on_backend)

return M

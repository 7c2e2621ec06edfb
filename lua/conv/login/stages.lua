-- What each stage of a login changes in what the person sees: the `login` events of doc/rpc.md.

local errors = require("conv.errors")
local sessions = require("conv.login.session")
local status = require("conv.status")

local M = {}

---@type table<string, fun(s: conv.Session, data: conv.LoginEvent)>
local stages = {}

---The address to open and to copy.
---@param view conv.LoginView
---@return string?
function M.address(view)
  if not view.browser and view.paste_url then
    return view.paste_url
  end
  return view.url or view.verification_uri or view.page
end

stages["open-url"] = function(s, data)
  local view = s.view
  view.stage, view.url, view.paste_url = "open-url", data.url, data.paste_url
  view.loopback, view.remark, view.qr = data.loopback or false, data.notice, data.qr
  if view.browser then
    s:open(M.address(view))
  end
end

stages["device-code"] = function(s, data)
  local view = s.view
  view.stage, view.user_code, view.qr = "device-code", data.user_code, data.qr
  view.verification_uri = data.verification_uri
  if view.browser then
    s:open(data.verification_uri_complete or data.verification_uri)
  end
end

stages.waiting = function(s, data)
  local view = s.view
  view.label, view.page = data.label or view.label, data.page or view.page
  view.ignored = data.ignored or 0
  view.remark = data.notice or view.remark
  if data.error then
    view.message = ("%s The login still waits."):format(errors.from_wire(data.error).message)
  end
  if view.stage == "exchanging" or view.stage == "preparing" then
    view.stage = view.user_code and "device-code" or view.url and "open-url" or "waiting"
  end
  if data.input == "api-key" and not s.prompted then
    s.prompted = true
    vim.schedule(function()
      s:prompt()
    end)
  end
end

stages.exchanging = function(s)
  s.view.stage, s.view.message = "exchanging", nil
  require("conv.ui.secret").dismiss()
end

stages.done = function(s, data)
  local credentials = require("conv.credentials")
  credentials.drop(data.login)
  credentials.drop(s.login --[[@as string]])
  local result = vim.tbl_extend("force", status.of(data.login), {
    state = "valid",
    identity = data.identity,
    expires_at = data.expires_at,
    method = data.method,
    store = data.store,
  }) --[[@as ConvLoginStatus]]
  local who = data.identity and (" as " .. data.identity) or ""
  local said = { ("Logged in to %s%s."):format(data.login, who) }
  if data.replaced then
    table.insert(said, data.replaced.message)
    table.insert(said, data.replaced.page)
  end
  vim.list_extend(said, data.notices or {})
  require("conv.notify").answer(table.concat(said, " "))
  s:finish(nil, result)
end

stages.failed = function(s, data)
  s:finish(s.phase == "cancelling" and sessions.cancelled() or errors.from_wire(data.error))
end

---@param data conv.LoginEvent
function M.on_event(data)
  local s = sessions.current()
  if not s or s.phase == "choosing" or sessions.is_over(data.id) then
    return
  end
  -- The first event may overtake the answer that brings the number.
  s.id = s.id or data.id
  local stage = stages[data.stage]
  local last = data.stage == "done" or data.stage == "failed"
  if data.id ~= s.id or not stage or (s.phase == "cancelling" and not last) then
    return
  end
  s.view.expires_at = data.expires_at or s.view.expires_at
  s.view.input = data.input or (data.stage == "exchanging" and "none") or s.view.input
  stage(s, data)
  if s:alive() then
    s:render()
  end
end

---The backend ended, and the login with it.
---@param data { state: conv.BackendState, error?: ConvError }
function M.on_backend(data)
  local s = sessions.current()
  local gone = data.state == "stopped" or data.state == "down"
  if gone and s and s.phase ~= "choosing" then
    local hint = "Nothing was changed. Try again: `:ConvLogin`."
    s:finish(data.error or errors.new("backend_crashed", "The backend ended during the login.", hint))
  end
  if gone then
    sessions.forget_numbers()
  end
end

return M

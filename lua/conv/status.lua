-- What is known of every login, in one table, and what others see of it: `conv.status()`, the statusline's
-- text in `vim.g.conv_status` (written only on change), and the `User` events. Until the backend runs, the
-- table is the picture that the index gives. Nothing here waits or asks.

local notify = require("conv.notify")
local states = require("conv.states")
local statusline = require("conv.statusline")

local M = {}

---@type table<string, ConvLoginStatus>
local logins = {}
---@type conv.StoreReport?
local store
---@type conv.GatewayReport?
local gateway
---@type conv.GrantReport[] what is lent, by any process of this user
local grants = {}
---@type conv.LenderReport?
local lender
---Whether `logins` came from the backend, and up to which news.
local live, last_seq = false, -1
---@type conv.BackendState
local backend_state = "stopped"
---@type string? the login that a conversation is about
local logging_in
---@type table<string, true> logins whose next news is a login of this editor, already announced
local announced = {}
---@type table<string, integer> revisions when the conversation began
local revisions_before = {}

local redraw_due = false
local last_text = "" -- what `vim.g.conv_status` holds

---Brings the text up to date, and tells everybody once per turn of the main loop.
local function publish()
  local text = statusline.compose(logins, backend_state, logging_in)
  local usage = package.loaded["conv.usage"] and require("conv.usage").short(logins)
  if usage and require("conv.config").get().statusline_usage and not logging_in then
    text = text .. " " .. usage
  end
  if text ~= last_text then
    last_text = text
    vim.g.conv_status = text
  end
  if redraw_due then
    return
  end
  redraw_due = true
  vim.schedule(function()
    redraw_due = false
    pcall(vim.api.nvim_exec_autocmds, "User", {
      pattern = "ConvStatus",
      modeline = false,
      data = { text = last_text, logins = vim.deepcopy(logins) },
    })
    pcall(vim.api.nvim_command, "redrawstatus!")
  end)
end

---@param status? ConvLoginStatus
---@return boolean
local function signed_in(status)
  return status ~= nil
    and (states.usable(status.state) or (status.state == "needs_login" and status.source ~= nil))
end

---@param login string
---@param old? ConvLoginStatus
---@param new ConvLoginStatus
local function announce(login, old, new)
  local data = { login = login, state = new.state, identity = new.identity, source = new.source }
  local was, is = signed_in(old), signed_in(new)
  local newer = (new.revision or 0) > (old and old.revision or 0)
  if is and announced[login] and (not was or newer) then
    announced[login] = nil
  elseif is and not was and logging_in ~= login then
    notify.event("ConvLogin", data)
  elseif is and newer and logging_in ~= login then
    notify.event("ConvRefresh", data)
  elseif was and new.state == "logged_out" then
    notify.event("ConvLogout", data)
  elseif was and not is and new.error then
    notify.event("ConvError", { login = login, error = new.error })
  end
end

---@param list_of ConvLoginStatus[]
---@return table<string, ConvLoginStatus>
local function by_name(list_of)
  local result = {}
  for _, status in ipairs(list_of) do
    result[status.login] = status
  end
  return result
end

---@param new table<string, ConvLoginStatus>
---@param silent boolean nothing of this is news: it is the first picture
local function replace(new, silent)
  local old = logins
  logins = new
  if not silent then
    for login, status in pairs(new) do
      announce(login, old[login], status)
    end
    for login, status in pairs(old) do
      if not new[login] then
        announce(login, status, {
          login = login,
          provider = status.provider,
          name = status.name,
          state = "logged_out",
          gateway_only = false,
          revision = 0,
        })
      end
    end
  end
  publish()
end

---Milliseconds between two looks at the index.
local WATCH = 500

local watcher ---@type uv.uv_fs_poll_t?

local function stop_watching()
  if watcher then
    watcher:stop()
    watcher:close()
    watcher = nil
  end
end

---Looks at the index, as long as no backend tells more. Cheap: one `stat` if nothing changed.
function M.from_index()
  if live or vim.in_fast_event() then
    return
  end
  local seen = require("conv.index").read()
  if seen ~= logins and not vim.deep_equal(seen, logins) then
    replace(seen, last_text == "")
  end
end

---Keeps the picture true while no backend runs, so that a login in another editor shows here too.
local function watch()
  if watcher or live then
    return
  end
  watcher = vim.uv.new_fs_poll()
  if watcher then
    watcher:start(require("conv.index").file(), WATCH, vim.schedule_wrap(M.from_index))
    -- What was written before its own first look is no change to it.
    vim.defer_fn(M.from_index, 2 * WATCH)
  end
end

---What is shown beside the states has changed.
function M.redraw()
  publish()
end

---Begins to show: the first picture, and the news after it.
function M.show()
  if vim.in_fast_event() then
    return
  end
  M.from_index()
  if last_text == "" then
    publish()
  end
  watch()
end

---@param data { logins: ConvLoginStatus[], seq?: integer }
function M.on_changed(data)
  if data.seq and data.seq < last_seq then
    return
  end
  last_seq = data.seq or last_seq
  local first = not live
  live = true
  stop_watching()
  local new = by_name(data.logins)
  require("conv.credentials").on_changed(new)
  replace(new, first and next(announced) == nil)
end

---@param result { logins: ConvLoginStatus[], seq?: integer, store?: conv.StoreReport, gateway?: conv.GatewayReport, grants?: conv.GrantReport[], lender?: conv.LenderReport }
function M.on_status(result)
  store, gateway, grants = result.store or store, result.gateway, result.grants or {}
  lender = result.lender
  M.on_changed({ logins = result.logins, seq = result.seq })
end

---@param data { state: conv.BackendState, error?: ConvError }
function M.on_backend(data)
  backend_state = data.state
  if data.state == "ready" then
    last_seq = -1
  elseif data.state == "stopped" or data.state == "down" then
    live = false
    watch()
  end
  if data.error then
    notify.event("ConvError", { error = data.error })
  end
  publish()
end

---A conversation begins, or ends.
---@param login? string
function M.set_logging_in(login)
  logging_in = login
  if login then
    revisions_before = vim.tbl_map(function(status)
      return status.revision or 0
    end, logins)
  end
  publish()
end

---A login of this editor succeeded.
---@param login string
---@param identity? string
function M.logged_in(login, identity)
  local known = logins[login]
  local seen = signed_in(known) and (known.revision or 0) > (revisions_before[login] or -1)
  announced[login] = not seen or nil
  notify.event("ConvLogin", { login = login, state = "valid", identity = identity, source = "login" })
end

---@param login string
---@return ConvLoginStatus
function M.of(login)
  M.from_index()
  local status = logins[login]
  local result = status and vim.deepcopy(status)
    or {
      login = login,
      provider = login:match("^[^@]+") or login,
      name = login:match("^[^@]+") or login,
      revision = 0,
      account = login:match("@(.+)$"),
      state = "logged_out",
      gateway_only = false,
    }
  if logging_in == login then
    result.state = "logging_in"
  end
  return result
end

---@return ConvStatus
function M.all()
  M.show()
  return {
    backend = backend_state,
    logins = vim.deepcopy(logins),
    store = store,
    gateway = gateway,
    grants = vim.deepcopy(grants),
    lender = lender,
    text = last_text,
  }
end

---A login that another machine lends here whose tokens it keeps: as it is known, without a look.
---@param login string
---@return ConvLoginStatus?
function M.gateway_only(login)
  return logins[login] and logins[login].gateway_only and logins[login] or nil
end

---@param login string
---@return boolean
function M.is_logged_in(login)
  M.from_index()
  return signed_in(logins[login])
end

---@return string the statusline's text; the first call takes it from the index
function M.text()
  if last_text == "" then
    M.show()
  end
  return last_text
end

return M

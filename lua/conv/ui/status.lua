-- The window of `:ConvStatus`: every login with what is known of it, live, with keys to act on the one under
-- the cursor.

local float = require("conv.ui.float")
local notify = require("conv.notify")
local page = require("conv.ui.status_page")
local states = require("conv.states")
local status = require("conv.status")

local M = {}

local WIDTH = 76

---@class (exact) conv.StatusWindow
---@field window conv.Float
---@field view conv.StatusView
---@field rows table<integer, string> the login or the grant of each row
---@field row integer where the cursor was put
---@field at? string the login that the person went to
---@field below integer on which of its lines, the first being 0
---@field group integer

---@type conv.StatusWindow?
local open

local KEYS = {
  { " l", "ConvKey" },
  { " log in  " },
  { "x", "ConvKey" },
  { " log out  " },
  { "r", "ConvKey" },
  { " refresh  " },
  { "?", "ConvKey" },
  { " all keys  " },
  { "q", "ConvKey" },
  { " close" },
}

---@param rows table<integer, string>
---@param login? string
---@return integer? first row of this login, or of any
local function first_row(rows, login)
  local found ---@type integer?
  for row, name in pairs(rows) do
    if (not login or name == login) and row < (found or math.huge) then
      found = row
    end
  end
  return found
end

---The cursor stays on the login that the person went to, wherever that is now; else it is on the first.
---@param shown conv.StatusWindow
local function place_cursor(shown)
  local row = shown.at and first_row(shown.rows, shown.at)
  if row and shown.rows[row + shown.below] == shown.at then
    row = row + shown.below
  end
  if not row and shown.at then
    -- It is gone: what took its place.
    row = shown.rows[shown.row] and shown.row
  end
  shown.row = row or first_row(shown.rows) or 1
  pcall(vim.api.nvim_win_set_cursor, shown.window.win, { shown.row, 0 })
end

local function render()
  if open and open.window:is_open() then
    local shown = open
    shown.window:set(function(columns)
      local lines
      lines, shown.rows = page.lines(columns, shown.view)
      return lines
    end)
    place_cursor(shown)
  end
end

---@return string? what is under the cursor: a login, or a grant
local function under_cursor()
  return open and open.rows[vim.api.nvim_win_get_cursor(open.window.win)[1]]
end

---@return string? id of the grant under the cursor
local function current_grant()
  local under = under_cursor()
  return under and vim.startswith(under, page.GRANT) and under:sub(#page.GRANT + 1) or nil
end

---@return string? login under the cursor
local function current()
  return not current_grant() and under_cursor() or nil
end

---@param action fun(login: ConvLoginStatus)
---@return fun()
local function with_login(action)
  return function()
    local login = current()
    if login then
      action(status.of(login))
    elseif open and open.view.help then
      notify.answer("The keys are for the list: `?` goes back to it.")
    elseif current_grant() then
      notify.answer("This is lent to somebody: `x` ends it.")
    else
      notify.answer("There is no login under the cursor.")
    end
  end
end

---Why a login cannot be logged out of, if so.
---@param login ConvLoginStatus
---@return string?
local function no_logout(login)
  if login.lender then
    return ("`%s` is kept on %s and only lent here: log out of it there."):format(login.login, login.lender)
  elseif login.method then
    return nil
  elseif login.source == "app" then
    return ("`%s` uses the key of the Convocations app: remove it there."):format(login.login)
  elseif login.source == "command" then
    return ("`%s` comes from the command in your settings: take it out there."):format(login.login)
  elseif login.source == "workload" then
    return ("`%s` comes from this machine's own identity: there is nothing to forget."):format(login.login)
  elseif login.source then
    local variable = states.source(login.source)
    return ("`%s` comes from %s: unset that, and restart Neovim."):format(login.login, variable)
  end
  return ("`%s` is not logged in."):format(login.login)
end

---Asks once more, since a login cannot be brought back: one key beside another is easily hit.
---@param login ConvLoginStatus
local function log_out(login)
  local no = no_logout(login)
  if not open then
    return
  elseif no then
    return notify.answer(no)
  elseif open.view.leaving ~= login.login then
    open.view.leaving = login.login
    return render()
  end
  open.view.leaving = nil
  local shown = open
  require("conv").logout(login.login, nil, function(err, result)
    if open ~= shown or err then
      return require("conv.commands").tell_logout(err, result)
    end
    shown.view.gone = result
    render()
  end)
end

---A question is for the login under the cursor, and as long as it stays there.
local function disarm()
  if open and open.view.leaving then
    open.view.leaving = nil
    render()
  end
end

---Ends a grant, once it was asked for twice.
---@param id string
local function end_grant(id)
  if open and open.view.leaving ~= page.GRANT .. id then
    open.view.leaving = page.GRANT .. id
    return render()
  end
  require("conv").revoke(id, function(err)
    notify.answer(err or ("The grant %s has ended."):format(id))
    disarm()
    require("conv.backend").call("status", {}, function(_, result)
      if result then
        status.on_status(result)
      end
      render()
    end)
  end)
end

---What is under the cursor ends: a login, or what is lent.
local function leave()
  local grant = current_grant()
  if grant then
    end_grant(grant)
  else
    with_login(log_out)()
  end
end

local function on_moved()
  if not open then
    return
  end
  local row = vim.api.nvim_win_get_cursor(open.window.win)[1] --[[@as integer]]
  if row == open.row then
    return
  end
  local login = open.rows[row]
  open.row, open.at = row, login or open.at
  open.below = login and row - (first_row(open.rows, login) or row) or 0
  if open.view.leaving ~= under_cursor() then
    disarm()
  end
end

---@param login ConvLoginStatus
local function refresh(login)
  local source = states.source(login.source)
  if login.state == "logged_out" then
    return notify.answer(("`%s` is not logged in: `l` logs in."):format(login.login))
  elseif source then
    return notify.answer(("The credential in use comes from %s: there is nothing to refresh."):format(source))
  elseif login.gateway_only then
    local text = "`%s` is refreshed on %s: no token of it comes here."
    return notify.answer(text:format(login.login, login.lender or "the machine that lends it"))
  end
  -- More than any token has left: the backend refreshes, whatever the margin.
  require("conv").get(login.login, { min_validity = 2 ^ 31 }, function(err)
    if err then
      return notify.answer(err)
    end
    -- As every face says it: a token that is handed out is not always a login that is well.
    require("conv.backend").call("status", { login = login.login }, function(failed, result)
      local now = result and result.logins[1]
      local why, hint = nil, nil
      if now then
        why, hint = states.trouble(now)
      end
      notify.answer(failed or table.concat({ now and states.line(now) .. "." or "", why, hint }, " "))
    end)
  end)
end

---Asks what is used, since a person looks now. A login that has no token to ask with is left alone.
---@param logins ConvLoginStatus[]
local function ask_usage(logins)
  for _, login in ipairs(logins) do
    if login.source then
      require("conv.usage").ask(login.login, render)
    end
  end
end

---Asks for what there is, and for what there could be. A failure of the latter takes nothing away.
local function ask_backend()
  local shown = open
  if not shown then
    return
  end
  local backend = require("conv.backend")
  shown.view.trouble = backend.retry()
  if not shown.view.trouble then
    backend.call("providers", {}, function(_, result)
      shown.view.providers = result and result.providers or shown.view.providers
      render()
    end)
    backend.call("status", {}, function(err, result)
      shown.view.trouble = err
      if result then
        status.on_status(result)
        ask_usage(result.logins)
      end
      render()
    end)
  end
  render()
end

local function close()
  if open then
    vim.api.nvim_del_augroup_by_id(open.group)
    open.window:close()
    open = nil
  end
end

local function log_in()
  if current_grant() then
    return notify.answer("This is lent to somebody: `x` ends it.")
  end
  local login = current()
  close()
  require("conv").login(login)
end

local function restart()
  disarm()
  require("conv.backend").stop()
  ask_backend()
end

---Opens the page of the last logout.
local function open_page()
  local url = open and open.view.gone and open.view.gone.page
  if not url then
    return notify.answer("There is no page to open: a logout shows one where a key can be revoked.")
  end
  require("conv.browser").open(url, function(why)
    notify.answer(("The browser did not open (%s). Open the address yourself."):format(why))
  end)
end

local function open_log()
  local path = require("conv.process").log_file()
  if not vim.uv.fs_stat(path) then
    return notify.answer("There is no log yet: " .. path)
  end
  close()
  vim.cmd.tabedit({ args = { vim.fn.fnameescape(path) }, magic = { file = false } })
  vim.bo.readonly, vim.bo.modifiable, vim.bo.swapfile = true, false, false
  vim.cmd.normal({ "G", bang = true })
end

local function toggle_help()
  if open then
    open.view.help = not open.view.help
    disarm()
    render()
  end
end

---@return table<string, fun()>
local function keys()
  return {
    l = log_in,
    ["<CR>"] = log_in,
    x = leave,
    r = with_login(refresh),
    R = restart,
    o = open_page,
    L = open_log,
    ["?"] = toggle_help,
    q = close,
    ["<Esc>"] = close,
  }
end

---Opens the window, or goes to it.
function M.open()
  if open and open.window:is_open() then
    return open.window:focus()
  end
  local group = vim.api.nvim_create_augroup("conv.status_window", { clear = true })
  local window, err = float.open({
    title = "Convocations",
    width = WIDTH,
    filetype = "conv",
    head = KEYS,
    keys = keys(),
    on_close = function()
      if open and open.group == group then
        close()
      end
    end,
  })
  if not window then
    notify.answer(err --[[@as ConvError]])
    return
  end
  vim.wo[window.win].cursorline = true
  open = {
    window = window,
    view = { providers = {}, help = false },
    rows = {},
    grants = {},
    group = group,
    row = 1,
    below = 0,
  }
  vim.api.nvim_create_autocmd("User", { group = group, pattern = "ConvStatus", callback = render })
  local buf = vim.api.nvim_win_get_buf(window.win)
  vim.api.nvim_create_autocmd("CursorMoved", { group = group, buffer = buf, callback = on_moved })
  ask_backend()
end

return M

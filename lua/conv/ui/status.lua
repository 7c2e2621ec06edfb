-- The window of `:ConvStatus`: every login with what is known of it, live, with keys to act on the one under the cursor.

local float = require("conv.ui.float")
local pages = require("conv.ui.page")
local states = require("conv.states")
local status = require("conv.status")

local M = {}

local WIDTH = 76

---@class (exact) conv.StatusWindow
---@field window conv.Float
---@field rows table<integer, string> the login of each row
---@field error? ConvError
---@field group integer
---@field placed boolean whether the cursor has been put on a login
---@field leaving? string the login that one more `x` logs out

---@type conv.StatusWindow?
local open

---@param seconds integer
---@return string
function M.duration(seconds)
  if seconds <= 0 then
    return "ended"
  elseif seconds < 3600 then
    return ("%d min left"):format(math.ceil(seconds / 60))
  elseif seconds < 172800 then
    return ("%d h %02d min left"):format(math.floor(seconds / 3600), math.floor(seconds % 3600 / 60))
  end
  return ("%d days left"):format(math.floor(seconds / 86400))
end

---What is known beside the state, without empty parts.
---@param login ConvLoginStatus
---@return string
local function details(login)
  local source = states.source(login.source)
  local ends = login.expires_at and M.duration(login.expires_at - os.time())
  local parts =
    { login.method or false, source or false, login.store or false, login.identity or false, ends or false }
  return table.concat(
    vim.tbl_filter(function(part)
      return part ~= false
    end, parts),
    " · "
  )
end

---@param page conv.Page
---@param login ConvLoginStatus
local function entry(page, login)
  local state = status.of(login.login).state
  local group = states.group(state)
  local name = ("%-" .. math.min(26, page.width - 20) .. "s"):format(login.login)
  page:line(
    { "  " .. states.sign(state) .. " ", group },
    { name, "ConvTitle" },
    { " " .. states.word(state), group }
  )
  local text = details(login)
  page:para(text ~= "" and text or nil, "ConvMuted", 6)
  page:para(login.needs_login, "ConvWarn", 6)
  page:para(login.error and require("conv.errors").text(login.error), "ConvError", 6)
  if open and open.leaving == login.login then
    page:para("Press x again to log out: it is revoked, and deleted here.", "ConvWarn", 6)
  end
end

---@param page conv.Page
---@param store? conv.StoreReport
local function header(page, store)
  local state, trouble = require("conv.backend").state(), open and open.error
  if trouble then
    page:para(require("conv.errors").text(trouble), "ConvError")
  elseif state ~= "ready" then
    page:para("The backend is starting…", "ConvInfo")
  elseif store then
    page:para(("Logins are kept in: %s. %s"):format(store.backend, store.reason), "ConvMuted")
    page:para(store.problem and require("conv.errors").text(store.problem), "ConvError")
  else
    page:para("Asking where logins are kept…", "ConvInfo")
  end
  page:gap()
end

local KEYS =
  { { "l", "log in" }, { "x", "log out" }, { "r", "refresh" }, { "R", "restart backend" }, { "q", "close" } }

---@param columns integer
---@return conv.Line[] lines, table<integer, string> rows the login of each row
local function view(columns)
  local all, page, rows = status.all(), pages.new(columns), {}
  header(page, all.store)
  local names = vim.tbl_keys(all.logins)
  table.sort(names)
  for _, name in ipairs(names) do
    local first = #page.lines + 1
    entry(page, all.logins[name])
    for row = first, #page.lines do
      rows[row] = name
    end
  end
  if #names == 0 then
    page:para("Nobody is logged in yet.", "ConvMuted")
  end
  page:keys(KEYS)
  return page.lines, rows
end

---The cursor starts on the first login, as soon as there is one.
---@param shown conv.StatusWindow
local function place_cursor(shown)
  local first = vim.iter(vim.tbl_keys(shown.rows)):fold(math.huge, math.min)
  if not shown.placed and first < math.huge then
    shown.placed = true
    vim.api.nvim_win_set_cursor(shown.window.win, {
      first --[[@as integer]],
      0,
    })
  end
end

local function render()
  if open and open.window:is_open() then
    local shown = open
    shown.window:set(function(columns)
      local lines, rows = view(columns)
      shown.rows = rows
      return lines
    end)
    place_cursor(shown)
  end
end

---@return string? login under the cursor
local function current()
  return open and open.rows[vim.api.nvim_win_get_cursor(open.window.win)[1]]
end

---@param action fun(login: string)
---@return fun()
local function with_login(action)
  return function()
    local login = current()
    if login then
      action(login)
    end
  end
end

---Asks once more, since a login cannot be brought back: one key beside another is easily hit.
---@param login string
local function log_out(login)
  if not open then
    return
  elseif open.leaving ~= login then
    open.leaving = login
    return render()
  end
  open.leaving = nil
  require("conv.commands").logout(login)
end

---The question is for the login under the cursor, and as long as it stays there.
local function keep_asking()
  if open and open.leaving and open.leaving ~= current() then
    open.leaving = nil
    render()
  end
end

---@param err? ConvError
---@param credential? ConvCredential
local function told(err, credential)
  local notify = require("conv.notify")
  if err then
    notify.answer(err)
  elseif credential then
    local ends = credential.expires_at
    local left = ends and M.duration(ends - os.time()) or "it does not expire"
    notify.answer(("The token of `%s` is good: %s."):format(credential.login, left))
  end
end

local function ask_backend()
  local backend = require("conv.backend")
  local err = backend.retry()
  if not err then
    backend.call("status", {}, function(failed, result)
      if open then
        open.error = failed
      end
      if result then
        status.on_status(result)
      end
      render()
    end)
  elseif open then
    open.error = err
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

---@return table<string, fun()>
local function keys()
  local function log_in()
    local login = current()
    close()
    require("conv").login(login)
  end
  return {
    l = log_in,
    ["<CR>"] = log_in,
    x = with_login(log_out),
    -- More than any token has left: the backend refreshes, whatever the margin.
    r = with_login(function(login)
      require("conv").get(login, { min_validity = 2 ^ 31 }, told)
    end),
    R = function()
      require("conv.backend").stop()
      ask_backend()
    end,
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
    keys = keys(),
    on_close = function()
      if open and open.group == group then
        close()
      end
    end,
  })
  if not window then
    return err and require("conv.notify").answer(err)
  end
  vim.wo[window.win].cursorline = true
  open = { window = window, rows = {}, group = group, placed = false }
  vim.api.nvim_create_autocmd("User", { group = group, pattern = "ConvStatus", callback = render })
  vim.api.nvim_create_autocmd(
    "CursorMoved",
    { group = group, buffer = vim.api.nvim_win_get_buf(window.win), callback = keep_asking }
  )
  ask_backend()
end

return M

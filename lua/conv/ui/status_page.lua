-- What the window of `:ConvStatus` shows: lines from what is known, and which login each line is about. It
-- asks nobody.

local errors = require("conv.errors")
local pages = require("conv.ui.page")
local states = require("conv.states")
local status = require("conv.status")

local M = {}

---Before the id of a grant, in place of a login; no login begins so.
M.GRANT = "grant:"

---@class (exact) conv.StatusView
---@field trouble? ConvError why there is no backend
---@field providers conv.Provider[] what can be logged in to
---@field leaving? string the login that one more `x` logs out of, or the grant that it ends
---@field gone? ConvLogoutResult the last logout, for as long as its page is of interest
---@field help boolean whether the keys are explained instead

---What is known beside the state, without empty parts.
---@param login ConvLoginStatus
---@return string
local function details(login)
  local ends = login.expires_at and states.duration(login.expires_at - os.time())
  local parts = {
    login.method or "",
    login.lender and ("lent by " .. login.lender) or "",
    login.gateway_only and "through the gateway only" or "",
    states.source(login.source) or "",
    login.store or "",
    login.identity or "",
    login.organization or "",
  }
  return table.concat(
    vim.tbl_filter(function(part)
      return part ~= ""
    end, vim.list_extend(parts, { ends or "" })),
    " · "
  )
end

---The method that a login was made by.
---@param view conv.StatusView
---@param login ConvLoginStatus
---@return conv.Method?
local function method_of(view, login)
  local provider = vim.iter(view.providers):find(function(found)
    return found.id == login.provider
  end)
  return provider
    and vim.iter(provider.methods):find(function(method)
      return method.id == login.method
    end)
end

---What a logout will do to this login, at the provider too.
---@param view conv.StatusView
---@param login ConvLoginStatus
---@return string
local function question(view, login)
  local method, name = method_of(view, login), login.name or login.provider
  local there = ("and %s revokes it if it can"):format(name)
  if method and method.revocable == true then
    there = ("and %s revokes it"):format(name)
  elseif method and method.revocable == false then
    there = ("and stays good at %s until you revoke it there"):format(name)
  end
  if method and method.ends_others then
    there = there .. ", which may end other logins of yours there, those of other machines too"
  end
  return ("Press x again to log out: it is deleted here, %s."):format(there)
end

---@param page conv.Page
---@param name string
---@param state string
---@param more? string
local function line(page, name, state, more)
  local group = states.group(state)
  local padded = ("%-" .. math.min(26, page.width - 20) .. "s"):format(name)
  page:line(
    { "  " .. states.sign(state) .. " ", group },
    { padded, "ConvTitle" },
    { " " .. (more or states.word(state)), group }
  )
end

---What is used, once that was told: a line for each figure, and how old they are.
---@param page conv.Page
---@param login string
local function usage(page, login)
  local told = require("conv.usage").last(login)
  if not told or (told.source == "headers" and not told.at) then
    return
  end
  for _, text in ipairs(told.lines) do
    page:line({ "      " .. text, "ConvMuted" })
  end
  page:para(told.at and require("conv.usage").age(told) or nil, "ConvMuted", 6)
  page:para(told.error and errors.text(told.error), "ConvMuted", 6)
end

---@param page conv.Page
---@param view conv.StatusView
---@param login ConvLoginStatus
local function entry(page, view, login)
  line(page, login.login, status.of(login.login).state)
  local text = details(login)
  page:para(text ~= "" and text or nil, "ConvMuted", 6)
  local why, hint = states.trouble(login)
  page:para(why and (hint and why .. " " .. hint or why), states.group(login.state), 6)
  if not why then
    -- What went wrong last, though a token is there.
    page:para(login.error and errors.text(login.error), "ConvMuted", 6)
  end
  usage(page, login.login)
  if view.leaving == login.login then
    page:para(question(view, login), "ConvWarn", 6)
  end
end

---What is wrong, before all else.
---@param page conv.Page
---@param view conv.StatusView
---@param store? conv.StoreReport
local function troubles(page, view, store)
  if view.trouble then
    page:para(errors.text(view.trouble), "ConvError")
  elseif require("conv.backend").state() ~= "ready" then
    page:para("The backend is starting…", "ConvInfo")
  elseif store and store.problem then
    page:para(errors.text(store.problem), "ConvError")
  end
  page:gap()
end

---What came of a logout, and where the rest of it can be done.
---@param page conv.Page
---@param gone? ConvLogoutResult
local function farewell(page, gone)
  if not gone then
    return
  end
  page:para(gone.message, "ConvInfo")
  if gone.page then
    page:address(gone.page)
    page:line({ "  " }, { "o", "ConvKey" }, { " opens it", "ConvMuted" })
  end
  page:gap()
end

---@param page conv.Page
---@param store? conv.StoreReport
local function place(page, store)
  page:gap()
  if store then
    page:para(("New logins are kept in: %s. %s"):format(store.backend, store.reason), "ConvMuted")
  elseif require("conv.backend").state() == "ready" then
    page:para("Asking where logins are kept…", "ConvInfo")
  end
end

---The gateway, once somebody asked for it: where it is and what went through; never the key.
---@param page conv.Page
---@param report? conv.GatewayReport
local function gateway(page, report)
  local door = package.loaded["conv.gateway"] and require("conv.gateway").status()
  if not door then
    return
  end
  local logins = #door.logins > 0 and table.concat(door.logins, ", ") or "no login yet"
  local text = ("The gateway is open at http://127.0.0.1:%d for %s."):format(door.port, logins)
  if report then
    local counts = " Requests: %d, open: %d, refused: %d."
    text = text .. counts:format(report.requests, report.open, report.refused)
  end
  page:gap()
  page:para(text, "ConvMuted")
end

---What is lent, to whom, until when, and what it was used for.
---@param page conv.Page
---@param view conv.StatusView
---@param grant conv.GrantReport
local function lent(page, view, grant)
  local last ---@type conv.GrantUse?
  for _, used in ipairs(grant.by_login) do
    last = (not last or used.at > last.at) and used or last
  end
  local power = grant.power == "use" and "use" or grant.lasting and "tokens and lasting keys" or "tokens"
  local parts = { ("Lent to %s: %s"):format(grant.label, table.concat(grant.logins, ", ")), power }
  if grant.ends then
    table.insert(parts, states.duration(grant.ends - os.time()))
  end
  if last then
    local times = grant.uses == 1 and "once" or grant.uses .. " times"
    local ago = os.date("%H:%M", last.at)
    table.insert(parts, ("used %s, last %s at %s"):format(times, last.login, ago))
  else
    table.insert(parts, "not used yet")
  end
  page:para(table.concat(parts, " · ") .. ".", "ConvInfo", 2)
  if view.leaving == M.GRANT .. grant.id then
    page:para("Press x again to end it, with what is under way.", "ConvWarn", 6)
  end
end

---The machine that lends logins here, and until when.
---@param page conv.Page
---@param report? conv.LenderReport
local function lender(page, report)
  if not report then
    return
  end
  page:gap()
  if report.problem then
    return page:para(errors.text(report.problem), "ConvWarn")
  end
  local label = report.label and (" by the grant `%s`"):format(report.label) or ""
  local ends = report.ends and (", %s"):format(states.duration(report.ends - os.time())) or ""
  local text = ("%s lends logins here%s%s: they are logged in and out of there."):format(
    report.home or "Another machine",
    label,
    ends
  )
  page:para(text, "ConvMuted")
end

---Providers without a login, each of which can be logged in to.
---@param view conv.StatusView
---@param logins table<string, ConvLoginStatus>
---@return conv.Provider[]
local function others(view, logins)
  return vim.tbl_filter(function(found)
    return logins[found.id] == nil
  end, view.providers)
end

---@type [string, string][]
local HELP = {
  { "l, <CR>", "log in to what is under the cursor, or again" },
  { "x x", "log out of it; end what is lent" },
  { "r", "fetch a new token for it now" },
  { "o", "open the page where the rest of a logout can be done" },
  { "L", "open the backend's log" },
  { "R", "restart the backend" },
  { "?", "this page, and back" },
  { "q, <Esc>", "close" },
}

---@param columns integer
---@return conv.Line[]
local function help(columns)
  local page = pages.new(columns)
  for _, key in ipairs(HELP) do
    page:line({ ("  %-10s "):format(key[1]), "ConvKey" }, { key[2] })
  end
  page:gap()
  page:para("`:help conv-status-window` has more.", "ConvMuted")
  return page.lines
end

---@param columns integer
---@param view conv.StatusView
---@return conv.Line[] lines, table<integer, string> rows what each row is about: a login, or a grant's id behind
---`GRANT`
function M.lines(columns, view)
  if view.help then
    return help(columns), {}
  end
  local all, page, rows = status.all(), pages.new(columns), {}
  local function about(login, show)
    local first = #page.lines + 1
    show()
    for row = first, #page.lines do
      rows[row] = login
    end
  end
  troubles(page, view, all.store)
  farewell(page, view.gone)
  local names = vim.tbl_keys(all.logins)
  table.sort(names)
  for _, name in ipairs(names) do
    about(name, function()
      entry(page, view, all.logins[name])
    end)
  end
  if #names == 0 then
    page:para("Nobody is logged in yet.", "ConvMuted")
  end
  place(page, all.store)
  gateway(page, all.gateway)
  for _, grant in ipairs(all.grants) do
    page:gap()
    about(M.GRANT .. grant.id, function()
      lent(page, view, grant)
    end)
  end
  lender(page, all.lender)
  page:gap()
  for _, found in ipairs(others(view, all.logins)) do
    about(found.id, function()
      line(page, found.id, "logged_out", found.name)
    end)
  end
  return page.lines, rows
end

return M

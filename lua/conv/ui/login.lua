-- The login window: turns the state of a conversation into lines. It decides nothing; keys call the
-- conversation.

local float = require("conv.ui.float")
local pages = require("conv.ui.page")

local M = {}

local WIDTH = 76

---@class (exact) conv.LoginView
---@field title string
---@field stage "preparing"|"notice"|"open-url"|"device-code"|"waiting"|"exchanging"|"failed"
---@field input "code"|"api-key"|"none"
---@field notice? string the method's terms, to be confirmed
---@field terms? string what the vendor allows, in a line
---@field url? string
---@field paste_url? string
---@field page? string
---@field label? string
---@field user_code? string
---@field verification_uri? string
---@field qr? string[]
---@field show_qr boolean
---@field browser boolean whether a browser is opened from here
---@field why_paste? string
---@field loopback boolean
---@field opened? string what came of opening the browser
---@field message? string the last thing that went wrong while it waits
---@field remark? string something to tell beside it
---@field expires_at? integer
---@field ignored integer
---@field error? ConvError

---@param page conv.Page
---@param view conv.LoginView
local function notice(page, view)
  page:para(view.notice)
  page:gap()
  page:para(view.terms, "ConvMuted")
end

---The address as a QR code is shown beside this.
---@param page conv.Page
---@param view conv.LoginView
local function scan(page, view)
  page:para("Scan the code with a phone: it is the address.")
  if view.user_code then
    page:gap()
    page:para("Type this code there:")
    page:line({ "  " }, { view.user_code, "ConvCode" })
  elseif view.input == "code" then
    page:para("Approve there, and paste here the code that the page shows.")
  end
end

---@param page conv.Page
---@param view conv.LoginView
local function open_url(page, view)
  if not view.browser then
    page:para(view.why_paste and ("You are " .. view.why_paste .. ", so a pasted code is the way."))
    page:para("Open this address in any browser, approve, and paste the code that the page shows:")
    page:address(view.paste_url or view.url)
    return
  elseif not view.loopback then
    page:para("Approve in your browser and paste here the code that the page shows. The address:")
    page:address(view.paste_url or view.url)
    page:para(view.opened, "ConvWarn")
    return
  end
  page:para("Approve in your browser, then come back. If none opens, go here:")
  page:address(view.url)
  page:para(view.opened, "ConvWarn")
  if view.paste_url then
    page:gap()
    page:para("If the browser cannot come back here, this page shows a code to paste:")
    page:address(view.paste_url)
  end
end

---@param page conv.Page
---@param view conv.LoginView
local function device_code(page, view)
  page:para("Open this address in any browser:")
  page:address(view.verification_uri)
  page:gap()
  page:para("and type this code:")
  page:append("  " .. (view.user_code or ""), "ConvCode")
  page:para(view.opened, "ConvWarn")
end

---@param page conv.Page
---@param view conv.LoginView
local function api_key(page, view)
  page:para((view.label or "API key") .. ": paste it here, or press p to type it. It is not shown.")
  page:address(view.page)
end

---@param seconds integer
---@return string
local function clock(seconds)
  return ("%d:%02d left"):format(math.floor(seconds / 60), seconds % 60)
end

---What is going on, in a few words.
---@param view conv.LoginView
---@return string
function M.happening(view)
  if view.stage == "preparing" then
    return "Getting ready…"
  elseif view.stage == "exchanging" then
    return "Approved. Fetching the token…"
  elseif view.stage == "device-code" then
    return "Waiting for you to approve"
  elseif view.input == "api-key" then
    return "Waiting for the key"
  elseif view.input == "code" and not (view.browser and view.loopback) then
    return "Waiting for the code"
  elseif view.input == "code" then
    return "Waiting for the browser, or a pasted code"
  end
  return "Waiting for the browser"
end

---@param page conv.Page
---@param view conv.LoginView
local function progress(page, view)
  if view.stage == "notice" or view.stage == "failed" then
    return
  end
  page:gap()
  page:para(M.happening(view), "ConvInfo")
  local left = view.expires_at and view.expires_at - os.time()
  if left and view.stage ~= "exchanging" then
    page:append(" · " .. clock(math.max(0, left)), "ConvMuted")
  end
  page:para(view.remark, "ConvMuted")
  if view.ignored > 0 then
    page:para(("%d stray request(s) turned away."):format(view.ignored), "ConvMuted")
  end
  page:para(view.message, "ConvWarn")
end

---The keys that work now, each with what it does.
---@param view conv.LoginView
---@return [string, string][]
function M.keys(view)
  if view.stage == "notice" then
    return { { "y", "I have read this, go on" }, { "q", "cancel" } }
  elseif view.stage == "failed" then
    return { { "r", "try again" }, { "q", "close" } }
  end
  local keys = {} ---@type [string, string][]
  local waiting = view.stage ~= "preparing" and view.stage ~= "exchanging"
  if waiting and (view.url or view.verification_uri or view.page) then
    vim.list_extend(keys, { { "o", "open" }, { "y", "copy address" } })
  end
  if waiting and view.user_code then
    table.insert(keys, { "c", "copy code" })
  end
  if waiting and view.qr then
    table.insert(keys, { "Q", view.show_qr and "hide QR" or "QR code" })
  end
  if waiting and view.input ~= "none" then
    table.insert(keys, { "p", view.input == "code" and "paste the code" or "type the key" })
  end
  table.insert(keys, { "q", "cancel" })
  return keys
end

---What the person has to do now.
---@param page conv.Page
---@param view conv.LoginView
local function task(page, view)
  if view.stage == "failed" and view.error then
    page:para(view.error.message, "ConvError")
    page:para(view.error.hint)
    page:para(view.message, "ConvWarn")
  elseif view.stage == "notice" then
    notice(page, view)
  elseif view.user_code then
    device_code(page, view)
  elseif view.url then
    open_url(page, view)
  elseif view.input == "api-key" then
    api_key(page, view)
  end
end

---@param view conv.LoginView
---@param columns integer
---@param what fun(page: conv.Page, view: conv.LoginView)
---@param remark? string
---@return conv.Line[]
local function whole(view, columns, what, remark)
  local page = pages.new(columns)
  what(page, view)
  page:para(remark, "ConvWarn")
  progress(page, view)
  page:keys(M.keys(view))
  return page.lines
end

---Columns that a text needs beside a QR code.
local BESIDE = 30

---The QR code with everything else beside it: code and keys stay in sight.
---@param view conv.LoginView
---@param room conv.Room
---@return conv.Line[]? lines, string? why it does not fit
local function with_qr(view, room)
  local rows = view.qr or {}
  local wide = vim.fn.strdisplaywidth(rows[1] or "")
  local beside = math.min(room.columns - wide - 4, 44)
  local text = whole(view, math.max(beside, BESIDE), scan)
  local missing_rows = math.max(0, math.max(#rows, #text) - room.rows)
  local missing_columns = math.max(0, BESIDE - beside)
  if missing_rows + missing_columns > 0 then
    local size = ("%d lines and %d columns"):format(
      vim.o.lines + missing_rows,
      vim.o.columns + missing_columns
    )
    return nil, ("The QR code needs a terminal of %s: make it larger, or its font smaller."):format(size)
  end
  local lines = {} ---@type conv.Line[]
  for row = 1, math.max(#rows, #text) do
    local line = { { "  " }, rows[row] and { rows[row], "ConvQr" } or { (" "):rep(wide) } } ---@type conv.Line
    table.insert(lines, vim.list_extend(line, text[row] or {}))
  end
  return lines
end

---@param view conv.LoginView
---@param columns integer
---@param room conv.Room
---@return conv.Line[]
function M.lines(view, columns, room)
  local remark ---@type string?
  if view.show_qr and view.qr and view.stage ~= "failed" and view.stage ~= "notice" then
    local lines
    lines, remark = with_qr(view, room)
    if lines then
      return lines
    end
  end
  return whole(view, columns, task, remark)
end

---@param view conv.LoginView
---@param actions table<string, fun()>
---@param on_close fun()
---@param on_paste fun(text: string)
---@return conv.Float? window, ConvError? err
function M.open(view, actions, on_close, on_paste)
  local keys = {} ---@type table<string, fun()>
  for key, action in pairs(actions) do
    keys[key] = action
  end
  keys["<Esc>"] = actions.q
  keys["<CR>"] = actions.p
  local window, err = float.open({
    title = view.title,
    width = WIDTH,
    filetype = "conv",
    keys = keys,
    on_close = on_close,
    on_paste = on_paste,
  })
  if window then
    window:set(function(columns, room)
      return M.lines(view, columns, room)
    end)
  end
  return window, err
end

return M

-- The login window: turns the state of a conversation into lines. It decides nothing; keys call the conversation.

local float = require("conv.ui.float")

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

---@param lines conv.Line[]
---@param text? string
---@param group? string
local function para(lines, text, group)
  if not text then
    return
  end
  for _, line in ipairs(float.wrap(text, WIDTH - 4)) do
    table.insert(lines, { { "  " .. line, group } })
  end
end

---@param lines conv.Line[]
---@param url? string
local function address(lines, url)
  if url then
    table.insert(lines, { { "  " }, { url, "ConvUrl" } })
  end
end

---@param lines conv.Line[]
local function gap(lines)
  if #lines > 0 and #lines[#lines] > 0 then
    table.insert(lines, {})
  end
end

---@param lines conv.Line[]
---@param view conv.LoginView
local function notice(lines, view)
  para(lines, view.notice)
  para(lines, view.terms, "ConvMuted")
end

---@param lines conv.Line[]
---@param view conv.LoginView
local function open_url(lines, view)
  if not view.browser then
    para(lines, view.why_paste and ("You are " .. view.why_paste .. ", so a pasted code is the way."))
    para(lines, "Open this address in any browser, approve, and paste the code that the page shows:")
    address(lines, view.paste_url or view.url)
    return
  elseif not view.loopback then
    para(lines, "Approve in your browser and paste here the code that the page shows. The address:")
    address(lines, view.paste_url or view.url)
    para(lines, view.opened, "ConvWarn")
    return
  end
  para(lines, "Approve in your browser, then come back. If none opens, go here:")
  address(lines, view.url)
  para(lines, view.opened, "ConvWarn")
  if view.paste_url then
    gap(lines)
    para(lines, "If the browser cannot come back here, this page shows a code to paste:")
    address(lines, view.paste_url)
  end
end

---@param lines conv.Line[]
---@param view conv.LoginView
local function device_code(lines, view)
  para(lines, "Open this address in any browser:")
  address(lines, view.verification_uri)
  gap(lines)
  table.insert(lines, { { "  and type this code:  " }, { view.user_code or "", "ConvCode" } })
  para(lines, view.opened, "ConvWarn")
end

---@param lines conv.Line[]
---@param view conv.LoginView
local function api_key(lines, view)
  para(lines, (view.label or "API key") .. ": paste it here, or press p to type it. It is not shown.")
  address(lines, view.page)
end

---@param lines conv.Line[]
---@param rows string[]
local function qr_code(lines, rows)
  if #rows + 8 > vim.o.lines then
    para(
      lines,
      "This window is too low for the whole code: make the terminal taller, or its font smaller.",
      "ConvWarn"
    )
  end
  for _, row in ipairs(rows) do
    table.insert(lines, { { "  " }, { row, "ConvQr" } })
  end
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

---@param lines conv.Line[]
---@param view conv.LoginView
local function progress(lines, view)
  if view.stage == "notice" or view.stage == "failed" then
    return
  end
  gap(lines)
  local line = { { "  " }, { M.happening(view), "ConvInfo" } } ---@type conv.Line
  local left = view.expires_at and view.expires_at - os.time()
  if left and view.stage ~= "exchanging" then
    table.insert(line, { " · " .. clock(math.max(0, left)), "ConvMuted" })
  end
  table.insert(lines, line)
  para(lines, view.remark, "ConvMuted")
  if view.ignored > 0 then
    para(lines, ("%d stray request(s) turned away."):format(view.ignored), "ConvMuted")
  end
  para(lines, view.message, "ConvWarn")
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

---@param lines conv.Line[]
---@param view conv.LoginView
local function footer(lines, view)
  gap(lines)
  local line = { { " " } } ---@type conv.Line
  for _, key in ipairs(M.keys(view)) do
    vim.list_extend(line, { { " " .. key[1], "ConvKey" }, { " " .. key[2] .. " ", "ConvMuted" } })
  end
  table.insert(lines, line)
end

---@param view conv.LoginView
---@return conv.Line[]
function M.lines(view)
  local lines = { {} } ---@type conv.Line[]
  if view.stage == "failed" and view.error then
    para(lines, view.error.message, "ConvError")
    para(lines, view.error.hint)
  elseif view.show_qr and view.qr then
    qr_code(lines, view.qr)
  elseif view.stage == "notice" then
    notice(lines, view)
  elseif view.user_code then
    device_code(lines, view)
  elseif view.url then
    open_url(lines, view)
  elseif view.input == "api-key" then
    api_key(lines, view)
  end
  progress(lines, view)
  footer(lines, view)
  return lines
end

---@param view conv.LoginView
---@param actions table<string, fun()>
---@param on_close fun()
---@return conv.Float
function M.open(view, actions, on_close)
  local keys = {} ---@type table<string, fun()>
  for key, action in pairs(actions) do
    keys[key] = action
  end
  keys["<Esc>"] = actions.q
  keys["<CR>"] = actions.p
  local window = float.open({
    title = view.title,
    width = WIDTH,
    filetype = "conv",
    keys = keys,
    on_close = on_close,
  })
  window:set(M.lines(view))
  return window
end

return M

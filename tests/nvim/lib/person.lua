-- The person at the browser: opens an authorize address, presses a button, and is sent back.

local http = require("http")

local M = {}

---@param text string
---@return string
local function unescape(text)
  return (text:gsub("&quot;", '"'):gsub("&#39;", "'"):gsub("&lt;", "<"):gsub("&gt;", ">"):gsub("&amp;", "&"))
end

---@param base string
---@param target string
---@return string
local function join(base, target)
  if target:match("^http://") then
    return target
  end
  return base:match("^http://[^/]+") .. target
end

---Opens the consent page and presses a button: `approve` or `deny`.
---@param url string
---@param decision string
---@param more? table<string, string> what is typed into the page
---@return conv.Response
local function press(url, decision, more)
  local page = http.get(url)
  while page.status == 307 do
    url = join(url, page.headers.location)
    page = http.get(url)
  end
  assert(page.status == 200, "no consent page: " .. page.body)
  local action = unescape(assert(page.body:match('<form[^>]-%saction="([^"]*)"'), page.body))
  local fields = { decision = decision }
  for input in page.body:gmatch('<input type="hidden"[^>]*>') do
    fields[unescape(input:match('name="([^"]*)"'))] = unescape(input:match('value="([^"]*)"'))
  end
  return http.post_form(join(url, action), vim.tbl_extend("force", fields, more or {}))
end

---Where the browser is sent after a yes; not requested yet.
---@param url string
---@return string
function M.approve(url)
  return press(url, "approve").headers.location
end

---The same as another of the sandbox's people: `ada` or `grace`.
---@param url string
---@param account string
---@return string
function M.approve_as(url, account)
  return press(url, "approve", { account = account }).headers.location
end

---Types a device code into its page, and says yes.
---@param url string
---@param user_code string
---@return conv.Response
function M.approve_device(url, user_code)
  return press(url, "approve", { user_code = user_code, account = "ada" })
end

---@param url string
---@return string
function M.deny(url)
  return press(url, "deny").headers.location
end

---Requests an address as a browser does that is sent there, and goes on where it is sent from there.
---@param url string
---@return conv.Response
function M.visit(url)
  local page = M.request(url)
  return page.status == 303 and M.request(join(url, page.headers.location)) or page
end

---@param url string
---@return conv.Response
function M.request(url)
  return http.request("GET", url, {
    headers = {
      Host = url:match("^http://([^/]+)"),
      Accept = "text/html,*/*;q=0.8",
      ["User-Agent"] = "Mozilla/5.0 (test)",
      ["Sec-Fetch-Site"] = "cross-site",
      ["Sec-Fetch-Mode"] = "navigate",
      ["Sec-Fetch-Dest"] = "document",
    },
  })
end

---Says yes where the provider shows a code, and returns the code.
---@param url string
---@return string
function M.copy_code(url)
  local page = press(url, "approve")
  if page.status == 303 then
    page = http.get(page.headers.location)
  end
  return unescape(assert(page.body:match('id="code">([^<]*)<'), page.body))
end

return M

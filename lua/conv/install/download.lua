-- One file from one address, by curl, or wget where there is no curl: both know the person's proxies
-- (`HTTPS_PROXY`, `NO_PROXY`), certificates (`SSL_CERT_FILE`, `CURL_CA_BUNDLE`) and `~/.netrc`. Guarantees:
-- no more is written than a look later is found to be too much; every way in which it can fail is a sentence
-- with what to do next. It knows nothing of what the file is.

local M = {}

---Seconds for a connection, and in which something must arrive.
local CONNECT, STALLED = 15, 30

---Milliseconds between two looks at how much is there.
local LOOK = 200

local BY_HAND =
  "`:h conv-install` says how to do it by hand, or build it: `make build` in the plugin's folder."
local NETWORK = "Check the network, and `HTTPS_PROXY` if you are behind a proxy; then try again."
local TRUST = "Behind a proxy that opens TLS, `SSL_CERT_FILE` has to name its certificate authority."

---@param url string
---@param size integer
---@return string[]
local function curl(program, url, size)
  -- Plain http is for loopback alone: release.lua has let nothing else through.
  local protocols = vim.startswith(url, "https:") and "=https" or "=http,https"
  return {
    program,
    "--silent",
    "--show-error",
    "--fail",
    "--location",
    "--max-redirs",
    "5",
    "--proto",
    protocols,
    "--proto-redir",
    protocols,
    "--netrc-optional",
    "--connect-timeout",
    tostring(CONNECT),
    "--speed-limit",
    "1",
    "--speed-time",
    tostring(STALLED),
    "--max-filesize",
    tostring(size),
    "--write-out",
    "%{http_code} %{http_connect}",
    "--output",
    "archive",
    "--",
    url,
  }
end

---What every wget knows: BusyBox has one too, which has no more than that on some systems.
---@param steps conv.Steps
---@param program string
---@param url string
---@return string[]
local function wget(steps, program, url)
  local argv = { program, "-q" }
  if (steps:run({ program, "--version" }).stdout or ""):find("GNU Wget") then
    vim.list_extend(argv, { "--tries=1", "--max-redirect=5", "--timeout=" .. STALLED })
  end
  return vim.list_extend(argv, { "-O", "archive", "--", url })
end

---@class (exact) conv.Fault
---@field [1] string code
---@field [2] string message; `%s` is the host
---@field [3] string hint

---What an exit status of curl means (curl(1), EXIT CODES).
---@type table<integer, conv.Fault>
local CURL = {
  [1] = { "bad_response", "%s leads to an address that is not `https://`.", BY_HAND },
  [5] = { "network", "The proxy has no address.", NETWORK },
  [6] = { "network", "%s was not found.", NETWORK },
  [7] = { "network", "%s cannot be reached.", NETWORK },
  [18] = { "network", "The download broke off.", "Try again." },
  [23] = {
    "store_unwritable",
    "The archive could not be written.",
    "See that the disk has room, then try again.",
  },
  [28] = { "timeout", "%s did not answer in time.", NETWORK },
  [47] = { "bad_response", "%s leads from one address to the next.", BY_HAND },
  [56] = { "network", "The download broke off.", NETWORK },
  [63] = { "bad_response", "What %s sends is larger than the archive of this release.", BY_HAND },
  [127] = { "backend_missing", "curl cannot be started.", BY_HAND },
}
for _, status in ipairs({ 35, 51, 58, 60, 77 }) do
  CURL[status] = { "network", "The certificate of %s is not trusted here.", TRUST }
end

---What an exit status of wget means (wget(1), EXIT STATUS).
---@type table<integer, conv.Fault>
local WGET = {
  [3] = CURL[23],
  [4] = CURL[7],
  [5] = CURL[60],
  [8] = { "provider_error", "%s does not have the archive of this release.", BY_HAND },
}

---@param steps conv.Steps
---@param fault conv.Fault
---@param host string
local function fail(steps, fault, host)
  steps:fail(fault[1], (fault[2]:gsub("%%s", (host:gsub("%%", "%%%%")))), fault[3])
end

---@param status string what the server, or the proxy before it, answered
---@return conv.Fault
local function refused(status)
  if status == "407" then
    local hint = "They belong into `HTTPS_PROXY`: `http://NAME:PASSWORD@HOST:PORT`."
    return { "network", "The proxy wants a name and a password.", hint }
  elseif status == "404" then
    return { "provider_error", "%s does not have the archive of this release (404).", BY_HAND }
  end
  local message = ("%%s answered %s instead of the archive."):format(status)
  return { "provider_error", message, "Try again later. " .. BY_HAND }
end

---@param status string
---@return conv.Fault
local function refused_by_proxy(status)
  if status == "407" then
    return refused(status)
  end
  local message = ("The proxy does not let %%s through (%s)."):format(status)
  return { "network", message, "Ask who runs it, or go around it with `NO_PROXY`." }
end

---What the server and a proxy before it answered: curl writes it in the end, BusyBox's wget complains of it.
---@param result vim.SystemCompleted
---@return string? status, string? proxy
local function answered(result)
  local status, proxy = (result.stdout or ""):match("(%d%d%d) (%d%d%d)$")
  return status or (result.stderr or ""):match("HTTP/[%d.]+ (%d%d%d)"), proxy
end

---@param steps conv.Steps
---@param by_curl boolean
---@param result vim.SystemCompleted
---@param host string
local function check(steps, by_curl, result, host)
  if result.code == 0 then
    return
  end
  local status, proxy = answered(result)
  if (proxy or ""):find("^[345]") then
    fail(steps, refused_by_proxy(proxy --[[@as string]]), host)
  elseif (status or ""):find("^[45]") then
    fail(steps, refused(status --[[@as string]]), host)
  end
  local known = (by_curl and CURL or WGET)[result.code]
  local why = ("The download failed (%s, exit status %d)."):format(by_curl and "curl" or "wget", result.code)
  fail(steps, known or { "network", why, NETWORK }, host)
end

---Looks at how much is there until told to stop.
---@param path string
---@param tell fun(bytes: integer)
---@return fun() stop
local function watch(path, tell)
  local timer = assert(vim.uv.new_timer())
  timer:start(LOOK, LOOK, function()
    local stat = vim.uv.fs_stat(path)
    tell(stat and stat.size or 0)
  end)
  return function()
    timer:stop()
    timer:close()
  end
end

---@param steps conv.Steps
---@param url string
---@param size integer
---@return string[] argv, boolean by_curl
local function command(steps, url, size)
  local binary = require("conv.binary")
  local by_curl = binary.in_path("curl")
  if by_curl then
    return curl(by_curl, url, size), true
  end
  local by_wget = binary.in_path("wget")
  if not by_wget then
    steps:fail("backend_missing", "Neither curl nor wget is here to download with.", BY_HAND)
  end
  return wget(steps, by_wget --[[@as string]], url), false
end

---Downloads the archive of a release as the file `archive` of a folder.
---@param steps conv.Steps
---@param release conv.Release
---@param folder string
---@param tell fun(bytes: integer) called in a fast event
---@return string path
function M.run(steps, release, folder, tell)
  local size, is_larger = release.checksum.size, false
  local argv, by_curl = command(steps, release.url, size)
  local path = vim.fs.joinpath(folder, "archive")
  -- What does not say its length beforehand could go on until the disk is full: wget and an older curl look
  -- at nothing else.
  steps:finally(watch(path, function(bytes)
    is_larger = is_larger or bytes > size
    if is_larger then
      steps:interrupt()
    end
    tell(bytes)
  end))
  local result = steps:run(argv, { cwd = folder })
  if is_larger then
    fail(steps, CURL[63], release.host)
  end
  check(steps, by_curl, result, release.host)
  return path
end

return M

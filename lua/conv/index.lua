-- What can be known of the logins without a process: the plain part of credentials.toml. It reads headers and
-- a few plain fields, and skips everything else, the sealed blobs included. Only a picture until the backend
-- runs: it decides nothing.

local M = {}

---Larger than any index of ours; a larger file is not read.
local MAX_BYTES = 1024 * 1024

local wanted = {
  method = true,
  kind = true,
  identity = true,
  organization = true,
  expires_at = true,
  revision = true,
  needs_login = true,
  backend = true,
}

---@return string
function M.dir()
  local set = vim.env.CONVOCATIONS_DIR
  if set and set ~= "" then
    return set
  end
  local base
  if vim.fn.has("win32") == 1 then
    base = vim.env.APPDATA or vim.fs.joinpath(vim.uv.os_homedir() or "", "AppData", "Roaming")
  elseif vim.fn.has("mac") == 1 then
    base = vim.fs.joinpath(vim.uv.os_homedir() or "", "Library", "Application Support")
  else
    base = vim.env.XDG_CONFIG_HOME
    if not base or not vim.startswith(base, "/") then
      base = vim.fs.joinpath(vim.uv.os_homedir() or "", ".config")
    end
  end
  return vim.fs.joinpath(base, "convocations")
end

---@return string
function M.file()
  return vim.fs.joinpath(M.dir(), "credentials.toml")
end

---@param text string
---@return any
local function value(text)
  local inner = text:match('^"(.-[^\\])"') or text:match('^"()"') and "" or text:match("^'(.-)'")
  if inner then
    return (inner:gsub("\\(.)", { ["\\"] = "\\", ['"'] = '"', n = " ", t = " " }))
  end
  return tonumber(text:match("^%-?%d+"))
end

---@param fields table<string, any>
---@param login string
---@return ConvLoginStatus
local function status(login, fields)
  local has_ended = fields.needs_login and (fields.expires_at or 0) <= os.time()
  return {
    login = login,
    provider = login:match("^[^@]+") or login,
    account = login:match("@(.+)$"),
    name = login:match("^[^@]+") or login, -- until the backend tells
    -- More than this the index cannot tell: whether its secret can be read, nobody has tried.
    state = fields.needs_login and "needs_login" or "stored",
    source = not has_ended and "login" or nil,
    method = fields.method,
    kind = fields.kind,
    store = fields.backend,
    gateway_only = false,
    identity = fields.identity,
    organization = fields.organization,
    expires_at = fields.expires_at,
    revision = fields.revision or 0,
    needs_login = fields.needs_login,
  }
end

---What stands in the index beside the logins: what a provider knows this program by, and what a command gave.
local NO_LOGIN = { ["oauth-client"] = true, ["command-answer"] = true }

---@param text string contents of credentials.toml
---@return table<string, ConvLoginStatus>
function M.parse(text)
  local result, fields, login = {}, {}, nil
  local function finish()
    if login and not NO_LOGIN[login:match("@(.+)$") or ""] then
      result[login] = status(login, fields)
    end
  end
  for line in vim.gsplit(text, "\r?\n") do
    local header = line:match("^%s*%[(.-)%]%s*$")
    if header then
      local name = header:match('^%s*logins%s*%.%s*"?([a-z0-9@-]+)"?%s*$')
      if name or not (login and vim.startswith(header, "logins.")) then
        finish()
        login, fields = name, {}
      end
    elseif login then
      local key, rest = line:match("^%s*([%w_]+)%s*=%s*(.+)$")
      if key and rest and wanted[key] then
        fields[key] = value(rest)
      end
    end
  end
  finish()
  return result
end

---@type { stamp: string, logins: table<string, ConvLoginStatus> }?
local cache

---Every stored login; empty if there is no index or it cannot be read here.
---@return table<string, ConvLoginStatus>
function M.read()
  local path = M.file()
  local stat = vim.uv.fs_stat(path)
  if not stat or stat.size > MAX_BYTES then
    return {}
  end
  local stamp = table.concat({ path, stat.ino, stat.size, stat.mtime.sec, stat.mtime.nsec }, ":")
  if cache and cache.stamp == stamp then
    return cache.logins
  end
  local file = vim.uv.fs_open(path, "r", 0)
  local text = file and vim.uv.fs_read(file, stat.size, 0) or ""
  if file then
    vim.uv.fs_close(file)
  end
  cache = {
    stamp = stamp,
    logins = M.parse(text --[[@as string]]),
  }
  return cache.logins
end

return M

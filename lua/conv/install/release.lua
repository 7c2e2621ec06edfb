-- Which archive is for this system, what its sum has to be, and where it is. It downloads nothing and touches
-- no file but the clone's own settings.

local errors = require("conv.errors")

local M = {}

---Targets by system and processor, the best first. A static program runs on every Linux.
local TARGETS = {
  ["Linux x86_64"] = { "x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu" },
  ["Linux aarch64"] = { "aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu" },
  ["Darwin x86_64"] = { "x86_64-apple-darwin" },
  ["Darwin aarch64"] = { "aarch64-apple-darwin" },
  ["Windows x86_64"] = { "x86_64-pc-windows-msvc", "x86_64-pc-windows-gnu" },
  -- Windows 11 runs it as it is.
  ["Windows aarch64"] = { "x86_64-pc-windows-msvc", "x86_64-pc-windows-gnu" },
}

---What `uname` calls a processor elsewhere.
local PROCESSORS = { arm64 = "aarch64", ARM64 = "aarch64", AMD64 = "x86_64", x64 = "x86_64" }

---@class (exact) conv.Release
---@field version string
---@field target string
---@field file string
---@field checksum conv.Checksum
---@field url string
---@field host string for the person

---@return string system and processor, such as "Linux x86_64"
function M.system()
  local uname = vim.uv.os_uname()
  local system = vim.fn.has("win32") == 1 and "Windows" or uname.sysname
  -- Its programs get names from Android, which a static program does not ask.
  if vim.fn.has("android") == 1 or vim.env.TERMUX_VERSION then
    system = "Android"
  end
  return system .. " " .. (PROCESSORS[uname.machine] or uname.machine)
end

---@param target string
---@return string
local function archive(target)
  return "convocations-" .. target .. (target:find("windows") and ".zip" or ".tar.gz")
end

---@param path string
---@return string?
local function read(path)
  local file = io.open(path)
  if file then
    local text = file:read("a")
    file:close()
    return text
  end
end

---The settings of the clone; a worktree or a submodule has a file that says where they are.
---@param root string
---@return string?
local function git_config(root)
  local git = vim.fs.joinpath(root, ".git")
  local elsewhere = vim.fn.isdirectory(git) == 0 and (read(git) or ""):match("gitdir:%s*([^\r\n]+)")
  if elsewhere then
    git = elsewhere:find("^%a?:?[/\\]") and elsewhere or vim.fs.joinpath(root, elsewhere)
    local common = vim.trim(read(vim.fs.joinpath(git, "commondir")) or "")
    git = common ~= "" and vim.fs.normalize(vim.fs.joinpath(git, common)) or git
  end
  return read(vim.fs.joinpath(git, "config"))
end

---The page of the repository that a clone's address belongs to; what may be secret in it is left out.
---@param address string
---@return string?
function M.page(address)
  local host, path = address:match("^https://([^/]+)/(.+)$")
  if not host then
    host, path = address:match("^ssh://([^/]+)/(.+)$")
    host = host and host:gsub(":%d+$", "")
  end
  if not host then
    host, path = address:match("^([%w._-]+@[%w.-]+):([^/].*)$")
  end
  if not host or not path then
    return nil
  end
  return "https://" .. host:gsub("^.*@", "") .. "/" .. path:gsub("/+$", ""):gsub("%.git$", "")
end

---The page of the repository that the plugin was cloned from.
---@param root string
---@return string?
local function of_the_clone(root)
  local config = git_config(root) or ""
  local origin = ("\n" .. config):match('\n%s*%[remote "origin"%]([^%[]*)') or ""
  return M.page(origin:match("\n%s*url%s*=%s*([^\r\n]+)") or "")
end

---Where a repository keeps the files of a release. A folder that is no clone, such as one from a rock, has
---the page that the release named.
---@param version string
---@return string?
local function of_the_repository(version)
  local page = of_the_clone(require("conv.binary").root())
    or M.page(require("conv.checksums").repository or "")
  if not page then
    return nil
  end
  local form = page:find("^https://gitlab%.") and "%s/-/releases/v%s/downloads" or "%s/releases/download/v%s"
  return form:format(page, version)
end

---@param url string
---@return boolean
local function is_loopback(url)
  local host = url:match("^http://(%[[^%]]*%])") or url:match("^http://([^/:]*)")
  return host == "localhost" or host == "[::1]" or (host or ""):find("^127%.%d+%.%d+%.%d+$") ~= nil
end

---@param given string the option `release_url`
---@param version string
---@return string? url, ConvError? err
local function of_the_option(given, version)
  if given:find("^%a+://[^/]*@") or given:find("[?#]") then
    local hint = "A name and password belong into `~/.netrc`, which curl reads."
    return nil, errors.new("config_invalid", "The option `release_url` is not a plain address.", hint)
  elseif not (given:find("^https://[^/]") or is_loopback(given)) then
    local hint = "It begins with `https://` (`http://` for this machine alone)."
    return nil, errors.new("config_invalid", "The option `release_url` cannot be used.", hint)
  end
  return (given:gsub("{version}", (version:gsub("%%", "%%%%"))):gsub("/+$", ""))
end

---@param version string
---@return string? base, ConvError? err
local function base_url(version)
  local given = require("conv.config").get().release_url
  if given then
    return of_the_option(given, version)
  end
  local url = of_the_repository(version)
  if not url then
    local hint = "The option `release_url` says where the releases are."
    return nil, errors.new("backend_missing", "The plugin's folder does not say where it came from.", hint)
  end
  return url
end

---@return string? target, conv.Checksum? checksum
local function for_this_system()
  local archives = require("conv.checksums").archives
  for _, target in ipairs(TARGETS[M.system()] or {}) do
    if archives[archive(target)] then
      return target, archives[archive(target)]
    end
  end
end

---The version of the program that this plugin wants, where there is a release of it.
---@return string?
function M.version()
  return require("conv.checksums").version
end

---The sums of the programs that the release has for this system.
---@return conv.Checksum?
function M.checksum()
  return select(2, for_this_system())
end

---Whether the files are of a later state than the last release: the program of that one is too old for them.
---@return boolean
local function is_between_releases()
  local release, backend = require("conv.checksums"), require("conv.backend")
  local version = release.version
  return not version
    or vim.version.lt(version, backend.VERSION)
    or (version == backend.VERSION and release.protocol ~= nil and release.protocol ~= backend.PROTOCOL)
end

---@return conv.Release? release, ConvError? why there is none
function M.find()
  local version, plugin = M.version(), require("conv.backend").VERSION
  if not version or is_between_releases() then
    local hint =
      "Build it, which needs Rust from https://rustup.rs, or have your plugin manager stay on tagged versions."
    return nil, errors.new("backend_missing", "No release belongs to this state of the plugin.", hint)
  elseif version ~= plugin then
    local message = ("The plugin in use is %s, its files are %s."):format(plugin, version)
    return nil, errors.new("protocol_mismatch", message, "Restart Neovim, then try again.")
  end
  local target, checksum = for_this_system()
  if not target or not checksum then
    local message = ("No release is made for %s."):format(M.system())
    return nil, errors.new("backend_missing", message, "It can be built: with Rust from https://rustup.rs.")
  end
  local base, err = base_url(version)
  if not base then
    return nil, err
  end
  local file = archive(target)
  return {
    version = version,
    target = target,
    file = file,
    checksum = checksum,
    url = base .. "/" .. file,
    host = base:match("^%a+://([^/]+)") or "",
  }
end

return M

-- Finds the backend program: the one that the person names, the one built or downloaded for this plugin, the
-- one of `$PATH`. It starts nothing and asks nothing: where the program is missing, `offer.lua` does.

local errors = require("conv.errors")

local M = {}

local NAME = "convocations"
local FILE = vim.fn.has("win32") == 1 and (NAME .. ".exe") or NAME

---@return string the plugin's folder
function M.root()
  local here = assert(debug.getinfo(1, "S")).source:sub(2)
  return vim.fs.dirname(vim.fs.dirname(vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(here, ":p")))))
end

---@param path string
---@return boolean
local function executable(path)
  return vim.fn.executable(path) == 1
end

---@param folder string
---@return boolean
local function is_absolute(folder)
  if vim.fn.has("win32") == 1 then
    return folder:match("^%a:[/\\]") ~= nil or folder:match("^[/\\][/\\]") ~= nil
  end
  return vim.startswith(folder, "/")
end

---A program of `$PATH`, by its whole path. Its absolute folders only: an empty or relative one, and on
---Windows the current folder before all, would run what lies in a repository that was cloned.
---@param name string
---@return string?
function M.in_path(name)
  local is_windows = vim.fn.has("win32") == 1
  local endings = is_windows and { ".exe", ".cmd", ".bat" } or { "" }
  for folder in vim.gsplit(vim.env.PATH or "", is_windows and ";" or ":", { plain = true }) do
    for _, ending in ipairs(is_absolute(folder) and endings or {}) do
      local path = vim.fs.joinpath(folder, name .. ending)
      if executable(path) then
        return path
      end
    end
  end
end

---@class (exact) conv.Binary
---@field path string
---@field how string how it was found, for the health report
---@field origin "option"|"built"|"installed"|"path"
---@field version? string of one that was downloaded

---@param given string
---@return conv.Binary? found, ConvError? err
local function named(given)
  local path = vim.fs.normalize(given)
  if not is_absolute(path) then
    local hint = "Give its full path; `~` and variables are allowed."
    return nil, errors.new("config_invalid", "The option `binary` is not an absolute path.", hint)
  elseif executable(path) then
    return { path = path, how = "the option `binary`", origin = "option" }
  end
  local hint = "Correct it, or leave it out to use the plugin's own program."
  return nil, errors.new("backend_missing", "The option `binary` names no program.", hint)
end

---Of the one built and the one downloaded, what came last is what the person wanted last.
---@return conv.Binary?
local function own()
  local installed = require("conv.install.installed")
  local built = vim.fs.joinpath(M.root(), "target", "release", FILE)
  local stat = executable(built) and vim.uv.fs_stat(built)
  local program = installed.current()
  if program and not (stat and stat.mtime.sec > program.at) then
    return {
      path = installed.path(program),
      how = "downloaded from " .. (program.from or "a release"),
      origin = "installed",
      version = program.version,
    }
  elseif stat then
    return { path = built, how = "built in the plugin's folder", origin = "built" }
  end
end

---@return conv.Binary? found, ConvError? err
function M.find()
  local given = require("conv.config").get().binary
  if given then
    return named(given)
  end
  local found = own()
  if found then
    return found
  end
  local path = M.in_path(NAME)
  if path then
    return { path = path, how = "found on $PATH", origin = "path" }
  end
  local hint = "Run `:ConvLogin`, which offers to get it, or `make build` in " .. M.root() .. "."
  return nil, errors.new("backend_missing", "The backend program is not here yet.", hint)
end

return M

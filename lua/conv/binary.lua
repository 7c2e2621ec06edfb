-- Finds the backend program, and offers to build it where it is missing. Asks only when a person is there to
-- answer: the commands call `ensure`, the API only `find`.

local errors = require("conv.errors")

local M = {}

local building = false

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

---@return conv.Binary? found, ConvError? err
function M.find()
  local given = require("conv.config").get().binary
  if given then
    local path = vim.fs.normalize(given)
    if not is_absolute(path) then
      local hint = "Give its full path; `~` and variables are allowed."
      return nil, errors.new("config_invalid", "The option `binary` is not an absolute path.", hint)
    elseif executable(path) then
      return { path = path, how = "the option `binary`" }
    end
    local hint = "Correct it, or leave it out to use the plugin's own build."
    return nil, errors.new("backend_missing", "The option `binary` names no program.", hint)
  end
  local built = vim.fs.joinpath(M.root(), "target", "release", FILE)
  if executable(built) then
    return { path = built, how = "built in the plugin's folder" }
  end
  local found = M.in_path(NAME)
  if found then
    return { path = found, how = "found on $PATH" }
  end
  local hint = "Run `:ConvLogin` and say yes to the build, or `make build` in " .. M.root() .. "."
  return nil, errors.new("backend_missing", "The backend program is not built yet.", hint)
end

---@return boolean whether a build is under way
function M.is_building()
  return building
end

---@return string[]? argv, ConvError? err
local function build_command()
  local cargo, make = M.in_path("cargo"), M.in_path("make")
  if cargo and make then
    return { make, "build" }
  elseif cargo then
    return { cargo, "build", "--release", "--locked", "--target-dir", "target" }
  end
  local hint = "Install Rust from https://rustup.rs, then run `:ConvLogin` again."
  return nil, errors.new("backend_missing", "The backend cannot be built: there is no `cargo`.", hint)
end

---@param done fun(err?: ConvError)
local function build(done)
  local argv, err = build_command()
  if not argv then
    return done(err)
  end
  local window
  window, err = require("conv.ui.progress").open("Building the backend (once; it takes a minute or two)")
  if not window then
    return done(err)
  end
  building = true
  local function output(_, text)
    window:add(text)
  end
  local opts = { cwd = M.root(), text = true, stdout = output, stderr = output }
  local job = vim.system(argv, opts, function(result)
    vim.schedule(function()
      building = false
      if result.code == 0 and M.find() then
        window:close()
        pcall(vim.cmd.helptags, vim.fs.joinpath(M.root(), "doc"))
        done()
      elseif result.signal ~= 0 then
        window:close()
        done(errors.new("cancelled", "The build was cancelled."))
      else
        window:fail()
        local hint = ("The window shows why; `make build` in %s does the same."):format(M.root())
        done(errors.new("backend_missing", "The backend could not be built.", hint))
      end
    end)
  end)
  window:on_cancel(function()
    job:kill("sigterm")
  end)
end

---Calls `done` once the program is there. Asks before it builds.
---@param done fun(err?: ConvError)
function M.ensure(done)
  local found, err = M.find()
  if found or require("conv.config").get().binary then
    return done(err)
  end
  local yes = "Build it now"
  local opts = {
    prompt = "The Convocations backend is not built yet.",
    kind = "conv_build",
    columns = function(text)
      return { { text } }
    end,
  }
  require("conv.ui.select").select({ yes, "Not now" }, opts, function(choice)
    if choice == yes then
      return build(done)
    end
    done(err)
  end)
end

return M

-- Finds the backend program, and offers to build it where it is missing. Asks only when a person is there to answer:
-- the commands call `ensure`, the API only `find`.

local errors = require("conv.errors")

local M = {}

local building = false

local NAME = vim.fn.has("win32") == 1 and "convocations.exe" or "convocations"

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

---@class (exact) conv.Binary
---@field path string
---@field how string how it was found, for the health report

---@return conv.Binary? found, ConvError? err
function M.find()
  local given = require("conv.config").get().binary
  if given then
    local path = vim.fs.normalize(given)
    if executable(path) then
      return { path = path, how = "the option `binary`" }
    end
    local hint = "Correct it, or leave it out to use the plugin's own build."
    return nil, errors.new("backend_missing", "The option `binary` names no program.", hint)
  end
  local built = vim.fs.joinpath(M.root(), "target", "release", NAME)
  if executable(built) then
    return { path = built, how = "built in the plugin's folder" }
  end
  if executable(NAME) then
    return { path = vim.fn.exepath(NAME), how = "found on $PATH" }
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
  if executable("cargo") and executable("make") then
    return { "make", "build" }
  elseif executable("cargo") then
    return { "cargo", "build", "--release", "--locked" }
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
  local job = vim.system(argv, {
    cwd = M.root(),
    text = true,
    stdout = window.output,
    stderr = window.output,
  }, function(result)
    vim.schedule(function()
      building = false
      window.close()
      if result.code == 0 and M.find() then
        done()
      elseif result.signal ~= 0 then
        done(errors.new("cancelled", "The build was cancelled."))
      else
        local hint = "Run `" .. table.concat(argv, " ") .. "` in " .. M.root() .. " to see why."
        done(errors.new("backend_missing", "The backend could not be built.", hint))
      end
    end)
  end)
  window.on_cancel(function()
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

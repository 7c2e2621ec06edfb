-- Gets the program that belongs to this plugin without a compiler: downloaded, held against the sum in this
-- repository, unpacked, run once, and only then put in the place of the one in use, which stays. Guarantees:
-- whatever fails on the way leaves the program in use as it was; it never asks and is never begun without a
-- yes (offer.lua). `release.lua` knows which archive, `installed.lua` where programs are kept.

local installed = require("conv.install.installed")

local M = {}

---Milliseconds that a new program may take to say its version.
local FIRST_RUN = 15000

---Milliseconds between two looks at whether another editor is done.
local WAIT = 250

local FOLDER = "See that it is yours and has room, or set `$XDG_DATA_HOME` to a folder that is."
local REPORT = "The one in use stays. Try again; if it happens again, build it: `make build`."

---@class (exact) conv.Telling what the person is told of it
---@field step fun(text: string) a step has begun
---@field now fun(text: string) how far it is; callable in a fast event

---@param bytes integer
---@return string
local function megabytes(bytes)
  return ("%.1f"):format(bytes / 1e6)
end

---@param steps conv.Steps
---@return string folder of our own, gone when the work ends
local function staging(steps)
  local base = installed.folder()
  local made, problem = pcall(vim.fn.mkdir, base, "p", "0700")
  local folder = made and vim.uv.fs_mkdtemp(vim.fs.joinpath(base, "staging-XXXXXX"))
  if not folder then
    local why = made and "" or (" (%s)"):format(tostring(problem):match("E%d+: [^:]*") or "refused")
    steps:fail("store_unwritable", ("Nothing can be written in %s%s."):format(base, why), FOLDER)
  end
  steps:finally(function()
    vim.fs.rm(folder --[[@as string]], { recursive = true, force = true })
  end)
  return folder --[[@as string]]
end

---@param steps conv.Steps
---@param path string
---@return string
local function sum_of(steps, path)
  local sum = require("conv.install.sha256").file(path, function()
    steps:pause(0)
  end)
  if not sum then
    steps:fail("store_unreadable", "What was downloaded cannot be read.", FOLDER)
  end
  return sum --[[@as string]]
end

---Before it is opened: its length, then its sum.
---@param steps conv.Steps
---@param release conv.Release
---@param path string
local function check_sum(steps, release, path)
  local wanted = release.checksum
  local size = (vim.uv.fs_stat(path) or { size = 0 }).size
  if size < wanted.size then
    local message = ("Only a part arrived: %d of %d bytes."):format(size, wanted.size)
    steps:fail("network", message, "Nothing was changed: try again.")
  elseif size ~= wanted.size or sum_of(steps, path) ~= wanted.sha256 then
    local message = "The download is refused: its sum differs."
      .. (" What %s sent is not the archive of this release."):format(release.host)
    local hint =
      "It was not opened, and nothing was changed. Try another network, and report it if it stays so."
    steps:fail("bad_response", message, hint)
  end
end

---@param steps conv.Steps
---@param release conv.Release
---@param path string
---@return string sum
local function check_program(steps, release, path)
  local sum = sum_of(steps, path)
  if sum ~= release.checksum.program then
    local message = "The program in the archive is not the one that the plugin's repository names."
    steps:fail("bad_response", message, "It was not run. Please report it: a release is not made like this.")
  end
  return sum
end

---Runs the program once: whether it can run here, and whether it is what this plugin wants.
---@param steps conv.Steps
---@param release conv.Release
---@param path string
local function try_out(steps, release, path)
  local result = steps:run({ path, "--version" }, { timeout = FIRST_RUN })
  local said = result.stdout or ""
  local version = said:match("^convocations (%S+)")
  if result.code ~= 0 or not version then
    steps:fail("backend_missing", ("The new program does not run here (%s)."):format(release.target), REPORT)
  elseif version ~= release.version then
    local message = ("The archive holds version %s, and the plugin wants %s."):format(
      version,
      release.version
    )
    steps:fail("bad_response", message, REPORT)
  elseif not said:find(release.target, 1, true) then
    steps:fail("bad_response", ("The archive is not for %s."):format(release.target), REPORT)
  end
end

---@param steps conv.Steps
---@param release conv.Release
---@param sum string
---@param staged? string
local function put(steps, release, sum, staged)
  local problem = installed.put({
    version = release.version,
    target = release.target,
    sum = sum,
    from = release.host,
    at = os.time(),
  }, staged)
  if problem then
    local message = ("The program cannot be put into %s (%s)."):format(installed.folder(), problem)
    steps:fail("store_unwritable", message, FOLDER)
  end
end

---@param steps conv.Steps
---@param release conv.Release
---@param telling conv.Telling
local function download(steps, release, telling)
  local folder = staging(steps)
  local size = release.checksum.size
  telling.step(("%s from %s"):format(release.file, release.host))
  local archive = require("conv.install.download").run(steps, release, folder, function(bytes)
    telling.now(("%s of %s MB"):format(megabytes(bytes), megabytes(size)))
  end)
  telling.step("holding it against the sum in the plugin's repository")
  check_sum(steps, release, archive)
  local program = require("conv.install.archive").take(steps, folder, installed.file_name())
  local sum = check_program(steps, release, program)
  telling.step("running it once")
  try_out(steps, release, program)
  put(steps, release, sum, program)
end

---Whether what another editor has put there meanwhile, or was kept from before, is what is wanted.
---@param steps conv.Steps
---@param release conv.Release
---@return boolean
local function use_kept(steps, release)
  local kept = installed.kept(release.version, release.checksum.program)
  if not kept or sum_of(steps, installed.path(kept)) ~= kept.sum then
    return false
  end
  put(steps, release, kept.sum)
  return true
end

---@param steps conv.Steps
---@param telling conv.Telling
local function take_turn(steps, telling)
  local lock = require("conv.install.lock")
  local path = vim.fs.joinpath(installed.folder(), "lock")
  pcall(vim.fn.mkdir, installed.folder(), "p", "0700")
  if vim.fn.isdirectory(installed.folder()) == 0 or not vim.uv.fs_access(installed.folder(), "W") then
    return -- what follows says so
  end
  local give_back, told = lock.try(path), false
  while not give_back do
    if not told then
      told = true
      telling.step(lock.owner(path) .. " is at it already: waiting")
    end
    steps:pause(WAIT)
    give_back = lock.try(path)
  end
  steps:finally(give_back --[[@as fun()]])
end

---Gets the program. Call it with the person's yes.
---@param release conv.Release
---@param telling conv.Telling
---@param done fun(err?: ConvError)
---@return conv.Steps to cancel it by
function M.run(release, telling, done)
  return require("conv.install.steps").go("The download", function(steps)
    take_turn(steps, telling)
    if not use_kept(steps, release) then
      download(steps, release, telling)
    end
  end, done)
end

---Goes back to the program before the one in use; no update to that one is offered any more. It is used from
---the next start of the backend on.
---@return string? message, ConvError? err
function M.rollback()
  local now, problem = installed.go_back()
  if not now then
    local hint = "A program is kept when a newer one is downloaded."
    local message = ("There is no program to go back to: %s."):format(problem)
    return nil, require("conv.errors").new("backend_missing", message, hint)
  end
  require("conv.backend").stop()
  return ("The backend is version %s again."):format(now.version)
end

return M

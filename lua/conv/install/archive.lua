-- Takes the program out of an archive whose sum is right. Guarantees: nothing is unpacked before the whole
-- list of what is in it was read and is harmless (no absolute path, no `..`, no link or device), and then the
-- program alone, into a folder of its own. It knows nothing of where the archive came from.

local M = {}

local HINT = "Nothing of it was unpacked. Please report it: a release is not made like this."

---Windows has a tar that reads zip too; one that comes with Git does not, and takes `C:` for a host.
---@return string?
local function tar()
  local of_windows = vim.fs.joinpath(vim.env.SystemRoot or "", "System32", "tar.exe")
  if vim.fn.has("win32") == 1 and vim.fn.executable(of_windows) == 1 then
    return of_windows
  end
  return require("conv.binary").in_path("tar")
end

---@param steps conv.Steps
---@param folder string
---@param ... string
---@return string[] lines
local function run(steps, folder, ...)
  local program = tar()
  if not program then
    steps:fail("backend_missing", "There is no `tar` here to unpack with.", "Install tar, then try again.")
  end
  local result = steps:run({
    program --[[@as string]],
    ...,
  }, { cwd = folder, env = { LC_ALL = "C" } })
  if result.code ~= 0 then
    local why = require("conv.errors").redact(vim.trim(result.stderr or "")):match("[^\n]*")
    local hint = "See that the disk has room, then try again."
    steps:fail("bad_response", "The archive cannot be unpacked: " .. why, hint)
  end
  return vim.split(vim.trim(result.stdout or ""), "\r?\n", { trimempty = true })
end

---The options of tar for the archive. GNU's and Apple's see that it is compressed; BusyBox's has to be told.
---@param folder string
---@return string
local function options(folder)
  local file = io.open(vim.fs.joinpath(folder, "archive"), "rb")
  local begins = file and file:read(2)
  if file then
    file:close()
  end
  return begins == "\31\139" and "zf" or "f"
end

---@param path string
---@return boolean
local function is_inside(path)
  if path:find("^[/\\]") or path:find("^%a:") or path:find("[^%w%._/@+-]") then
    return false
  end
  return vim.iter(vim.split(path, "/")):all(function(part)
    return part ~= ".."
  end)
end

---Reads the list of what is in the archive: by name, then by kind, which the long list begins each line with.
---@param steps conv.Steps
---@param folder string
---@param wanted string
---@param from string options for the archive
local function check(steps, folder, wanted, from)
  local names = run(steps, folder, "-t" .. from, "archive")
  local kinds = run(steps, folder, "-tv" .. from, "archive")
  for _, path in ipairs(names) do
    if not is_inside(path) then
      steps:fail("bad_response", "The archive has an entry that leads out of its folder.", HINT)
    end
  end
  for _, line in ipairs(kinds) do
    if not line:find("^[-d]") then
      steps:fail("bad_response", "The archive has an entry that is neither a file nor a folder.", HINT)
    end
  end
  if #vim.tbl_filter(function(path)
    return path == wanted
  end, names) ~= 1 then
    steps:fail("bad_response", ("The archive does not have `%s` once."):format(wanted), HINT)
  end
end

---Takes the program out of the file `archive` of a folder.
---@param steps conv.Steps
---@param folder string nobody else's
---@param file_name string
---@return string path
function M.take(steps, folder, file_name)
  local wanted = "bin/" .. file_name
  local from = options(folder)
  check(steps, folder, wanted, from)
  run(steps, folder, "-x" .. from, "archive", wanted)
  local path = vim.fs.joinpath(folder, "bin", file_name)
  local stat = vim.uv.fs_lstat(path)
  if not stat or stat.type ~= "file" then
    steps:fail("bad_response", "The archive has no program in it.", HINT)
  end
  vim.uv.fs_chmod(path, 493) -- 0755
  return path
end

return M

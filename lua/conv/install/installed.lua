-- What was downloaded, and which of it is in use: a record in Neovim's data folder, beside a folder for each
-- version. Guarantees: the record changes in one step, and always names a program that was run once; the
-- program before it stays. It knows nothing of where programs come from.

local M = {}

---Programs in `programs/NAME/` that are kept: the one in use and the one before it.
local RECORD = "installed.json"

---Seconds after which what a killed editor left is removed.
local ABANDONED = 3600

---@class (exact) conv.Program
---@field version string
---@field target string
---@field sum string SHA-256 of the program
---@field from string host that it was downloaded from
---@field at integer Unix seconds

---@class (exact) conv.Installed: conv.Program
---@field before? conv.Program the one before
---@field declined? string a version that the person went back from

---@return string
function M.folder()
  return vim.fs.joinpath(vim.fn.stdpath("data") --[[@as string]], "conv")
end

---@return string
function M.file_name()
  return vim.fn.has("win32") == 1 and "convocations.exe" or "convocations"
end

---@param program conv.Program
---@return string name of its folder
local function name(program)
  return program.version .. "-" .. program.sum:sub(1, 12)
end

---@param program conv.Program
---@return string
function M.path(program)
  return vim.fs.joinpath(M.folder(), "programs", name(program), M.file_name())
end

---@param value any
---@return boolean
local function is_program(value)
  return type(value) == "table"
    and type(value.version) == "string"
    and value.version:find("^[%w.+-]+$") ~= nil
    and type(value.sum) == "string"
    and value.sum:find("^%x+$") ~= nil
    and type(value.target) == "string"
    and type(value.at) == "number"
end

---The record, whatever is in the file: nil where it cannot be read.
---@return conv.Installed?
function M.read()
  local file = io.open(vim.fs.joinpath(M.folder(), RECORD))
  if not file then
    return nil
  end
  local ok, found = pcall(vim.json.decode, file:read("a"), { luanil = { object = true } })
  file:close()
  if not ok or not is_program(found) then
    return nil
  end
  found.before = is_program(found.before) and found.before or nil
  return found --[[@as conv.Installed]]
end

---@param program conv.Program
---@return boolean
local function is_there(program)
  return vim.fn.executable(M.path(program)) == 1
end

---The program in use, if it is there.
---@return conv.Installed?
function M.current()
  local record = M.read()
  return record and is_there(record) and record or nil
end

---@param path string
---@param text string
---@return string? problem
local function write(path, text)
  local temporary = ("%s.%d"):format(path, vim.uv.os_getpid())
  local file, problem = vim.uv.fs_open(temporary, "w", 384) -- 0600
  if not file then
    return problem
  end
  local ok
  ok, problem = vim.uv.fs_write(file, text)
  ok = ok == #text and vim.uv.fs_fsync(file)
  vim.uv.fs_close(file)
  if ok then
    ok, problem = vim.uv.fs_rename(temporary, path)
  end
  if not ok then
    vim.uv.fs_unlink(temporary)
    return problem or "it was not written whole"
  end
end

---@param record conv.Installed
---@return string? problem
local function save(record)
  return write(vim.fs.joinpath(M.folder(), RECORD), vim.json.encode(record) .. "\n")
end

---@param program conv.Program
---@return conv.Program
local function plain(program)
  return {
    version = program.version,
    target = program.target,
    sum = program.sum,
    from = program.from,
    at = program.at,
  }
end

---Removes every program but these, and what was left half done. On Windows one that runs stays.
---@param record conv.Installed
local function tidy(record)
  local folder = vim.fs.joinpath(M.folder(), "programs")
  local kept = { [name(record)] = true, [record.before and name(record.before) or ""] = true }
  for entry in vim.fs.dir(folder) do
    if not kept[entry] then
      pcall(vim.fs.rm, vim.fs.joinpath(folder, entry), { recursive = true, force = true })
    end
  end
  for entry in vim.fs.dir(M.folder()) do
    local path = vim.fs.joinpath(M.folder(), entry)
    local stat = vim.startswith(entry, "staging-") and vim.uv.fs_stat(path)
    if stat and os.time() - stat.mtime.sec > ABANDONED then
      pcall(vim.fs.rm, path, { recursive = true, force = true })
    end
  end
end

---Takes a program, which was run once, in place of the one in use.
---@param program conv.Program
---@param staged? string the file; nil if it is in its place already
---@return string? problem
function M.put(program, staged)
  local before = M.current()
  if staged then
    local path = M.path(program)
    vim.fn.mkdir(vim.fs.dirname(path), "p", "0700")
    local ok, problem = vim.uv.fs_rename(staged, path)
    -- Windows replaces no program that runs: the same one may, where the record of it was lost.
    if not ok and require("conv.install.sha256").file(path) ~= program.sum then
      return problem
    end
  elseif not is_there(program) then
    return "it is not there"
  end
  local record = plain(program) --[[@as conv.Installed]]
  if before and name(before) ~= name(program) then
    record.before = plain(before)
  elseif before then
    record.before = before.before
  end
  local problem = save(record)
  if not problem then
    tidy(record)
  end
  return problem
end

---A program of this version with this sum that was kept from before.
---@param version string
---@param sum string
---@return conv.Program?
function M.kept(version, sum)
  local record = M.read()
  for _, program in ipairs({ record or nil, record and record.before or nil }) do
    if program.version == version and program.sum == sum and is_there(program) then
      return plain(program)
    end
  end
end

---Goes back to the program before, and remembers from which.
---@return conv.Program? now, string? problem
function M.go_back()
  local record = M.read()
  local before = record and record.before
  if not record or not before or not is_there(before) then
    return nil, "none is kept"
  end
  local now = plain(before) --[[@as conv.Installed]]
  now.at, now.before, now.declined = os.time(), plain(record), record.version
  return now, save(now)
end

return M

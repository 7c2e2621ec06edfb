-- The programs that the tests start, where cargo builds them, and whether they are what the sources say now:
-- an old one fails many cases, none of which says why.

local M = {}

local COMMAND = "cargo build --bin convocations --example sandbox"

---@param root string
---@return string
local function folder(root)
  local target = vim.env.CARGO_TARGET_DIR or "target"
  return (vim.startswith(target, "/") and target or vim.fs.joinpath(root, target)) .. "/debug"
end

---@param path string
---@return string
local function executable(path)
  assert(vim.fn.executable(path) == 1, ("%s is not built: `%s`"):format(path, COMMAND))
  return path
end

---@param root string
---@return string
local function program(root)
  return vim.env.CONVOCATIONS or (folder(root) .. "/convocations")
end

---@param root string
---@return string
local function sandbox(root)
  return vim.env.CONVOCATIONS_SANDBOX or (folder(root) .. "/examples/sandbox")
end

---The backend under test.
---@param root string
---@return string path
function M.program(root)
  return executable(program(root))
end

---The pretend providers.
---@param root string
---@return string path
function M.sandbox(root)
  return executable(sandbox(root))
end

---A source that is newer than the program built of it, or gone: cargo lists them beside the program.
---@param path string
---@param kind string pattern of the sources that count
---@return string? source
local function changed(path, kind)
  local built = vim.uv.fs_stat(path)
  local list = io.open(path .. ".d")
  if not built or not list then
    return nil
  end
  local text = list:read("a"):gsub("\\ ", "\0"):gsub("^.-: ", "")
  list:close()
  for source in text:gmatch("[^ \n]+") do
    source = source:gsub("%z", " ")
    local now = source:find(kind) and vim.uv.fs_stat(source)
    if source:find(kind) and (not now or now.mtime.sec > built.mtime.sec) then
      return source
    end
  end
end

---What is out of date, in a sentence that says what to do.
---@param root string
---@return string?
function M.stale(root)
  for path, kind in pairs({ [program(root)] = "/src/", [sandbox(root)] = "/tests/sandbox/" }) do
    local source = changed(path, kind)
    if source then
      return ("%s is older than %s: `%s`"):format(path, source, COMMAND)
    end
  end
end

return M

-- One download at a time, in however many editors: a file that says who is at it, touched while they are. It
-- only saves work: two at once would do no harm, since each has a folder of its own.

local M = {}

---Seconds without a touch after which its owner is gone: killed, or stopped in its shell.
local GONE = 30

---Milliseconds between two touches.
local TOUCH = 5000

---A touch that is far ahead was made before the clock was set back: it would be waited for as long.
---@param path string
---@return boolean
local function is_gone(path)
  local stat = vim.uv.fs_stat(path)
  return not stat or math.abs(os.time() - stat.mtime.sec) > GONE
end

---@param path string
---@return boolean
local function create(path)
  local file = vim.uv.fs_open(path, "wx", 384) -- 0600
  if file then
    vim.uv.fs_write(file, tostring(vim.uv.os_getpid()))
    vim.uv.fs_close(file)
  end
  return file ~= nil
end

---Takes the lock, if nobody has it.
---@param path string
---@return (fun())? release
function M.try(path)
  if not create(path) then
    -- Of several who find it left behind, one moves it away.
    local aside = path .. "." .. vim.uv.os_getpid()
    if not is_gone(path) or not vim.uv.fs_rename(path, aside) then
      return nil
    end
    vim.uv.fs_unlink(aside)
    if not create(path) then
      return nil
    end
  end
  local timer = assert(vim.uv.new_timer())
  timer:start(TOUCH, TOUCH, function()
    local now = os.time()
    vim.uv.fs_utime(path, now, now)
  end)
  return function()
    timer:stop()
    timer:close()
    vim.uv.fs_unlink(path)
  end
end

---@param path string
---@return string who has the lock
function M.owner(path)
  local file = io.open(path)
  local pid = file and file:read("a") or ""
  if file then
    file:close()
  end
  return pid:match("^%d+$") and ("Another Neovim (process %s)"):format(pid) or "Another Neovim"
end

return M

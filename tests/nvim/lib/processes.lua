-- What a process holds: read from /proc, so for Linux only; elsewhere the questions answer nothing.

local M = {}

---@param path string
---@return string?
local function read(path)
  local file = io.open(path)
  local text = file and file:read("a")
  if file then
    file:close()
  end
  return text
end

---Whether a process is there; a dead one that nobody has collected counts as gone.
---@param pid integer
---@return boolean
function M.runs(pid)
  local stat = read(("/proc/%d/stat"):format(pid))
  if not stat then
    return vim.fn.isdirectory("/proc") == 0 and vim.uv.kill(pid, 0) == 0
  end
  return stat:match("%) (%a)") ~= "Z"
end

---@return integer[]
function M.all()
  local pids = {}
  for name in vim.fs.dir("/proc") do
    if tonumber(name) then
      table.insert(pids, tonumber(name))
    end
  end
  return pids
end

---Processes whose environment names this folder: those that a case started. Without a backend where the tests
---do not run as root: it lets nobody look.
---@param dir string
---@return { pid: integer, name: string }[]
function M.of(dir)
  local found = {}
  for _, pid in ipairs(M.all()) do
    local environ = read(("/proc/%d/environ"):format(pid))
    if environ and environ:find(dir, 1, true) and M.runs(pid) then
      table.insert(found, { pid = pid, name = vim.trim(read(("/proc/%d/comm"):format(pid)) or "") })
    end
  end
  return found
end

---Ports on which something listens.
---@return table<integer, true>
function M.listening()
  local ports = {}
  for _, path in ipairs({ "/proc/net/tcp", "/proc/net/tcp6" }) do
    for port in (read(path) or ""):gmatch("%x+:(%x+) %x+:0000 0A") do
      ports[tonumber(port, 16)] = true
    end
  end
  return ports
end

return M

-- One child process: start, end, and the guard against a crash loop. It knows neither calls nor events. The
-- child is detached, so that Neovim's exit does not kill it in the middle of a refresh: it ends by itself at
-- the end of its stdin (see doc/rpc.md). What it writes to stderr goes to a file and to nobody's screen.

local errors = require("conv.errors")

local M = {}

---This many crashes within this many milliseconds, and it is not started again unless a person asks.
local MAX_CRASHES, WINDOW = 3, 10000

---Bytes of stderr kept per session, and of it in memory.
local MAX_STDERR, MAX_WORDS = 65536, 2000

---@type number[] times of the last crashes, milliseconds
local crashes = {}

---@return string the backend's own log
function M.log_file()
  local base = vim.env.XDG_STATE_HOME
  if vim.fn.has("win32") == 1 then
    base = vim.env.LOCALAPPDATA
  elseif vim.fn.has("mac") == 1 then
    base = vim.fs.joinpath(vim.uv.os_homedir() or "", "Library", "Application Support")
  elseif not base or not vim.startswith(base, "/") then
    base = vim.fs.joinpath(vim.uv.os_homedir() or "", ".local", "state")
  end
  return vim.fs.joinpath(base or "", "convocations", "convocations.log")
end

---@return string what a backend wrote that did not get so far as to have a log
function M.stderr_file()
  return vim.fs.joinpath(vim.fn.stdpath("log") --[[@as string]], "conv-stderr.log")
end

---The beginning of what the child has written to stderr, without secrets.
local said = ""

---@return fun(lines: string[]) sink
local function stderr_sink()
  local left, mode = MAX_STDERR, "w"
  said = ""
  return function(lines)
    local text = errors.redact(table.concat(lines, "\n"))
    if text == "" or left <= 0 then
      return
    end
    said = (said .. text):sub(1, MAX_WORDS)
    pcall(vim.fn.mkdir, vim.fs.dirname(M.stderr_file()), "p", "0700")
    local file = vim.uv.fs_open(M.stderr_file(), mode, 384) -- 0600
    if file then
      vim.uv.fs_write(file, text)
      vim.uv.fs_close(file)
    end
    left, mode = left - #text, "a"
  end
end

---@param path string
---@param on_exit fun(code: integer)
---@return integer? channel, ConvError? err
function M.start(path, on_exit)
  local sink = stderr_sink()
  local ok, channel = pcall(vim.fn.jobstart, { path, "rpc" }, {
    rpc = true,
    detach = true,
    on_stderr = function(_, lines)
      sink(lines)
    end,
    on_exit = function(_, code)
      on_exit(code)
    end,
  })
  if ok and channel > 0 then
    return channel
  end
  local hint = "Run `:checkhealth conv` to see which program was tried."
  return nil, errors.new("backend_missing", "The backend program could not be started.", hint)
end

---What the last child wrote before it ended: its first line, and what to do about it if the next one says
---that.
---@return string? message, string? hint
function M.last_words()
  local next_line = vim.gsplit(vim.trim(said), "\n")
  local first, second = next_line() or "", next_line() or ""
  if first ~= "" then
    return (first:gsub("^convocations: ", "")), second:match("^  (%S.*)")
  end
end

---Closes the child's stdin, at which it ends; one that is not at work yet is ended whether it listens or not.
---@param channel integer
---@param idle? boolean nothing can be in its hands
function M.stop(channel, idle)
  local stop = idle and vim.fn.jobstop or vim.fn.chanclose ---@type fun(id: integer): any
  pcall(stop, channel)
end

---Notes a crash.
---@return integer? delay milliseconds to wait before the next start; nil: do not start again
function M.crashed()
  local now = vim.uv.now()
  table.insert(crashes, now)
  crashes = vim.tbl_filter(function(at)
    return now - at < WINDOW
  end, crashes)
  return #crashes < MAX_CRASHES and math.floor(100 * 2 ^ (#crashes - 1)) or nil
end

---Forgets the crashes: a person asked to try again.
function M.forgive()
  crashes = {}
end

return M

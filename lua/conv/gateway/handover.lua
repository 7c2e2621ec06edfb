-- The listening socket itself goes to the backend, and a copy stays here: nothing stands between a client and
-- the backend, and the port is this editor's while it lives. Needs Unix, where a descriptor can be sent over
-- a socket (SCM_RIGHTS, which libuv has as write2), and LuaJIT's ffi for the copy that libuv does not poll.

local M = {}

local uv = vim.uv

---Connections that wait while nobody takes them.
local BACKLOG = 128

---Milliseconds in which those who wait get the error of a backend that cannot be started.
local REFUSING = 500

---@type { dup: fun(fd: integer): integer }?
local libc

---@return boolean
function M.is_possible()
  if libc then
    return true
  end
  local ok, ffi = pcall(require, "ffi")
  if not ok or vim.fn.has("unix") == 0 then
    return false
  end
  -- Declared twice by somebody else, it is there all the same.
  pcall(ffi.cdef, "int dup(int descriptor);")
  local found = pcall(function()
    libc = { dup = ffi.C.dup }
  end)
  return found
end

---A bound and listening socket that libuv knows nothing of.
---@return integer? fd, integer? port
local function listen()
  local tcp = assert(uv.new_tcp())
  local fd, port
  if tcp:bind("127.0.0.1", 0) and tcp:listen(BACKLOG, function() end) then
    fd, port = assert(libc).dup(assert(tcp:fileno())), tcp:getsockname().port
  end
  tcp:close()
  if fd and fd >= 0 then
    return fd, port
  end
end

---A copy of it as libuv has it, to be sent or to be listened on for a while.
---@param fd integer
---@return conv.Tcp? tcp
local function copy(fd)
  local tcp = assert(uv.new_tcp())
  if tcp:open(assert(libc).dup(fd)) then
    return tcp
  end
  tcp:close()
end

---Gives a copy of the socket to whoever connects to `path` first. The folder is the editor's own.
---@param fd integer
---@param path string
local function offer(fd, path)
  local server = assert(uv.new_pipe(false))
  if not server:bind(path) then
    return server:close()
  end
  server:listen(1, function()
    local taker = assert(uv.new_pipe(true))
    server:accept(taker)
    server:close()
    uv.fs_unlink(path)
    local tcp = copy(fd)
    local function close()
      taker:close()
      if tcp then
        tcp:close()
      end
    end
    if not (tcp and taker:write2("+", tcp, close)) then
      close()
    end
  end)
end

---One answer over HTTP, in the form that most programs show: OpenAI's.
---@param err ConvError
---@return string
local function unavailable(err)
  local text = require("conv.errors").text(err)
  local body = vim.json.encode({ error = { message = text, type = "server_error", code = err.code } })
  local head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n"
  return ("%scontent-length: %d\r\n\r\n%s"):format(head, #body, body)
end

---Answers who waits, until `REFUSING` has passed.
---@param fd integer
---@param err ConvError
---@param done fun()
local function refuse(fd, err, done)
  local tcp, answer = copy(fd), unavailable(err)
  if not tcp then
    return done()
  end
  tcp:listen(BACKLOG, function()
    local client = assert(uv.new_tcp())
    tcp:accept(client)
    client:read_start(function(_, data)
      client:read_stop()
      if not data then
        return client:close()
      end
      client:write(answer, function()
        client:shutdown(function()
          client:close()
        end)
      end)
    end)
  end)
  vim.defer_fn(function()
    tcp:close()
    done()
  end, REFUSING)
end

---@param connected fun() somebody has connected
---@return conv.GatewayListener? listener, integer? port
function M.new(connected)
  local fd, port = listen()
  if not fd then
    return nil
  end
  local poll = assert(uv.new_poll(fd))
  local is_refusing = false
  local listener = {}
  function listener.wait()
    if not is_refusing then
      poll:start("r", function()
        poll:stop()
        connected()
      end)
    end
  end
  function listener.params()
    local path = vim.fn.tempname()
    offer(fd, path)
    return { socket = path }
  end
  function listener.taken()
    poll:stop()
  end
  function listener.refuse(err)
    is_refusing = true
    refuse(fd, err, function()
      is_refusing = false
      listener.wait()
    end)
  end
  return listener, port
end

return M

-- Where the listening socket cannot be handed over (Windows, or a Neovim without LuaJIT): connections are
-- taken here and their bytes carried to a port of the backend's own, both ways, as fast as the slower side
-- takes them.

local M = {}

local uv = vim.uv

local BACKLOG = 128

---Bytes that may wait to be written before reading stops.
local MAX_QUEUED = 256 * 1024

---Carries bytes one way. A half that ends is ended on the other side; an error ends both.
---@param from conv.Tcp
---@param to conv.Tcp
---@param close fun()
local function carry(from, to, close)
  local function read()
    from:read_start(function(err, data)
      if err then
        return close()
      elseif not data then
        return to:shutdown(function() end)
      end
      to:write(data, function(failed)
        if failed then
          return close()
        elseif not from:is_closing() and not from:is_active() then
          read()
        end
      end)
      if to:get_write_queue_size() > MAX_QUEUED then
        from:read_stop()
      end
    end)
  end
  read()
end

---@param client conv.Tcp
---@param port integer the backend's
local function connect(client, port)
  local backend = assert(uv.new_tcp())
  local function close()
    for _, tcp in ipairs({ client, backend }) do
      if not tcp:is_closing() then
        tcp:close()
      end
    end
  end
  backend:connect("127.0.0.1", port, function(err)
    if err then
      return close()
    end
    carry(client, backend, close)
    carry(backend, client, close)
  end)
end

---@param connected fun() somebody waits for the backend
---@return conv.GatewayListener? listener, integer? port
function M.new(connected)
  local server = assert(uv.new_tcp())
  local waiting, backend_port = {}, nil ---@type conv.Tcp[], integer?
  local bound = server:bind("127.0.0.1", 0)
    and server:listen(BACKLOG, function()
      local client = assert(uv.new_tcp())
      server:accept(client)
      client:nodelay(true)
      if backend_port then
        return connect(client, backend_port)
      end
      table.insert(waiting, client)
      if #waiting == 1 then
        connected()
      end
    end)
  if not bound then
    server:close()
    return nil
  end
  local listener = {}
  function listener.wait()
    backend_port = nil
  end
  function listener.params()
    return {}
  end
  function listener.taken(result)
    backend_port = result.port
    for _, client in ipairs(waiting) do
      connect(client, backend_port)
    end
    waiting = {}
  end
  function listener.refuse()
    for _, client in ipairs(waiting) do
      client:close()
    end
    waiting = {}
  end
  return listener, server:getsockname().port
end

return M

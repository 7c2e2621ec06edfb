-- A backend that speaks the protocol of doc/rpc.md and does what a script says: the tests of the client use it to
-- crash, to be late, and to answer out of order. Runs as `nvim -l fake_backend.lua SCRIPT rpc`.
-- The script gets `backend` and returns functions by method, each called with `params, reply(err, result)`.

local uv = vim.uv
local stdin, stdout = assert(uv.new_pipe()), assert(uv.new_pipe())
stdin:open(0)
stdout:open(1)

local backend = { calls = {} }

---@param code string
---@param ... any
local function lua(code, ...)
  stdout:write(vim.mpack.encode({ 2, "nvim_exec_lua", { code, { ... } } }))
end

---@param name string
---@param data table
function backend.event(name, data)
  lua('require("conv.backend").on_event(...)', name, data)
end

---Dies like a killed program.
function backend.crash()
  uv.kill(uv.os_getpid(), "sigkill")
end

---@param ms integer
---@param action fun()
function backend.after(ms, action)
  vim.defer_fn(action, ms)
end

---@param fields? table
---@return table
function backend.credential(fields)
  return vim.tbl_extend("force", {
    token = "tok-1",
    kind = "oauth",
    headers = { authorization = "Bearer tok-1" },
    expires_at = os.time() + 3600,
    source = "login",
    login = "anthropic",
    revision = 1,
  }, fields or {})
end

---@param fields? table
---@return table
function backend.status(fields)
  local base =
    { login = "anthropic", provider = "anthropic", name = "Anthropic", state = "valid", revision = 1 }
  return vim.tbl_extend("force", base, fields or {})
end

local defaults = {
  hello = function(_, reply)
    reply(nil, { protocol = 1, version = "0.1.0", pid = uv.os_getpid() })
  end,
  status = function(_, reply)
    reply(
      nil,
      { logins = { backend.status() }, store = { backend = "local-encrypted", reason = "the test" } }
    )
  end,
  shutdown = function(_, reply)
    reply(nil, vim.empty_dict())
  end,
}

_G.backend = backend
local methods = vim.tbl_extend("force", defaults, dofile(_G.arg[1]))

---@param message any
local function handle(message)
  local id, method, params = unpack(message[3])
  table.insert(backend.calls, method)
  local function reply(err, result)
    lua('require("conv.backend").on_reply(...)', id, err or vim.NIL, result == nil and vim.NIL or result)
  end
  local run = methods[method]
  if not run then
    return reply({ code = "invalid_argument", message = "The fake backend does not know this method." })
  end
  run(params, reply)
end

local unpack_message = vim.mpack.Unpacker()
local buffered, ended = "", false
stdin:read_start(function(err, data)
  if err or not data then
    ended = true
    return
  end
  buffered = buffered .. data
  local position = 1
  while position <= #buffered do
    local message, next_position = unpack_message(buffered, position)
    position = next_position
    if message == nil then
      break
    end
    vim.schedule(function()
      handle(message)
    end)
  end
  buffered = buffered:sub(position)
end)
vim.wait(2 ^ 30, function()
  return ended
end, 20)

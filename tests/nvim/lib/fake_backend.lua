-- A backend that speaks the protocol of doc/rpc.md and does what a script says: the tests of the client use
-- it to crash, to be late, and to answer out of order. Runs as `nvim -l fake_backend.lua SCRIPT rpc`. The
-- script gets `backend` and returns functions by method, each called with `params, reply(err, result)`. What
-- it is asked and what it answers must look like the samples that the Rust side wrote
-- (src/protocol/samples.rs): a shape that one side alone has changed ends it with a word about what differs.
-- What a script leaves out is added.

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

local here = vim.fs.dirname(vim.fs.normalize(_G.arg[0]))
local samples = vim.json.decode(assert(io.open(here .. "/samples.json")):read("a"))

---What these hold is not ours to name.
local FREE = { headers = true, options = true }

---Holds a value against its samples, and adds what a script has left out of what must be there.
---@param what string
---@param value any
---@param full any the sample with everything
---@param least any the sample with what must be there
---@param fill boolean
local function hold(what, value, full, least, fill)
  local wrong ---@type string?
  if type(value) ~= type(full) then
    wrong = "is a " .. type(value)
  elseif type(value) == "table" and vim.islist(full) and #full > 0 then
    for place, item in ipairs(value) do
      hold(("%s[%d]"):format(what, place), item, full[1], least and least[1], fill)
    end
  elseif type(value) == "table" then
    for name, inner in pairs(fill and least or {}) do
      if value[name] == nil then
        value[name] = vim.deepcopy(inner)
      end
    end
    for name, inner in pairs(value) do
      if full[name] == nil then
        wrong = ("has `%s`"):format(name)
      elseif not FREE[name] then
        hold(what .. "." .. name, inner, full[name], least and least[name], fill)
      end
    end
  end
  if wrong then
    error(("%s %s, which src/protocol does not say"):format(what, wrong), 0)
  end
end

---@param what string
---@param value any
---@param sample { full: table, least: table }
---@param fill? boolean
local function hold_or_end(what, value, sample, fill)
  local ok, problem = pcall(hold, what, value, sample.full, sample.least, fill == true)
  if not ok then
    io.stderr:write("pretend backend: ", problem, "\n")
    os.exit(70)
  end
end

local EVENTS = {
  credential = "Credential",
  changed = "Changed",
  log = "Notice",
  question = "GrantQuestions",
  lent = "EditorGrants",
  waiting = "Waiting",
}

---@param name string
---@param data table
function backend.event(name, data)
  local stage = name == "login" and samples.stages[data.stage]
  hold_or_end("event " .. name, data, stage or samples.shapes[EVENTS[name]], true)
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

---@param shape string
---@param fields? table
---@return table
local function sample(shape, fields)
  return vim.tbl_extend("force", vim.deepcopy(samples.shapes[shape].least), fields or {})
end

---@param fields? table
---@return table
function backend.credential(fields)
  local base = { login = "anthropic", expires_at = os.time() + 3600 }
  return sample("Credential", vim.tbl_extend("force", base, fields or {}))
end

---@param fields? table
---@return table
function backend.status(fields)
  return sample("LoginStatus", vim.tbl_extend("force", { login = "anthropic" }, fields or {}))
end

---@param fields? table
---@return table
function backend.store(fields)
  return sample("StoreReport", fields)
end

---@param logins? table[]
---@return table
function backend.status_answer(logins)
  return { logins = logins or { backend.status() }, store = backend.store() }
end

local defaults = {
  hello = function(params, reply)
    local answer = {
      pid = uv.os_getpid(),
      callback_port = vim.tbl_get(params, "options", "callback", "port") or 3000,
      no_browser = os.getenv("SSH_CONNECTION") and "connected over SSH" or nil,
    }
    reply(nil, sample("HelloAnswer", answer))
  end,
  status = function(_, reply)
    reply(nil, backend.status_answer())
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
  hold_or_end("call " .. method, params, samples.params[method])
  local function reply(err, result)
    local shape = err and "Error" or samples.answers[method]
    if not backend.careless then
      hold_or_end("answer to " .. method, err or result, samples.shapes[shape], true)
    end
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

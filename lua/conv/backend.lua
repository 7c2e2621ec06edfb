-- Calls to the backend and what comes back (doc/rpc.md). Starts it when first needed, answers every call
-- exactly once: by its reply, its deadline, or the backend's end. Knows nothing of logins; who wants events
-- listens on the bus. `on_reply` and `on_event` are called by the backend and never raise: a traceback would
-- carry their arguments.

local bus = require("conv.bus")
local calls = require("conv.calls")
local errors = require("conv.errors")

local M = {}

---The protocol this plugin speaks, and its own version.
M.PROTOCOL = require("conv.protocol").VERSION
M.VERSION = "0.1.0"

---Milliseconds in which a backend that refused `hello` is not asked again by callers, only by a person.
local REFUSED_FOR = 5000

local state = "stopped" ---@type conv.BackendState
local channel ---@type integer?
local queue = {} ---@type integer[] calls that wait for `hello`
local trouble ---@type ConvError? why it is down
local trouble_until ---@type number? nil: until a person asks
local leaving = false
local hello_result ---@type table?

---@return conv.BackendState
function M.state()
  return state
end

---@return ConvError? why it is down
function M.trouble()
  return state == "down" and trouble or nil
end

---@return table? what `hello` answered
function M.hello()
  return hello_result
end

---@param new conv.BackendState
---@param err? ConvError
local function become(new, err)
  state, trouble = new, err
  bus.emit("backend", { state = new, error = err })
end

---@param err ConvError
local function answer_all(err)
  queue = {}
  calls.answer_all(err)
end

---@param id integer
local function send(id)
  local call = calls.get(id)
  if not (call and channel) then
    return
  end
  local params = next(call.params) ~= nil and call.params or vim.empty_dict()
  if not pcall(vim.rpcnotify, channel, "call", id, call.method, params) then
    calls.answer(id, errors.new("backend_crashed", "The backend is gone.", "Try again: it starts by itself."))
  end
end

---@param err ConvError
---@param milliseconds? number how long callers get this answer; nil: until a person asks
local function give_up(err, milliseconds)
  local old = channel
  channel, hello_result = nil, nil
  if old then
    require("conv.process").stop(old, state == "starting")
  end
  trouble_until = milliseconds and (vim.uv.now() + milliseconds) or nil
  become("down", err)
  answer_all(err)
end

---@return ConvError
local function silent()
  local why = require("conv.process").last_words()
  local message = "The backend was started and does not answer." .. (why and (" It said last: " .. why) or "")
  return errors.new("timeout", message, "`:checkhealth conv` shows which program was tried.")
end

---Whether the answer to `hello` is of another protocol than ours: an old backend does not look at what we
---speak.
---@param result any
---@return ConvError?
local function mismatch(result)
  local theirs = type(result) == "table" and result.protocol
  if theirs ~= M.PROTOCOL then
    local is_newer = type(theirs) == "number" and theirs > M.PROTOCOL
    local message = ("The plugin speaks protocol %d, the backend %s."):format(M.PROTOCOL, tostring(theirs))
    local hint = is_newer and "Update the plugin, then restart Neovim."
      or "Update the backend: `:ConvLogin` offers it, or run `make build` in the plugin's folder."
    return errors.new("protocol_mismatch", message, hint)
  end
end

local function say_hello()
  local params = { protocol = M.PROTOCOL, version = M.VERSION, options = require("conv.config").shared() }
  local id = calls.add("hello", params, nil, function(err, result)
    err = err or mismatch(result)
    if err then
      -- Its end, or a stop, has been dealt with already; everything else this backend says about itself.
      if channel then
        give_up(err.code == "timeout" and silent() or err, REFUSED_FOR)
      end
      return
    end
    hello_result = result
    local waiting = queue
    queue = {}
    become("ready")
    vim.iter(waiting):each(send)
  end)
  send(id)
end

---A program that ends before it is at work and says why would say so again.
---@return ConvError? err
local function refused_to_start()
  local why, hint = require("conv.process").last_words()
  if state == "starting" and why then
    hint = hint or "`:checkhealth conv` shows which program was tried, and all that it said."
    return errors.new("backend_missing", "The backend cannot start: " .. why, hint)
  end
end

---@param code integer
local function on_exit(code)
  local refusal = refused_to_start()
  channel, hello_result = nil, nil
  if leaving then
    return
  elseif refusal then
    return give_up(refusal, REFUSED_FOR)
  end
  local process = require("conv.process")
  local delay = process.crashed()
  local message = ("The backend ended unexpectedly (exit status %d)."):format(code)
  if delay then
    local err = errors.new("backend_crashed", message, "Try again: it starts by itself.")
    become("stopped", err)
    answer_all(err)
    vim.defer_fn(function()
      if state == "stopped" then
        M.start()
      end
    end, delay)
    return
  end
  local hint = "Run `:ConvStatus` to start it again, `:checkhealth conv` to see why."
  local err =
    errors.new("backend_crashed", "The backend ended 3 times within 10 s and is not started again.", hint)
  trouble_until = nil
  become("down", err)
  answer_all(err)
  require("conv.notify").error(err)
end

local function close_when_leaving()
  vim.api.nvim_create_autocmd("VimLeavePre", {
    group = vim.api.nvim_create_augroup("conv.backend", { clear = true }),
    callback = function()
      leaving = true
      M.stop()
    end,
  })
end

---Starts the backend if it does not run.
---@return ConvError? err why it cannot run now
function M.start()
  if state == "starting" or state == "ready" then
    return nil
  elseif leaving then
    return errors.new("cancelled", "Neovim is closing.")
  elseif state == "down" and not (trouble_until and vim.uv.now() > trouble_until) then
    return trouble
  end
  local mistake = require("conv.config").problems()[1]
  local found, err = nil, mistake
  if not mistake then
    found, err = require("conv.binary").find()
  end
  if not found then
    return err
  end
  local started
  started, err = require("conv.process").start(found.path, function(code)
    if channel == started then
      on_exit(code)
    end
  end)
  if not started then
    return err
  end
  channel = started
  close_when_leaving()
  become("starting")
  say_hello()
end

---A person asks: forget what went wrong before, and start.
---@return ConvError? err
function M.retry()
  if state == "down" then
    require("conv.process").forgive()
    become("stopped")
  end
  return M.start()
end

---Ends the backend; the next call starts it again.
function M.stop()
  local old = channel
  channel, hello_result = nil, nil
  if old then
    require("conv.process").stop(old)
  end
  if state ~= "stopped" then
    become("stopped")
  end
  answer_all(errors.new("cancelled", "The backend was stopped."))
end

---Brings changed options to a running backend.
function M.options_changed()
  if channel then
    say_hello()
  elseif state == "down" then
    M.retry()
  end
end

---Calls the backend. `done` gets exactly one of error and result, once; at once if the backend cannot run.
---@param method string
---@param params table
---@param done fun(err?: ConvError, result?: any)
---@param timeout? integer milliseconds
function M.call(method, params, done, timeout)
  local err = M.start()
  if err then
    return done(err)
  end
  local id = calls.add(method, params, timeout, done)
  if state == "ready" then
    send(id)
  else
    table.insert(queue, id)
  end
end

---The backend's answer to one call.
---@param id integer
---@param err any
---@param result any
function M.on_reply(id, err, result)
  if err ~= vim.NIL and err ~= nil then
    calls.answer(id, errors.from_wire(err))
  else
    calls.answer(id, nil, result)
  end
end

---News from the backend.
---@param name string
---@param data any
function M.on_event(name, data)
  if type(name) == "string" and type(data) == "table" then
    bus.emit(name, data)
  end
end

return M

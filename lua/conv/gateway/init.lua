-- A local address that a program uses in place of a provider's, and a key for it: the credential is added on
-- the way. The port is bound here and held while the editor lives; no process is started before the first
-- connection. Then the backend takes it over, and after a crash its successor does: address and key stay
-- good. Knows nothing of HTTP but the one answer that says that the backend cannot be started.

local backend = require("conv.backend")
local bus = require("conv.bus")
local errors = require("conv.errors")

local M = {}

---@class (exact) ConvGateway
---@field url string base URL, such as `http://127.0.0.1:41234/openrouter`
---@field key string what the program shows there, new for each editor

---What is held: bound once, until the editor ends.
---@class (exact) conv.GatewayDoor
---@field port integer
---@field key string
---@field logins table<string, boolean> that the backend is to serve
---@field listener conv.GatewayListener

---How connections reach the backend: see handover.lua and relay.lua.
---@alias conv.Tcp any a TCP handle of libuv's

---@class (exact) conv.GatewayListener
---@field wait fun() hears of the next connection; nothing happens while it is being heard already
---@field params fun(): table<string, any> what the backend must know to take over
---@field taken fun(result: table) the backend has taken over
---@field refuse fun(err: ConvError) answers who waits with an error

---@type conv.GatewayDoor?
local door

---Whether the running backend serves, and whether it has been asked to.
local is_served, is_asked = false, false

---256 random bits, base64url.
---@return string
local function new_key()
  local text = vim.base64.encode(assert(vim.uv.random(32)))
  return "conv-" .. text:gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" })
end

---Tells the backend what to serve, and gives it the listener if it has none.
local function hand_over()
  if is_asked then
    return
  end
  local held = assert(door)
  local logins = vim.tbl_keys(held.logins)
  table.sort(logins)
  local params = { key = held.key, port = held.port, logins = logins }
  if not is_served then
    params = vim.tbl_extend("error", params, held.listener.params())
  end
  is_asked = true
  backend.call("gateway.open", params, function(err, result)
    is_asked = false
    if err then
      is_served = false
      held.listener.refuse(err)
      return held.listener.wait()
    end
    is_served = true
    held.listener.taken(result)
    if vim.tbl_count(held.logins) > #logins then
      hand_over()
    end
  end)
end

---@return conv.GatewayDoor? door, ConvError? err
local function open_door()
  local new = require("conv.gateway.handover").is_possible() and require("conv.gateway.handover").new
    or require("conv.gateway.relay").new
  local listener, port = new(vim.schedule_wrap(hand_over))
  if not (listener and port) then
    return nil, errors.new("port_in_use", "No port of this machine can be listened on.", "Try again.")
  end
  return { port = port, key = new_key(), logins = {}, listener = listener }
end

---What was opened for a login; from memory.
---@param login string
---@return ConvGateway?
function M.held(login)
  if door and door.logins[login] then
    return { url = ("http://127.0.0.1:%d/%s"):format(door.port, login), key = door.key }
  end
end

---@return ConvError? err
local function ensure_door()
  if door then
    return nil
  end
  local err
  door, err = open_door()
  if door then
    door.listener.wait()
  end
  return err
end

---Where it is, without a login, to be tried.
---@return ConvGateway? gateway, ConvError? err
function M.base()
  local err = ensure_door()
  return door and { url = ("http://127.0.0.1:%d"):format(door.port), key = door.key } or nil, err
end

---The address and the key for a login. Starts no process.
---@param login string checked
---@param anyway? boolean whatever the option `gateway` says
---@return ConvGateway? gateway, ConvError? err
function M.open(login, anyway)
  if not anyway and require("conv.config").get().gateway == false then
    return nil,
      errors.new("config_invalid", "The gateway is switched off.", "Remove `gateway = false` to use it.")
  end
  local err = ensure_door()
  if not door then
    return nil, err
  end
  if not door.logins[login] then
    door.logins[login] = true
    -- A backend that runs serves before anybody connects: a host may hold the editor up while it waits for an
    -- answer.
    if backend.state() == "ready" then
      hand_over()
    end
  end
  return M.held(login)
end

---What is open, without the key.
---@return { port: integer, logins: string[], served: boolean }?
function M.status()
  if not door then
    return nil
  end
  local logins = vim.tbl_keys(door.logins)
  table.sort(logins)
  return { port = door.port, logins = logins, served = is_served }
end

bus.on("backend", function(data)
  if data.state ~= "ready" and data.state ~= "starting" then
    is_served, is_asked = false, false
    if door then
      door.listener.wait()
    end
  end
end)

return M

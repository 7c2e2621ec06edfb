-- A real gnome-keyring on a session bus of its own, in a case's folders: locked, frozen, or not there at all.

local M = {}

---@class conv.TestKeyring
---@field address string
---@field daemon? integer
local Keyring = {}
Keyring.__index = Keyring

local CONFIG = [[<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>]]

---Starts a program that ends with the case.
---@return integer pid
local function run(t, argv, env, input)
  local job = vim.system(argv, { env = env, clear_env = true, stdin = input or false }, function() end)
  t:defer(function()
    job:kill("sigkill")
  end)
  return job.pid
end

---A bus, and on it a keyring: `unlocked`, `locked`, or none.
---@param t conv.Case
---@param how? "unlocked"|"locked"
---@return conv.TestKeyring
function M.start(t, how)
  for _, program in ipairs({ "dbus-daemon", "gnome-keyring-daemon", "dbus-send" }) do
    if vim.fn.executable(program) == 0 then
      t:skip(program .. " is not installed (`make deps` installs it)")
    end
  end
  local socket = t.dir .. "/bus"
  local config = t:file("bus.conf", CONFIG:format(socket))
  run(t, { "dbus-daemon", "--config-file=" .. config, "--nofork", "--nopidfile" }, t:env())
  t:wait("the bus", function()
    return vim.uv.fs_stat(socket)
  end)
  local self = setmetatable({ address = "unix:path=" .. socket }, Keyring)
  if how then
    self:_add(t, how)
  end
  return self
end

function Keyring:_add(t, how)
  local env = t:env({ DBUS_SESSION_BUS_ADDRESS = self.address })
  -- A keyring that is there, and has a password: what is only locked has to exist.
  local argv = {
    "gnome-keyring-daemon",
    "--foreground",
    "--components=secrets",
    "--control-directory=" .. t.dir .. "/run",
  }
  if how == "unlocked" then
    table.insert(argv, "--unlock")
  else
    local made = vim.list_extend(vim.deepcopy(argv), { "--unlock" })
    local first = vim.system(made, { env = env, clear_env = true, stdin = "test" })
    self:_wait(t)
    t:wait("the collection", function()
      return vim.uv.fs_stat(t.dir .. "/data/keyrings/login.keyring")
    end)
    first:kill("sigkill")
    first:wait()
  end
  self.daemon = run(t, argv, env, how == "unlocked" and "test" or nil)
  self:_wait(t)
end

---@return boolean
function Keyring:_is_there(t)
  local ask = { "dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/" }
  vim.list_extend(ask, { "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets" })
  local env = t:env({ DBUS_SESSION_BUS_ADDRESS = self.address })
  local answer = vim.system(ask, { env = env, clear_env = true, text = true }):wait()
  return answer.stdout:find("boolean true") ~= nil
end

function Keyring:_wait(t)
  t:wait("the keyring", function()
    return self:_is_there(t)
  end, 15000)
end

---Ends it; the bus stays.
function Keyring:stop(t)
  vim.uv.kill(self.daemon, "sigkill")
  t:wait("the keyring to go", function()
    return not self:_is_there(t)
  end)
end

---Begins anew, without the password.
function Keyring:lock(t)
  self:stop(t)
  self:_add(t, "locked")
end

---Lets it hang, or go on.
---@param frozen boolean
function Keyring:freeze(frozen)
  vim.uv.kill(self.daemon, frozen and "sigstop" or "sigcont")
end

return M

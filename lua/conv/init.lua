-- The API for companion plugins: `:h conv-api`. What is good in memory is answered from memory; nothing here
-- prompts or opens a browser, except `login`. A mistake is an answer `nil, { code, message, hint }`, never a
-- Lua error.

local arguments = require("conv.arguments")
local backend = require("conv.backend")
local bus = require("conv.bus")
local credentials = require("conv.credentials")
local status = require("conv.status")

local M = {}

local options = require("conv.config").get
local held, time, in_fast_event = credentials.held, os.time, vim.in_fast_event

---The option `login`, once set: which account to use here.
---@type (fun(login: string): string?)?
local choose

---What `vim.b.conv_login` says about a login: another account of the same provider, or nothing.
---@param login string
---@param here any a login, or logins by provider
---@return string?
local function chosen_here(login, here)
  if type(here) == "table" then
    here = here[login]
  end
  return type(here) == "string" and vim.startswith(here, login .. "@") and here or nil
end

---The login to use for the one asked for: by the buffer, by the option, else itself. What is no name passes.
---@param login any
---@return any
local function chosen(login)
  if in_fast_event() or type(login) ~= "string" then
    return login
  end
  local here = vim.b.conv_login
  local other = here and chosen_here(login, here)
  if not other and choose then
    local ok, answer = pcall(choose, login)
    if not ok then
      require("conv.notify").internal("opts.login", answer)
    end
    other = ok and type(answer) == "string" and answer or nil
  end
  return other or login
end

---@param login string
---@return conv.Held?, ConvError?
local function good(login)
  login = chosen(login)
  local found = held[login]
  if found and found.fresh_until > time() then
    return found
  end
  return credentials.acquire(login)
end

---Calls a caller's function on the main loop. What it raises is told without its arguments, which hold the
---token.
---@param callback fun(err?: ConvError, result?: any)
---@param err? ConvError
---@param result? any
local function later(callback, err, result)
  vim.schedule(function()
    local ok, problem = pcall(callback, err, result)
    if not ok then
      require("conv.notify").internal("conv", problem)
    end
  end)
end

---Runs at once on the main loop, else as soon as it is there.
---@param action fun()
local function on_main(action)
  if in_fast_event() then
    vim.schedule(action)
  else
    action()
  end
end

---Sets options. Not needed: `vim.g.conv` works too, and every option has a default.
---@param opts? table see `:h conv-options`
function M.setup(opts)
  local config = require("conv.config")
  config.set(opts)
  choose = config.get().login
  for _, problem in ipairs(config.problems()) do
    require("conv.notify").error(problem)
  end
  backend.options_changed()
end

---The token of a login, synchronously. From memory if it is good; else it waits at most `cold_wait`.
---@param login string
---@return string? token, ConvError? err
function M.token(login)
  local found, err = good(login)
  if found then
    return found.token
  end
  return nil, err
end

---Every header the API wants, authorization included, synchronously.
---@param login string
---@return table<string, string>? headers, ConvError? err
function M.headers(login)
  local found, err = good(login)
  if found then
    return vim.deepcopy(found.credential.headers)
  end
  return nil, err
end

---The whole credential, synchronously.
---@param login string
---@return ConvCredential? credential, ConvError? err
function M.credential(login)
  local found, err = good(login)
  if found then
    return credentials.copy(found)
  end
  return nil, err
end

---The credential, asynchronously. `cb(err, credential)` runs once, on the main loop, never before this
---returns.
---@param login string
---@param opts? ConvGetOpts
---@param cb? fun(err?: ConvError, credential?: ConvCredential)
---@overload fun(login: string, cb: fun(err?: ConvError, credential?: ConvCredential))
function M.get(login, opts, cb)
  local wrong ---@type ConvError?
  opts, cb, wrong = arguments.get(opts, cb)
  login = chosen(login)
  local err = credentials.check_name(login) or wrong
  if err then
    return later(cb, err)
  end
  local found = held[login]
  local needed = opts.min_validity and opts.min_validity - credentials.margin or 0
  if found and found.fresh_until > time() + needed then
    return later(cb, nil, credentials.copy(found))
  end
  on_main(function()
    local limits = { min_validity = opts.min_validity, timeout = opts.timeout or options().timeout }
    credentials.fetch(login, limits, function(failed, credential)
      later(cb, failed, credential and vim.deepcopy(credential))
    end)
  end)
end

---Says that the API answered 401 to this token: one refresh, unless a newer token is already there.
---@param login string
---@param token string
---@param cb? fun(err?: ConvError, credential?: ConvCredential)
function M.invalidate(login, token, cb)
  cb = cb or function() end
  login = chosen(login)
  local err = credentials.check_name(login)
  if err or type(token) ~= "string" then
    return later(cb, err or require("conv.errors").new("invalid_argument", "The token is not a string."))
  end
  on_main(function()
    credentials.invalidate(login, token, options().timeout, function(failed, credential)
      later(cb, failed, credential and vim.deepcopy(credential))
    end)
  end)
end

---How much of what a login may use is used. Asks nobody more often than once a minute.
---@param login string
---@param cb fun(err?: ConvError, usage?: conv.Usage)
function M.usage(login, cb)
  cb = cb or function() end
  login = chosen(login)
  local err = credentials.check_name(login)
  if err then
    return later(cb, err)
  end
  on_main(function()
    require("conv.usage").ask(login, function(failed, usage)
      later(cb, failed, usage and vim.deepcopy(usage))
    end)
  end)
end

---Begins a login: picks what is not named, shows a window, and ends with the event `ConvAuthComplete`.
---@param login? string
---@param opts? ConvLoginOpts
---@param cb? fun(err?: ConvError, status?: ConvLoginStatus)
---@overload fun(login?: string, cb: fun(err?: ConvError, status?: ConvLoginStatus))
function M.login(login, opts, cb)
  local wrong ---@type ConvError?
  opts, cb, wrong = arguments.login(opts, cb)
  if wrong then
    return later(cb, wrong)
  end
  on_main(function()
    require("conv.login").start(login, opts, cb)
  end)
end

---Ends a login that is under way, and commands that are waited for. Nothing happens if there is none.
function M.cancel()
  if package.loaded["conv.command_wait"] then
    on_main(require("conv.command_wait").cancel)
  end
  if package.loaded["conv.login"] then
    on_main(require("conv.login").cancel)
  end
end

---Revokes a login at its provider, where that can be done, and forgets it here in any case.
---@param login string
---@param opts? table reserved
---@param cb? fun(err?: ConvError, result?: ConvLogoutResult)
---@overload fun(login: string, cb: fun(err?: ConvError, result?: ConvLogoutResult))
function M.logout(login, opts, cb)
  if type(opts) == "function" then
    cb = opts
  end
  cb = cb or function() end
  local err = credentials.check_name(login)
  if err then
    return later(cb, err)
  end
  on_main(function()
    backend.call("logout", { login = login }, function(failed, result)
      if not failed then
        credentials.drop(login)
      end
      later(cb, failed, result)
    end)
  end)
end

---An address of this machine that stands for the login's API, and a key for it, for a program that takes both
---as text: the credential is added on the way. Good while this editor lives; starts no process.
---@param login string
---@return ConvGateway? gateway, ConvError? err
function M.gateway(login)
  if in_fast_event() then
    return nil, require("conv.errors").new("busy", "The gateway cannot be opened here.", "Schedule the call.")
  end
  login = chosen(login)
  local err = credentials.check_name(login)
  if err then
    return nil, err
  end
  return require("conv.gateway").open(login)
end

---Lends logins at a unix socket, for a container or by a connection to another host, until this editor ends.
---@param opts? ConvAgentOpts
---@param cb? fun(err?: ConvError, result?: conv.AgentOpened)
---@overload fun(cb: fun(err?: ConvError, result?: conv.AgentOpened))
function M.agent(opts, cb)
  local wrong ---@type ConvError?
  opts, cb, wrong = arguments.agent(opts, cb)
  if wrong then
    return later(cb, wrong)
  end
  on_main(function()
    require("conv.lending").open(opts, function(err, result)
      later(cb, err, result)
    end)
  end)
end

---Ends a grant at once, with what is under way, whichever process serves it.
---@param id string
---@param cb? fun(err?: ConvError)
function M.revoke(id, cb)
  cb = cb or function() end
  if type(id) ~= "string" then
    return later(cb, require("conv.errors").new("invalid_argument", "The name of a grant is a string."))
  end
  on_main(function()
    require("conv.lending").revoke(id, function(err)
      later(cb, err)
    end)
  end)
end

---What is known of a login, or of all. From memory; never waits.
---@param login? string
---@return ConvLoginStatus|ConvStatus
function M.status(login)
  if login == nil then
    return status.all()
  elseif type(login) ~= "string" then
    return {
      login = "",
      provider = "",
      name = "",
      state = "error",
      gateway_only = false,
      revision = 0,
      error = credentials.check_name(""),
    }
  end
  return status.of(chosen(login))
end

---Whether a credential is there. From memory or the plain index; starts nothing.
---@param login string
---@return boolean
function M.is_logged_in(login)
  login = type(login) == "string" and chosen(login) or ""
  return held[login] ~= nil or status.is_logged_in(login)
end

bus.on("credential", function(data)
  credentials.accept(data)
end)
bus.on("changed", status.on_changed)
bus.on("log", require("conv.notify").on_log)
bus.on("question", function(data)
  require("conv.ui.permission").on_questions(data)
end)
bus.on("waiting", function(data)
  require("conv.command_wait").on_event(data)
end)
bus.on("backend", function(data)
  status.on_backend(data)
  if package.loaded["conv.command_wait"] then
    require("conv.command_wait").on_backend(data)
  end
  if package.loaded["conv.ui.permission"] and data.state ~= "ready" then
    require("conv.ui.permission").on_questions({ questions = {} })
  end
  if data.state == "ready" then
    local set = require("conv.config").get().refresh or {}
    credentials.margin = (backend.hello() or {}).margin or set.margin or credentials.margin
    backend.call("status", {}, function(err, result)
      if not err then
        status.on_status(result)
      end
    end)
    credentials.resubscribe()
    require("conv.updates").on_ready(backend.hello() or {})
  end
end)
choose = options().login

return M

-- What this editor holds in memory: credentials that the backend answered or pushed, and, for a short while,
-- why there is none. Freshness is by the wall clock at the moment of use; a lower revision never replaces a
-- higher one. It never prompts, and never waits longer than `cold_wait`.

local backend = require("conv.backend")
local errors = require("conv.errors")

local M = {}

---Seconds before its end at which a token is fetched anew, until the backend tells its own
---(`refresh.margin`).
M.margin = 300

---Seconds for which a refusal is answered from memory. Those that only a person can end stay longer; news of
---any change ends them all.
local PASSING, LASTING = 2, 30
local lasting = {} ---@type table<string, boolean>
for _, code in ipairs(require("conv.protocol").codes) do
  lasting[code[1]] = code[2] == "lasting"
end

---@class (exact) conv.Held
---@field token string
---@field fresh_until number Unix seconds
---@field credential ConvCredential
---@field unused_until? number of one that was pushed and not used yet: `fresh_until` until then

---By the name it was asked for. Read by `conv.token()` on its short path; never replaced by another table.
---@type table<string, conv.Held>
M.held = {}

---@type table<string, { error: ConvError, ends: integer }>
local refused = {}
---@type table<string, fun(err?: ConvError, credential?: ConvCredential)[]>
local in_flight = {}
---Calls for whose answer somebody waited in vain. Nobody waits for the same answer again: a slow network must
---not stutter.
---@type table<string, true> by key of `in_flight`
local in_vain = {}
local generation = 0
local waiting = false

---@param credential ConvCredential
---@return conv.Held
local function hold(credential)
  local ends = credential.expires_at
  local fresh_until = math.min(ends and ends - M.margin or math.huge, credential.use_until or math.huge)
  return { token = credential.token, fresh_until = fresh_until, credential = credential }
end

---@param name string
---@param credential ConvCredential
---@param pushed? boolean
local function keep(name, credential, pushed)
  local old = M.held[name] and M.held[name].credential
  local older = old and old.login == credential.login and old.source == credential.source
  if older and credential.revision < old.revision then
    return
  end
  local new = hold(credential)
  local is_known = old and old.token == credential.token and not M.held[name].unused_until
  if pushed and not is_known then
    -- The first use takes the long path, which tells the backend of it: what is used is refreshed ahead of
    -- time.
    new.unused_until, new.fresh_until = new.fresh_until, 0
  end
  M.held[name] = new
  refused[name] = nil
end

---Takes a credential that the backend sent.
---@param credential ConvCredential
---@param asked? string the name it was asked for by
function M.accept(credential, asked)
  local pushed = not asked
  keep(credential.login, credential, pushed)
  if asked then
    keep(asked, credential)
  end
  for name, held in pairs(M.held) do
    if held.credential.login == credential.login then
      keep(name, credential, pushed)
    end
  end
end

---Forgets a login, and what is still on its way for it.
---@param login string
function M.drop(login)
  generation = generation + 1
  for name, held in pairs(M.held) do
    if name == login or held.credential.login == login then
      M.held[name] = nil
    end
  end
  refused[login] = nil
end

---Somebody has a newer token, which is on its way here: until then it is asked for, and the old one is given
---out only to those who cannot wait.
---@param login string
---@param revision integer
local function outdate(login, revision)
  for _, held in pairs(M.held) do
    if held.credential.login == login and held.credential.revision < revision then
      held.fresh_until = 0
    end
  end
end

---Something changed in the store: what was refused may be there now, and what is held may be gone.
---@param logins table<string, ConvLoginStatus>
function M.on_changed(logins)
  refused = {}
  for _, held in pairs(vim.tbl_values(M.held)) do
    local mine = held.credential
    local status = logins[mine.login]
    local stored = mine.source == "login" or mine.source == "agent"
    local gone = stored
      and (not status or status.state == "logged_out" or (status.revision or 0) < mine.revision)
    if gone or (status and status.source and status.source ~= mine.source) then
      M.drop(mine.login)
    elseif stored and (status.revision or 0) > mine.revision then
      outdate(mine.login, status.revision or 0)
    end
  end
end

---@param login string
---@return ConvError? err
function M.check_name(login)
  local part = "[a-z0-9][a-z0-9-]*"
  if
    type(login) == "string"
    and (login:match("^" .. part .. "$") or login:match("^" .. part .. "@" .. part .. "$"))
  then
    return nil
  end
  local hint = "A login is PROVIDER or PROVIDER@ACCOUNT, such as `anthropic` or `openrouter@work`."
  return errors.new("invalid_argument", "This is not a login name.", hint)
end

---@param key string
---@param err? ConvError
---@param credential? ConvCredential
local function settle(key, err, credential)
  local waiters = in_flight[key] or {}
  in_flight[key], in_vain[key] = nil, nil
  for _, waiter in ipairs(waiters) do
    local ok, problem = pcall(waiter, err, credential)
    if not ok then
      require("conv.notify").internal("conv.get", problem)
    end
  end
end

---@param login string
---@param sent_in integer generation in which it was asked
---@param err? ConvError
---@param credential? ConvCredential
local function take(login, sent_in, err, credential)
  if credential and sent_in == generation then
    M.accept(credential, login)
  elseif err and err.code ~= "backend_crashed" and err.code ~= "starting" then
    refused[login] = { error = err, ends = os.time() + (lasting[err.code] and LASTING or PASSING) }
  end
end

---@param login string
---@param opts ConvGetOpts
---@return string key of `in_flight`
local function key_of(login, opts)
  return login .. "\0" .. tostring(opts.min_validity)
end

---Asks the backend; those who ask for the same at the same time share one call.
---@param login string
---@param opts ConvGetOpts
---@param done fun(err?: ConvError, credential?: ConvCredential)
function M.fetch(login, opts, done)
  local key = key_of(login, opts)
  if in_flight[key] then
    table.insert(in_flight[key], done)
    return
  end
  in_flight[key] = { done }
  local sent_in = generation
  backend.call("get", { login = login, min_validity = opts.min_validity }, function(err, credential)
    take(login, sent_in, err, credential)
    settle(key, err, credential)
  end, opts.timeout)
end

---Tells the backend that the API refused a token.
---@param login string
---@param token string
---@param timeout? integer
---@param done fun(err?: ConvError, credential?: ConvCredential)
function M.invalidate(login, token, timeout, done)
  local held = M.held[login]
  if held and held.token == token then
    M.held[login] = nil
  end
  local sent_in = generation
  backend.call("invalidate", { login = login, token = token }, function(err, credential)
    take(login, sent_in, err, credential)
    done(err, credential)
  end, timeout)
end

---@param login string
---@param wait integer
---@return boolean done, ConvError? err, ConvCredential? credential
local function fetch_and_wait(login, wait)
  local done, failed, found, sent_in = false, nil, nil, generation
  M.fetch(login, {}, function(err, credential)
    done, failed, found = true, err, sent_in == generation and credential or nil
  end)
  if not done and wait > 0 and not waiting then
    waiting = true
    pcall(vim.wait, wait, function()
      return done
    end, 5)
    waiting = false
  end
  return done, failed, found
end

---The held credential if it has not ended yet; a token inside its margin still works.
---@param login string
---@param now integer
---@return conv.Held?
local function still_valid(login, now)
  local held = M.held[login]
  local ends = held and held.credential.expires_at
  return (not ends or ends > now) and held or nil
end

---A fresh token that was pushed, at its first use, of which the backend is told.
---@param login string
---@param now integer
---@return conv.Held?
local function first_use(login, now)
  local held = M.held[login]
  local fresh_until = held and held.unused_until
  if not held or not fresh_until or fresh_until <= now then
    return nil
  end
  held.fresh_until, held.unused_until = fresh_until, nil
  vim.schedule(function()
    M.fetch(login, {}, function() end)
  end)
  return held
end

---@param login string
---@return ConvError
local function on_its_way(login)
  local message = ("A token for `%s` is on its way."):format(login)
  return errors.new("starting", message, "Try again in a moment, or use `conv.get()`.")
end

---The long path of the synchronous calls: nothing fresh is held.
---@param login string
---@return conv.Held? held, ConvError? err
function M.acquire(login)
  local err = M.check_name(login)
  if err then
    return nil, err
  end
  local now = os.time()
  local pushed = first_use(login, now)
  if pushed then
    return pushed
  end
  local no = refused[login]
  if no and now < no.ends then
    local held = still_valid(login, now)
    return held, not held and no.error or nil
  end
  if vim.in_fast_event() then
    vim.schedule(function()
      M.fetch(login, {}, function() end)
    end)
    local held = still_valid(login, now)
    return held, not held and on_its_way(login) or nil
  end
  local key = key_of(login, {})
  local wait = in_vain[key] and 0 or require("conv.config").get().cold_wait
  local done, failed, found = fetch_and_wait(login, wait)
  if not done and wait > 0 and in_flight[key] then
    in_vain[key] = true
  end
  local held = still_valid(login, os.time()) or (found and hold(found))
  if held then
    return held
  end
  return nil, done and failed or on_its_way(login)
end

---A copy for the caller, who may change it.
---@param held conv.Held
---@return ConvCredential
function M.copy(held)
  return vim.deepcopy(held.credential, true)
end

---After the backend started again: ask for what is held and fresh, so that it pushes the news of these
---logins. A lapsed one is left alone.
function M.resubscribe()
  local now = os.time()
  for name, held in pairs(M.held) do
    if (held.unused_until or held.fresh_until) > now and name == held.credential.login then
      M.fetch(name, {}, function() end)
    end
  end
end

return M

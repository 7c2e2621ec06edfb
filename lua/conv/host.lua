-- What the integrations share: a credential at the moment of a request, the words for a person when there is none, the
-- headers of an API put over those of a host, and who is wired (for `:checkhealth conv`). It loads nothing until a host
-- asks for a credential, so that naming an integration in a config costs nothing at startup. It knows no host.

local M = {}

---@class (exact) conv.HostInfo
---@field name string what people call it
---@field module string its main module, loaded once it is in use
---@field marker string a file that only this plugin has
---@field check? fun(tell: fun(problem: string, advice: string)) what else can be wrong; called once it is loaded

---Milliseconds for which a request that a person sent may wait for a refresh. Completion never waits that long.
local REQUEST_WAIT = 3000

---Seconds after a wait in vain in which no other request waits for the same login.
local NO_WAIT = 10

---Seconds for which a host may keep headers of a credential that does not expire, so that a logout is seen.
M.SHORT = 60

---Headers that carry a credential. What a host put there gives way to what the login says.
local CARRIERS = { authorization = true, ["x-api-key"] = true, ["api-key"] = true, ["x-goog-api-key"] = true }

---Headers whose value is a list, to which the login adds.
local LISTS = { ["anthropic-beta"] = true }

---@type table<string, table<string, true>> logins by host
local wired = {}

---@type table<string, integer> by login, until when nobody waits
local in_vain = {}

---@type table<string, string> by login, the code of what was told and not mended since
local told = {}

---A host's config asked for a login. Remembered for the health report.
---@param host string name of the integration's file
---@param login string
function M.wire(host, login)
  wired[host] = wired[host] or {}
  wired[host][tostring(login)] = true
end

---@param host string
---@return string[] logins that the person's config gave to this host in this session
function M.wired(host)
  local logins = vim.tbl_keys(wired[host] or {})
  table.sort(logins)
  return logins
end

---@param login string
---@return string provider
function M.provider(login)
  return tostring(login):match("^[^@]*") or ""
end

---@param login string
---@return ConvError
local function on_its_way(login)
  local message = ("A token for `%s` is on its way."):format(tostring(login))
  return require("conv.errors").new("starting", message, "Try again in a moment.")
end

---A credential that is good now, at once or after a bounded wait (`cold_wait`). For completion and for questions.
---@param login string
---@return ConvCredential? credential, ConvError? err
function M.peek(login)
  if not package.loaded.conv and vim.in_fast_event() then
    vim.schedule(function()
      require("conv").get(login, {}, function() end)
    end)
    return nil, on_its_way(login)
  end
  local credential, err = require("conv").credential(login)
  if err and err.code == "starting" then
    err = on_its_way(login)
  end
  if credential then
    told[login] = nil
  end
  return credential, err
end

---A credential for a request that a person has just sent: a refresh may take its time, but not for ever.
---@param login string
---@return ConvCredential? credential, ConvError? err
function M.credential(login)
  local credential, err = M.peek(login)
  local patient = err and err.code == "starting" and not vim.in_fast_event()
  if not patient or require("conv.config").get().cold_wait == 0 or os.time() < (in_vain[login] or 0) then
    return credential, err
  end
  local done, failed = false, err
  require("conv").get(login, {}, function(problem, result)
    done, failed, credential = true, problem, result
  end)
  vim.wait(REQUEST_WAIT, function()
    return done
  end, 10)
  in_vain[login] = not done and os.time() + NO_WAIT or nil
  return credential, failed
end

---The same, and the person is told if there is none.
---@param login string
---@return ConvCredential?
function M.request(login)
  local credential, err = M.credential(login)
  if err then
    M.tell(err)
  end
  return credential
end

---The same for completion: told once, not at each key.
---@param login string
---@return ConvCredential?
function M.complete(login)
  local credential, err = M.peek(login)
  M.complain(login, err)
  return credential
end

---Tells once, until all is well again (no error) or something else is wrong.
---@param login string
---@param err? ConvError
function M.complain(login, err)
  local name = tostring(login)
  if not err then
    told[name] = nil
  elseif err.code ~= "starting" and told[name] ~= err.code then
    told[name] = err.code
    M.tell(err)
  end
end

---@param err ConvError
function M.tell(err)
  require("conv.notify").error(err)
end

---@param err ConvError
---@return string one line for a person
function M.text(err)
  return require("conv.errors").text(err)
end

---A credential for a host that sends nothing but its value. What needs more headers would only be refused.
---@param credential ConvCredential
---@param host string name of the host, for the message
---@return ConvError? err
function M.needs_more(credential, host)
  if credential.kind ~= "oauth" or vim.tbl_count(credential.headers) < 2 then
    return nil
  end
  local message = ("%s sends a plain key, which is not enough for this sign-in to %s."):format(
    host,
    credential.login
  )
  local hint = ("Run `:ConvLogin %s` and choose a key."):format(credential.login)
  return require("conv.errors").new("provider_refused", message, hint)
end

---Takes away what carries a credential.
---@param headers table<string, any>
function M.undress(headers)
  for _, name in ipairs(vim.tbl_keys(headers)) do
    if CARRIERS[name:lower()] then
      headers[name] = nil
    end
  end
end

---Puts a login's headers over those of a host: in place, whatever the case of their names.
---@param headers table<string, any>
---@param credential ConvCredential
---@return table<string, any> headers the same table
function M.apply(headers, credential)
  local spelling = {} ---@type table<string, string>
  for name in pairs(headers) do
    spelling[name:lower()] = name
  end
  M.undress(headers)
  for name, value in pairs(credential.headers) do
    local key = spelling[name:lower()] or name
    local old = LISTS[name:lower()] and headers[key] or nil
    headers[key] = type(old) == "string" and M.join(old, value) or value
  end
  return headers
end

---Two lists of a header, each item once.
---@param list string
---@param more string
---@return string
function M.join(list, more)
  local items = {} ---@type string[]
  for item in (list .. "," .. more):gmatch("[^,%s]+") do
    if not vim.list_contains(items, item) then
      table.insert(items, item)
    end
  end
  return table.concat(items, ",")
end

---A header of a login by its name in lower case.
---@param credential ConvCredential
---@param name string
---@return string?
function M.header(credential, name)
  for key, value in pairs(credential.headers) do
    if key:lower() == name then
      return value
    end
  end
end

---Where a provider's API is: as the credential says, else as it was built in.
---@param login string
---@param credential? ConvCredential
---@return string?
function M.base_url(login, credential)
  local url = credential and credential.base_url or require("conv.base_urls")[M.provider(login)]
  return url and (url:gsub("/+$", ""))
end

---The address for a chat request, in the shape that the provider speaks.
---@param login string
---@param credential? ConvCredential
---@return string?
function M.chat_url(login, credential)
  local base = M.base_url(login, credential)
  local path = M.provider(login) == "anthropic" and "/v1/messages" or "/chat/completions"
  return base and (base .. path)
end

---An address where nothing listens (the discard port), for hosts that must be given one and would else use another
---provider's.
M.NOWHERE = "http://127.0.0.1:9/no-login"

---The address of a host that reads it once, at setup.
---@param login string
---@param url? string what is known
---@param option string the host's name for it
---@return string
function M.fixed_url(login, url, option)
  if url then
    return url
  end
  local message = ("The address of `%s` is not known here."):format(tostring(login))
  local hint = ("Give `%s` beside it, see `:h conv-integrations`."):format(option)
  M.tell(require("conv.errors").new("config_invalid", message, hint))
  return M.NOWHERE
end

---Whether a credential may be sent to an address: to its own server only.
---@param credential ConvCredential
---@param url string
---@param option string the host's name for the address
---@return ConvError? err
function M.elsewhere(credential, url, option)
  local origin = "^%w+://[^/]+"
  local mine = credential.base_url and credential.base_url:match(origin)
  if not mine or mine == url:match(origin) then
    return nil
  end
  local message = ("The login `%s` is for %s, not for %s."):format(
    credential.login,
    mine,
    url:match(origin) or url
  )
  local hint = ("Set `%s` to %s, or log in another way with `:ConvLogin %s`."):format(
    option,
    credential.base_url,
    credential.login
  )
  return require("conv.errors").new("config_invalid", message, hint)
end

---The API answered 401: a token that can be refreshed is, so that the next request has another.
---@param login string
---@param credential? ConvCredential what the request had
function M.refused(login, credential)
  if credential and credential.kind == "oauth" then
    require("conv").invalidate(login, credential.token)
  end
end

---A module of a host, which the type checker does not know.
---@param name string
---@return table<string, any>
function M.module(name)
  return require(name)
end

---The command that prints a token, as a list.
---@param login string
---@return string[]
function M.argv(login)
  local early = not package.loaded["conv.config"]
  local found = require("conv.binary").find()
  if early then -- a host's config may stand before `vim.g.conv`: what was read of it must be read again
    require("conv.config").set(nil)
  end
  return { found and found.path or "convocations", "token", login }
end

---The same for a shell.
---@param login string
---@return string
function M.command(login)
  return table.concat(
    vim.tbl_map(function(word)
      return word:find("^[%w_@%%+=:,./-]+$") and word or vim.fn.shellescape(word)
    end, M.argv(login)),
    " "
  )
end

return M

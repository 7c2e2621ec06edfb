-- What the integrations share: a credential at the moment of a request, the words for a person when there is
-- none, where a provider's API is, and who is wired (for `:checkhealth conv`). Guarantees: a credential is
-- handed out for an address only, and for its own server's only; a person's request waits at most
-- `REQUEST_WAIT`, however many waits nest in it; nothing is loaded until a host asks, so that naming an
-- integration in a config costs nothing at startup. Knows no host. Key and address of every integration come
-- from `peek`, `credential` and `base_url`, so that both can be exchanged here. A new host is a file in
-- integrations/ with a `host` (below), tests/nvim/cases/host_NAME.lua, and a section `conv-NAME` in the help
-- with the lines to paste; `make doc` writes the rows of the tables. host_health.lua fails if one is missing.

local address = require("conv.integration_address")
local gateway = require("conv.integration_gateway")

local M = {}

---What an integration says of its host. `:checkhealth conv`, the tables of the help and of the README are
---made from it.
---@class (exact) conv.HostInfo
---@field name string what people call it
---@field module string its main module, loaded once it is in use
---@field marker string a file that only this plugin has
---@field use string how it is wired: `.function(…)` of the integration's module, or a text for the host's config
---@field fresh string when a token is asked for anew
---@field refused string what the requests after a 401 have
---@field shown string where the host puts a token on its way to the server
---@field gateway "default"|"asked"|"none" whether it gets the gateway's key in place of a token: by itself, because it keeps a token for long or shows it on a command line; if it is asked for; or never, because its addresses cannot be set
---@field outside? string the file in which it is wired, where that is none of ours to read
---@field check? fun(tell: fun(problem: string, advice: string)) what else can be wrong; called once it is loaded

---Where a host sends a request, and how.
---@class (exact) conv.Destination
---@field url? string|fun(): string its address, asked for once the credential is there; nil if it is made from that
---@field option? string the host's name for that address, for the message
---@field plain? string name of a host that sends nothing but the token
---@field host? conv.HostInfo who is to get the gateway in place of a token, where that is wanted
---@field gateway? boolean what the person's config says of it for this host

---The address of the request is made from the credential (`base_url`, `chat_url`).
M.OWN = {} ---@type conv.Destination

---Milliseconds for which a request that a person sent may wait for a refresh. Completion never waits that
---long.
local REQUEST_WAIT = 3000

---Seconds after a wait in vain in which no other request waits for the same login.
local NO_WAIT = 10

---@type table<string, table<string, true>> logins by host
local wired = {}

---@type table<string, integer> by login, until when nobody waits
local in_vain = {}

---@type table<string, string> by login, the code of what was told and not mended since
local told = {}

---When the request that waits now gives up, in milliseconds of `vim.uv.hrtime`. One that begins while it
---waits, in a callback, gives up then too: the editor is held up once.
---@type number?
local deadline

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

---Whether a credential may be sent to an address: to its own server only.
M.check_origin = address.check

---Where a request goes: there, or to the gateway in its place.
M.route = gateway.route

---A credential for a host that sends nothing but its value. What needs more headers would only be refused.
---@param credential ConvCredential
---@param host string name of the host, for the message
---@return ConvError? err
function M.check_plain_key(credential, host)
  if credential.kind ~= "oauth" or vim.tbl_count(credential.headers) < 2 then
    return nil
  end
  local message = ("%s sends a plain key, which is not enough for this login to %s."):format(
    host,
    credential.login
  )
  local hint = ("Run `:ConvLogin %s` and choose a key."):format(credential.login)
  return require("conv.errors").new("provider_refused", message, hint)
end

---The same, for a host that the gateway can serve.
---@param host conv.HostInfo
---@param opts? { gateway?: boolean }
---@return conv.Destination
function M.own(host, opts)
  return { host = host, gateway = opts and opts.gateway }
end

---@param to conv.Destination
---@param login string
---@param credential? ConvCredential
---@param err? ConvError
---@return conv.Admitted? credential, ConvError? err
local function admit(to, login, credential, err)
  credential = credential or gateway.stand_in(login)
  if not credential then
    return nil, err
  end
  local url = to.url
  if type(url) == "function" then
    url = url() --[[@as string]]
  end
  local given
  given, err = gateway.exchange(credential, to, url)
  if not given then
    return nil, err
  end
  if url then
    given.address, err = gateway.route(given, url, to.option or "url")
  end
  if to.plain then
    err = err or M.check_plain_key(given, to.plain)
  end
  return not err and given or nil, err
end

---A credential that is good now, at once or after a bounded wait (`cold_wait`). For completion and for
---questions.
---@param login string
---@param to conv.Destination
---@return conv.Admitted? credential, ConvError? err
function M.peek(login, to)
  if not package.loaded.conv and vim.in_fast_event() then
    vim.schedule(function()
      require("conv").get(login, {}, function() end)
    end)
    return nil, on_its_way(login)
  end
  local credential, err = gateway.stand_in(login), nil ---@type any, ConvError?
  if not credential then
    credential, err = require("conv").credential(login)
  end
  if err and err.code == "starting" then
    err = on_its_way(login)
  end
  credential, err = admit(to, login, credential, err)
  if credential then
    told[login] = nil
  end
  return credential, err
end

---The same without waiting: `done` runs on the main loop.
---@param login string
---@param to conv.Destination
---@param done fun(credential?: conv.Admitted, err?: ConvError)
function M.get(login, to, done)
  require("conv").get(login, {}, function(err, credential)
    done(admit(to, login, credential, err))
  end)
end

---@return number milliseconds
local function now()
  return vim.uv.hrtime() / 1e6
end

---@param login string
---@param to conv.Destination
---@return conv.Admitted? credential, ConvError? err
local function wait_for(login, to)
  local credential, err = M.peek(login, to)
  local patient = err and err.code == "starting" and not vim.in_fast_event()
  if not patient or require("conv.config").get().cold_wait == 0 or os.time() < (in_vain[login] or 0) then
    return credential, err
  end
  local done = false
  M.get(login, to, function(found, problem)
    done, credential, err = true, found, problem
  end)
  vim.wait(math.max(0, math.floor((deadline or 0) - now())), function()
    return done
  end, 10)
  in_vain[login] = not done and os.time() + NO_WAIT or nil
  return credential, err
end

---A credential for a request that a person has just sent: a refresh may take its time, but not for ever.
---@param login string
---@param to conv.Destination
---@return conv.Admitted? credential, ConvError? err
function M.credential(login, to)
  local outermost = not deadline
  deadline = deadline or now() + REQUEST_WAIT
  local ok, credential, err = pcall(wait_for, login, to)
  if outermost then
    deadline = nil
  end
  if not ok then
    error(credential, 0)
  end
  return credential, err
end

---The same, and the person is told if there is none.
---@param login string
---@param to conv.Destination
---@return conv.Admitted?
function M.request(login, to)
  local credential, err = M.credential(login, to)
  if err then
    M.tell(err)
  end
  return credential
end

---The same for completion: told once, not at each key.
---@param login string
---@param to conv.Destination
---@return conv.Admitted?
function M.complete(login, to)
  local credential, err = M.peek(login, to)
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

---The account of a provider to use for a buffer: as the option `login` or its `vim.b.conv_login` says. For
---hosts whose chats are buffers of their own, and are about another one.
---@param login string
---@param buffer any what the host says; what is no buffer changes nothing
---@return string
function M.account(login, buffer)
  if vim.in_fast_event() or type(buffer) ~= "number" or not vim.api.nvim_buf_is_valid(buffer) then
    return login
  end
  return vim.api.nvim_buf_call(buffer --[[@as integer]], function()
    local status = require("conv").status(login) --[[@as ConvLoginStatus]]
    return status.login
  end)
end

---What people call a provider, with the account.
---@param login string
---@return string
function M.title(login)
  local builtin = require("conv.builtin")[M.provider(login)]
  local account = tostring(login):match("@(.+)$")
  return (builtin and builtin.name or M.provider(login)) .. (account and (" (%s)"):format(account) or "")
end

---Where a provider's API is: as the credential says, else as it was built in.
---@param login string
---@param credential? ConvCredential
---@return string?
function M.base_url(login, credential)
  local builtin = require("conv.builtin")[M.provider(login)]
  local url = credential and credential.base_url or (builtin and builtin.base_url)
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

---An address where nothing listens (the discard port), for hosts that must be given one and would else use
---another provider's. A request to it ends with the host's own words for a server that is not there.
M.NOWHERE = "http://127.0.0.1:9/no-login"

---For curl, an answer that is empty and no error, for hosts that would repeat the error at each key.
M.NOTHING = vim.fn.has("win32") == 0 and "file:///dev/null" or M.NOWHERE

---For curl, an answer in the shape of an API's error that says what to do, for hosts that fail on an empty
---one.
M.REFUSAL = vim.uri_from_fname(
  vim.fs.joinpath(
    vim.fs.dirname(vim.fs.abspath(assert(debug.getinfo(1, "S")).source:sub(2))),
    "no_login.json"
  )
)

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

---@param login string
---@return string[] names of the variables below
function M.agent_variables(login)
  return vim.tbl_keys(gateway.variables(M.provider(login), { url = "", key = "" }))
end

---What points a program at the gateway, by variable. The gateway is opened now; without it there is nothing,
---and the person is told.
---@param login string
---@return table<string, string>
function M.agent_env(login)
  local opened, err = require("conv.gateway").open(login, true)
  if err then
    M.tell(err)
  end
  return opened and gateway.variables(M.provider(login), opened) or {}
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

---The command that prints a token, for a shell.
---@param login string
---@return string
function M.command(login)
  local early = not package.loaded["conv.config"]
  local found = require("conv.binary").find()
  if early then -- a host's config may stand before `vim.g.conv`: what was read of it must be read again
    require("conv.config").set(nil)
  end
  return table.concat(
    vim.tbl_map(function(word)
      return word:find("^[%w_@%%+=:,./-]+$") and word or vim.fn.shellescape(word)
    end, { found and found.path or "convocations", "token", login }),
    " "
  )
end

return M

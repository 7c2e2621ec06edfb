-- What a host gets in place of a token: the gateway's key and its address, where the person or the option
-- `gateway` wants that and the gateway serves the login. Guarantees: the shape of the API stays (the key
-- stands in the headers where the token stood); what is exchanged holds nothing of the login's that is
-- secret; a login that is not served, or an address that is not its API's, is left as it is, and who asked
-- for the gateway is told why, once.

local address = require("conv.integration_address")

local M = {}

---A credential as a host gets it.
---@class conv.Admitted: ConvCredential
---@field upstream? string where it stands for the gateway's: the login's own `base_url`
---@field address? string where the request goes

---@type boolean|"auto"|nil the option, as it was read last; a function's answer cannot be had in a fast event
local option

---@type table<string, true> what was told
local told = {}

---@param to conv.Destination
---@return boolean? wanted nil: that cannot be told now
---@return boolean asked whether the person said so
local function wanted(to)
  local host = to.host
  if not host or host.gateway == "none" or to.gateway == false then
    return false, false
  elseif to.gateway == true then
    return true, true
  elseif not vim.in_fast_event() then
    option = require("conv.config").get().gateway
  end
  if option == nil then
    return nil, false
  end
  return option == true or (option == "auto" and host.gateway == "default"), option == true
end

---The variables that curl reads of a proxy that would be sent what is meant for this machine.
---@return string? name
local function proxy()
  local except = os.getenv("no_proxy") or os.getenv("NO_PROXY") or ""
  for name in except:gmatch("[^,%s]+") do
    if name == "*" or name == "127.0.0.1" or name == "127.0.0.0/8" then
      return nil
    end
  end
  return vim.iter({ "http_proxy", "all_proxy", "ALL_PROXY" }):find(function(name)
    return (os.getenv(name) or "") ~= ""
  end)
end

---Why the gateway cannot stand for a login here.
---@param credential ConvCredential
---@param url? string
---@return string? why, string? hint
local function obstacle(credential, url)
  local login, through = credential.login, proxy()
  if credential.share == "editor" then
    return ("The vendor keeps this login to `%s` to its own programs."):format(login),
      ("Log in with a key by `:ConvLogin %s`: `:h conv-gateway-terms`."):format(login)
  elseif not credential.base_url then
    return ("The address of `%s` is not known here."):format(login),
      "Give it a `base_url` in convocations.toml."
  elseif through then
    return ("`$%s` leads what is meant for this machine to a proxy."):format(through),
      "Add 127.0.0.1 to `$no_proxy`."
  elseif url and not address.moved(url, credential.base_url, "") then
    return ("The gateway for `%s` leads to %s only."):format(login, credential.base_url),
      "Set the address to one under it."
  end
end

---@param text string
---@param old string
---@param new string
---@return string
local function replaced(text, old, new)
  local first, last = text:find(old, 1, true)
  if not (first and last) then
    return text
  end
  return text:sub(1, first - 1) .. new .. text:sub(last + 1)
end

---@param credential ConvCredential
---@param gateway ConvGateway
---@return conv.Admitted
local function exchanged(credential, gateway)
  local headers = {}
  for name, value in pairs(credential.headers) do
    headers[name] = replaced(value, credential.token, gateway.key)
  end
  local result = vim.tbl_extend("force", credential, {
    token = gateway.key,
    kind = "api-key", -- it lasts while the editor does, and is no token to be refreshed
    headers = headers,
    base_url = gateway.url,
    upstream = credential.base_url,
  }) --[[@as conv.Admitted]]
  result.expires_at = nil
  return result
end

---@param credential ConvCredential
---@param why string
---@param hint? string
local function complain(credential, why, hint)
  if told[credential.login .. why] then
    return
  end
  told[credential.login .. why] = true
  local message = why .. " The host gets the token itself."
  require("conv.notify").error(require("conv.errors").new("config_invalid", message, hint))
end

---@return ConvError
local function opening()
  return require("conv.errors").new("starting", "The gateway is being opened.", "Try again in a moment.")
end

---What is open for it already. A module cannot be found in a fast event.
---@param credential ConvCredential
---@return ConvGateway?
local function held_for(credential)
  local gateway = package.loaded["conv.gateway"]
  return gateway and gateway.held(credential.login)
end

---@param credential ConvCredential
---@param asked boolean
---@return ConvGateway? gateway, ConvError? err
local function open(credential, asked)
  local held = held_for(credential)
  if held then
    return held
  elseif not vim.in_fast_event() then
    return require("conv.gateway").open(credential.login, asked)
  end
  vim.schedule(function()
    require("conv.gateway").open(credential.login, asked)
  end)
  return nil, opening()
end

---Stands where the gateway's key comes, in a credential that is none.
local PLACE = "conv-lent"

---In the place of the credential of a login that another machine lends without its tokens: the gateway's key
---comes there. The API's own headers are added at home.
---@param login string
---@return ConvCredential?
function M.stand_in(login)
  local status = package.loaded["conv.status"]
  local lent = status and status.gateway_only(login)
  if not lent then
    return nil
  end
  local builtin = not lent.base_url and require("conv.builtin")[lent.provider]
  return {
    login = login,
    token = PLACE,
    kind = "api-key",
    share = "any",
    source = "agent",
    base_url = lent.base_url or (builtin and builtin.base_url),
    headers = { authorization = "Bearer " .. PLACE },
    revision = 0,
  }
end

---@param login string
---@return ConvError
local function needs_gateway(login)
  local message = ("The machine that lends `%s` hands out no token of it, and here the gateway is not used."):format(
    login
  )
  return require("conv.errors").new("login_denied", message, "See `:h conv-remote-there`.")
end

---A credential as a host is to get it.
---@param credential ConvCredential
---@param to conv.Destination
---@param url? string where the host would send it
---@return conv.Admitted? credential, ConvError? err
function M.exchange(credential, to, url)
  local wants, asked = wanted(to)
  local is_lent = credential.token == PLACE
  if is_lent and to.host and to.host.gateway ~= "none" and to.gateway ~= false then
    wants, asked = true, true
  end
  if wants == nil then
    vim.schedule(function()
      M.exchange(credential, to, url)
    end)
    return nil, opening()
  elseif not wants then
    if is_lent then
      return nil, needs_gateway(credential.login)
    end
    return credential --[[@as conv.Admitted]]
  end
  local held = held_for(credential)
  local is_moved = held and url and address.origin(url) == address.origin(held.url)
  local why, hint = obstacle(credential, not is_moved and url or nil)
  local gateway, err
  if not why then
    gateway, err = open(credential, asked)
    if err and err.code == "starting" then
      return nil, err
    end
    why, hint = err and err.message, err and err.hint
  end
  if gateway then
    return exchanged(credential, gateway)
  elseif is_lent then
    return nil, require("conv.errors").new("login_denied", assert(why), hint)
  elseif asked then
    complain(credential, assert(why), hint)
  end
  return credential --[[@as conv.Admitted]]
end

---What OpenAI's SDKs read, and the programs on top of them (src/provider/share.rs).
local OPENAI = {
  OPENAI_BASE_URL = "{gateway_url}/v1",
  OPENAI_API_BASE = "{gateway_url}/v1",
  OPENAI_API_KEY = "{gateway_key}",
}

---What programs read of a provider's address and key, as `exec --gateway` gives it them.
---@param provider string
---@param gateway ConvGateway
---@return table<string, string>
function M.variables(provider, gateway)
  local builtin = require("conv.builtin")[provider]
  local templates = builtin and builtin.gateway or OPENAI
  return vim.tbl_map(function(template)
    return (template:gsub("{gateway_(%l+)}", { url = gateway.url, key = gateway.key }))
  end, templates)
end

---Where a request goes that a host would send to an address: there, or to the gateway in its place.
---@param credential conv.Admitted
---@param url string
---@param name string the host's name for the address
---@return string? url, ConvError? err
function M.route(credential, url, name)
  local upstream = credential.upstream
  if not upstream or address.origin(url) == address.origin(credential.base_url or "") then
    local err = address.check(credential, url, name)
    return not err and url or nil, err
  end
  local own = vim.tbl_extend("force", credential, { base_url = upstream }) --[[@as ConvCredential]]
  local err = address.check(own, url, name)
  local moved = not err and address.moved(url, upstream, credential.base_url or "")
  if moved then
    return moved
  end
  local message = ("The gateway for `%s` leads to %s only."):format(credential.login, upstream)
  local hint = ("Set `%s` to an address under it, or `gateway = false` beside it."):format(name)
  return nil, err or require("conv.errors").new("config_invalid", message, hint)
end

return M

-- flemma.nvim: `:h conv-flemma`. Its registry of resolvers is made for this: ours answers asynchronously, and
-- says why if it cannot. An answer is good for one request: the next one is asked for anew, from memory.

local integration = require("conv.integration")

local M = {}

---Above flemma's own resolvers, of which the environment has 100: our logins know the environment themselves.
local PRIORITY = 110

---Seconds for which flemma keeps an answer: as little as it can. A logout or another account is seen at once.
local TTL = 1

local HOST = "flemma.nvim"

---Where flemma sends a request of each of its services. They are written into its code, with no option for
---another.
local SERVERS = {
  anthropic = "https://api.anthropic.com",
  moonshot = "https://api.moonshot.ai",
  openai = "https://api.openai.com",
}

---@type conv.HostInfo
M.host = {
  name = HOST,
  module = "flemma",
  marker = "lua/flemma/secrets/registry.lua",
  use = ".register({ SERVICE = LOGIN })",
  fresh = "each request",
  refused = "the same token until it ends",
  shown = "curl's arguments",
  gateway = "none",
}

---A service that somebody added to flemma: its login, and where its requests go.
---@class (exact) conv.flemma.Service
---@field login string
---@field url string

---@class (exact) conv.flemma.Credential
---@field kind string
---@field service string

---@class (exact) conv.flemma.Context
---@field diagnostic? fun(self: conv.flemma.Context, text: string)

---@class (exact) conv.flemma.Result
---@field value string
---@field ttl integer seconds

---@param credential? ConvCredential
---@param err? ConvError
---@param context? conv.flemma.Context
---@return conv.flemma.Result?
local function result(credential, err, context)
  if credential then
    return { value = credential.token, ttl = TTL }
  end
  if context and context.diagnostic then
    context:diagnostic(err and integration.text(err) or "")
  end
end

---The resolver, for those who register it themselves.
---@param services table<string, string|conv.flemma.Service> login by flemma's name of a service
---@return table
function M.resolver(services)
  local logins, to = {}, {} ---@type table<string, string>, table<string, conv.Destination>
  for service, given in pairs(services) do
    local login, url = tostring(given), SERVERS[service] ---@type string, string?
    if type(given) == "table" then
      login, url = given.login, given.url
    end
    logins[service] = login
    to[service] = { url = integration.fixed_url(login, url, "url"), option = "url", plain = HOST }
    integration.wire("flemma", login)
  end
  return {
    name = "convocations",
    priority = PRIORITY,
    ---@param asked conv.flemma.Credential
    ---@return boolean
    supports = function(_, asked)
      return logins[asked.service] ~= nil and (asked.kind == "api_key" or asked.kind == "access_token")
    end,
    ---@param asked conv.flemma.Credential
    ---@param context? conv.flemma.Context
    ---@return conv.flemma.Result?
    resolve = function(_, asked, context)
      local credential, err = integration.credential(logins[asked.service], to[asked.service])
      return result(credential, err, context)
    end,
    ---@param asked conv.flemma.Credential
    ---@param context? conv.flemma.Context
    ---@param callback fun(result?: conv.flemma.Result)
    resolve_async = function(_, asked, context, callback)
      integration.get(logins[asked.service], to[asked.service], function(credential, err)
        callback(result(credential, err, context))
      end)
    end,
  }
end

---After flemma's setup: answers for these services.
---@param services table<string, string|conv.flemma.Service> such as `{ anthropic = "anthropic" }`
function M.register(services)
  integration.module("flemma.secrets").register("convocations", M.resolver(services))
end

return M

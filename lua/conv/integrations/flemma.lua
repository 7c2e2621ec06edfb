-- flemma.nvim: `:h conv-flemma`. Its registry of resolvers is made for this: ours answers asynchronously, says why if it
-- cannot, and is asked again before a token ends.

local host = require("conv.host")

local M = {}

---Above flemma's own resolvers, of which the environment has 100: our logins know the environment themselves.
local PRIORITY = 110

local HOST = "flemma.nvim"

---@type conv.HostInfo
M.host = { name = HOST, module = "flemma", marker = "lua/flemma/secrets/registry.lua" }

---@class (exact) conv.flemma.Credential
---@field kind string
---@field service string

---@class (exact) conv.flemma.Context
---@field diagnostic? fun(self: conv.flemma.Context, text: string)

---@class (exact) conv.flemma.Result
---@field value string
---@field ttl integer seconds

---@param context? conv.flemma.Context
---@param text string
local function explain(context, text)
  if context and context.diagnostic then
    context:diagnostic(text)
  end
end

---@param credential? ConvCredential
---@param err? ConvError
---@param context? conv.flemma.Context
---@return conv.flemma.Result?
local function result(credential, err, context)
  err = err or (credential and host.needs_more(credential, HOST))
  if err or not credential then
    explain(context, err and host.text(err) or "")
    return nil
  end
  local ends = credential.expires_at
  local left = ends and ends - os.time() - require("conv.credentials").margin or host.SHORT
  return { value = credential.token, ttl = math.floor(math.max(1, left)) }
end

---The resolver, for those who register it themselves.
---@param logins table<string, string> login by flemma's name of a service
---@return table
function M.resolver(logins)
  for _, login in pairs(logins) do
    host.wire("flemma", login)
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
      local credential, err = host.credential(logins[asked.service])
      return result(credential, err, context)
    end,
    ---@param asked conv.flemma.Credential
    ---@param context? conv.flemma.Context
    ---@param callback fun(result?: conv.flemma.Result)
    resolve_async = function(_, asked, context, callback)
      require("conv").get(logins[asked.service], {}, function(err, credential)
        callback(result(credential, err, context))
      end)
    end,
  }
end

---After flemma's setup: answers for these services.
---@param logins table<string, string> login by service, such as `{ anthropic = "anthropic" }`
function M.register(logins)
  host.module("flemma.secrets").register("convocations", M.resolver(logins))
end

return M

-- gp.nvim: `:h conv-gp`. It has no hook: a command that it runs once stays for the session, logout or not. So
-- the one function that all of it asks for a secret, when a request is made, is wrapped. It reads the address
-- of a request before that, but after it has made sure of a secret: so that is where the address is put in
-- its place.

local integration = require("conv.integration")

local M = {}

local HOST = "gp.nvim"

---What gp keeps beside the secrets of its providers: whose login it is, and where it goes.
---@type table<string, { provider: string, place?: (fun(): any), url?: string }>
local OTHERS = {
  openai_api_key = {
    provider = "openai",
    place = function()
      return integration.module("gp.whisper").config
    end,
  },
  imager_secret = { provider = "openai", url = "https://api.openai.com" }, -- written into its code
}

---Addresses of the person's that another one was put in the place of.
---@type table<table, { own: string, put: string }>
local moved = setmetatable({}, { __mode = "k" })

---@type conv.HostInfo
M.host = {
  name = HOST,
  module = "gp",
  marker = "lua/gp/vault.lua",
  use = ".follow({ NAME = LOGIN })",
  fresh = "each request",
  refused = "the same token until it ends",
  shown = "curl's arguments, and its log with `log_sensitive`",
  gateway = "default",
  check = function(tell)
    local gp = integration.module("gp")
    local config = gp.config
    if type(config) == "table" and config.log_sensitive then
      tell(
        "gp.nvim writes keys to its log (`log_sensitive`)",
        "Set `log_sensitive = false`, and delete its log."
      )
    end
  end,
}

---The table in which gp keeps the address, as `endpoint`.
---@param name string
---@return table?
local function place_of(name)
  local other = OTHERS[name]
  local place
  if other then
    place = other.place and other.place()
  else
    place = (integration.module("gp.dispatcher").providers or {})[name]
  end
  return type(place) == "table" and place or nil
end

---Where gp sends what it asks for by this name.
---@param name string
---@param gateway? boolean
---@return conv.Destination
local function destination(name, gateway)
  local place = place_of(name)
  local fixed = OTHERS[name] and OTHERS[name].url
  local url = fixed or (place and place.endpoint)
  local was = place and moved[place]
  if was and was.put == url then
    url = was.own
  end
  local host = not fixed and M.host or nil
  return { url = tostring(url), option = "endpoint", plain = HOST, host = host, gateway = gateway }
end

---Puts the address of a credential where gp reads it.
---@param name string
---@param to conv.Destination
---@param credential? conv.Admitted
local function put(name, to, credential)
  local place = place_of(name)
  if place then
    local own = to.url --[[@as string]]
    place.endpoint = credential and credential.address or own
    moved[place] = { own = own, put = place.endpoint }
  end
end

---After gp's setup: from now on the secrets of these providers are asked for at each request. The providers
---need a `secret` in gp's config; any text will do.
---@param logins table<string, string> login by gp's name of a provider
---@param opts? { gateway?: boolean }
function M.follow(logins, opts)
  local vault = integration.module("gp.vault")
  local original, run = vault.get_secret, vault.run_with_secret
  local gateway = (opts or {}).gateway
  local function login_of(name)
    return logins[name] or (OTHERS[name] and logins[OTHERS[name].provider])
  end
  for _, login in pairs(logins) do
    integration.wire("gp", login)
  end
  vault.get_secret = function(name)
    local login = login_of(name)
    if not login then
      return original(name)
    end
    local to = destination(name, gateway)
    local credential = integration.request(login, to)
    put(name, to, credential)
    return credential and credential.token
  end
  vault.run_with_secret = function(name, ...)
    local login = login_of(name)
    if login then
      local to = destination(name, gateway)
      put(name, to, (integration.credential(login, to)))
    end
    return run(name, ...)
  end
end

return M

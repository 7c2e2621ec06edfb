-- codecompanion.nvim: `:h conv-codecompanion`. It resolves an adapter's `env` and headers for each request, and lets a
-- setup handler stop it: so every request is fresh, and one without a login ends in our message.

local host = require("conv.host")

local M = {}

---@type conv.HostInfo
M.host =
  { name = "codecompanion.nvim", module = "codecompanion", marker = "lua/codecompanion/adapters/init.lua" }

---@class (exact) conv.codecompanion.Opts
---@field from? string codecompanion's own adapter to build on; default: `anthropic`, else `openai_compatible`
---@field model? string the model to begin with
---@field [string] any what codecompanion's `extend` takes

---A header with a credential in it, fresh whenever it is asked for and absent where the login has none of that name.
---@param login string
---@param name string as in `host.header`
---@return fun(): string?
local function header(login, name)
  return function()
    local credential = host.peek(login)
    return credential and host.header(credential, name)
  end
end

---Puts the login's headers into an adapter; the token itself stays out of it.
---@param adapter table
---@param login string
---@param credential ConvCredential
local function dress(adapter, login, credential)
  adapter.headers = host.apply(adapter.headers or {}, credential)
  for name, value in pairs(adapter.headers) do
    if type(value) == "string" and value:find(credential.token, 1, true) then
      adapter.headers[name] = header(login, name:lower())
    end
  end
end

---A chat that was opened without a login could not ask for a model: it does so now.
---@param adapter table
local function choose_model(adapter)
  local choice = adapter.schema and adapter.schema.model
  if
    adapter.parameters
    and adapter.parameters.model == nil
    and choice
    and type(choice.default) == "function"
  then
    adapter.parameters.model = choice.default(adapter)
  end
end

---@class (exact) conv.codecompanion.Last
---@field credential? ConvCredential of the last request

---Stops a request that has no login. The adapter's own handler has its say after that.
---@param original? fun(self: table): boolean? false stops the request
---@param login string
---@param last conv.codecompanion.Last
---@return fun(self: table): boolean
local function setup(original, login, last)
  return function(self)
    local credential = host.request(login)
    if not credential then
      return false
    end
    local fixed = type(self.url) == "string" and self.url:find("^https?://")
    local err = fixed and host.elsewhere(credential, self.url, "url") or nil
    if err then
      host.tell(err)
      return false
    end
    if original and original(self) == false then
      return false
    end
    choose_model(self)
    dress(self, login, credential)
    last.credential = credential
    return true
  end
end

---Looks at the status of an answer.
---@param original? fun(self: table, data: any): any
---@param login string
---@param last conv.codecompanion.Last
---@return fun(self: table, data: any): any
local function on_exit(original, login, last)
  return function(self, data)
    if type(data) == "table" and data.status == 401 then
      host.refused(login, last.credential)
    end
    return original and original(self, data)
  end
end

---Asks for models only with a login, and with its headers: without one there are none, instead of a request without a
---key.
---@param inner any
---@param login string
---@param none fun(): any
---@return any
local function models(inner, login, none)
  if type(inner) ~= "function" then
    return inner
  end
  return function(adapter, ...)
    local credential = host.complete(login)
    if not credential then
      return none()
    end
    if adapter then
      dress(adapter, login, credential)
    end
    return inner(adapter, ...)
  end
end

---@param login string
---@param from string
---@return table changes
local function addresses(login, from)
  local function base()
    return host.base_url(login, (host.peek(login))) or host.NOWHERE
  end
  if from == "anthropic" then
    return { url = "${url}/v1/messages", env = { url = base } }
  elseif from == "openai_compatible" then
    return { env = { url = base, chat_url = "/chat/completions", models_endpoint = "/models" } }
  end
  return {}
end

---For `adapters.http.NAME`.
---@param login string
---@param opts? conv.codecompanion.Opts
---@return fun(): table?
function M.adapter(login, opts)
  host.wire("codecompanion", login)
  local changes = vim.deepcopy(opts or {})
  local from, model = changes.from, changes.model
  from = from or (host.provider(login) == "anthropic" and "anthropic" or "openai_compatible")
  changes.from, changes.model = nil, nil
  return function()
    local ours = addresses(login, from)
    ours.env = vim.tbl_extend("force", ours.env or {}, { api_key = M.env(login) })
    ours.schema = model and { model = { default = model } } or nil
    local adapters = host.module("codecompanion.adapters")
    local adapter = adapters.extend(from, vim.tbl_deep_extend("force", ours, changes)) --[[@as table?]]
    if not adapter then
      return nil
    end
    local handlers = adapter.handlers or {}
    adapter.handlers = handlers
    if handlers.lifecycle or handlers.request or handlers.response then
      handlers.lifecycle = handlers.lifecycle or {}
      handlers = handlers.lifecycle
    end
    local last = {} ---@type conv.codecompanion.Last
    handlers.setup = setup(handlers.setup, login, last)
    handlers.on_exit = on_exit(handlers.on_exit, login, last)
    local choice = adapter.schema and adapter.schema.model
    if choice then
      choice.choices = models(choice.choices, login, function()
        return {}
      end)
      choice.default = models(choice.default, login, function() end)
    end
    local credential = host.peek(login)
    if credential then
      dress(adapter, login, credential)
    end
    return adapter
  end
end

---For an adapter's `env`: the token at each request, and at each connection of an agent (ACP). Never nil, which
---codecompanion would send as the text `${api_key}`.
---@param login string
---@return fun(): string
function M.env(login)
  host.wire("codecompanion", login)
  return function()
    local credential = host.complete(login)
    return credential and credential.token or ""
  end
end

return M

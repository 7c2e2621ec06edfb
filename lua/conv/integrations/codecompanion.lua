-- codecompanion.nvim: `:h conv-codecompanion`. It resolves an adapter's `env` and headers for each request,
-- and lets a setup handler stop it: so every request is fresh, and one without a login ends in our message.

local headers = require("conv.integration_headers")
local integration = require("conv.integration")

local M = {}

---@type conv.HostInfo
M.host = {
  name = "codecompanion.nvim",
  module = "codecompanion",
  marker = "lua/codecompanion/adapters/init.lua",
  use = ".adapter(LOGIN)",
  fresh = "each request",
  refused = "refreshed for the next request",
  shown = "a file, left behind after an error; for a list of models curl's arguments",
  gateway = "default",
}

---@class (exact) conv.codecompanion.Opts
---@field from? string codecompanion's own adapter to build on; default: `anthropic`, else `openai_compatible`
---@field model? string the model to begin with
---@field gateway? boolean
---@field [string] any what codecompanion's `extend` takes

---An adapter of ours: whose login it has, and what its last request was sent with.
---@class (exact) conv.codecompanion.Wired
---@field login string
---@field models conv.Destination? where the list of models is asked for; nil: where the requests go
---@field blocks boolean whether that holds the editor up
---@field gateway? boolean
---@field url? any the adapter's own, where another was put in its place
---@field last? conv.Admitted

---@param adapter table
---@param wired? conv.codecompanion.Wired
---@return conv.Destination
local function destination(adapter, wired)
  local function url()
    return (
      tostring(adapter.url):gsub("${(.-)}", function(name)
        local value = name ~= "api_key" and (adapter.env or {})[name] or nil
        if type(value) == "function" then
          value = value(adapter)
        end
        return value and (os.getenv(value) or value)
      end)
    )
  end
  return { url = url, option = "url", host = wired and M.host, gateway = wired and wired.gateway }
end

---A header with a credential in it, fresh whenever it is asked for and absent where the login has none of
---that name.
---@param wired conv.codecompanion.Wired
---@param name string as in `headers.find`
---@return fun(adapter: table): string?
local function header(wired, name)
  return function(adapter)
    local credential = integration.peek(wired.login, destination(adapter, wired))
    return credential and headers.find(credential, name)
  end
end

---Puts the login's headers into an adapter; the token itself stays out of it.
---@param adapter table
---@param wired conv.codecompanion.Wired
---@param credential ConvCredential
local function dress(adapter, wired, credential)
  adapter.headers = headers.apply(adapter.headers or {}, credential)
  for name, value in pairs(adapter.headers) do
    if type(value) == "string" and value:find(credential.token, 1, true) then
      adapter.headers[name] = header(wired, name:lower())
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

---@param adapter table
---@return table handlers of the older shape, or the group in which the newer one has these
local function lifecycle(adapter)
  local handlers = adapter.handlers or {}
  adapter.handlers = handlers
  if handlers.lifecycle or handlers.request or handlers.response then
    handlers.lifecycle = handlers.lifecycle or {}
    return handlers.lifecycle
  end
  return handlers
end

---What the host says of its chats; nil before it is loaded.
---@param bufnr? integer one chat; without it, a list
---@return any
local function chats(bufnr)
  local host = package.loaded.codecompanion
  if type(host) ~= "table" or not host.buf_get_chat then
    return nil
  end
  local ok, found = pcall(host.buf_get_chat, bufnr)
  return ok and found or nil
end

---A chat whose request was stopped waits for its end for ever, with a buffer that cannot be changed: the host
---calls nobody back. So it is stopped as by its own key.
---@param stopped function the handler that stopped it
local function release_chats(stopped)
  vim.schedule(function()
    for _, entry in ipairs(chats() or {}) do
      local chat = entry.chat
      local request = chat.current_request
      local is_ours = chat.adapter.type == "http" and lifecycle(chat.adapter).setup == stopped
      if is_ours and type(request) == "table" and request.job == nil then
        chat:stop()
      end
    end
  end)
end

---Puts the address in its place, where the adapter's own is written into it.
---@param adapter table
---@param wired conv.codecompanion.Wired
---@param credential conv.Admitted
local function reach(adapter, wired, credential)
  local url = destination(adapter).url --[[@as fun(): string]]
  if credential.address and credential.address ~= url() then
    wired.url, adapter.url = adapter.url, credential.address
  end
end

---Calls what asks a vendor's fixed address for a list of models, with another one in its place. Which the
---host does in one function of its own.
---@param credential conv.Admitted
---@param ask fun(): any
---@return any
local function with_models_from(credential, ask)
  local ok, fetch = pcall(integration.module, "codecompanion.adapters.utils.models.fetch")
  if not (ok and type(fetch) == "table" and fetch.get) then
    return nil
  end
  local original = fetch.get
  fetch.get = function(source, ...)
    local url = integration.route(credential, tostring(source.url), "url")
    return url and original(vim.tbl_extend("force", source, { url = url }), ...) or nil
  end
  local done, found = pcall(ask)
  fetch.get = original
  return done and found or not done and error(found, 0) or nil
end

---Stops a request that has no login. The adapter's own handler has its say after that.
---@param original? fun(self: table): boolean? false stops the request
---@param wired conv.codecompanion.Wired
---@return fun(self: table): boolean
local function setup(original, wired)
  local function handler(self)
    self.url = wired.url or self.url
    local credential = integration.request(wired.login, destination(self, wired))
    if not credential then
      release_chats(handler)
      return false
    end
    if original and original(self) == false then
      return false
    end
    choose_model(self)
    dress(self, wired, credential)
    reach(self, wired, credential)
    wired.last = credential
    return true
  end
  return handler
end

---Looks at the status of an answer.
---@param original? fun(self: table, data: any): any
---@param wired conv.codecompanion.Wired
---@return fun(self: table, data: any): any
local function on_exit(original, wired)
  return function(self, data)
    if type(data) == "table" and data.status == 401 then
      integration.refused(wired.login, wired.last)
    end
    return original and original(self, data)
  end
end

---Asks for models only with a login, with its headers, and of its own server: else there are none. Where that
---holds the editor up, not for a question that can do without an answer.
---@param inner any
---@param wired conv.codecompanion.Wired
---@param none fun(): any
---@return any
local function models(inner, wired, none)
  if type(inner) ~= "function" then
    return inner
  end
  return function(adapter, opts, ...)
    if wired.blocks and opts and opts.async then
      return none()
    end
    local to = wired.models or (adapter and destination(adapter, wired)) or integration.own(M.host, wired)
    local credential, err = integration.peek(wired.login, to)
    if not credential then
      -- Another server than the login's has no list for it, and that is no fault of the person's.
      integration.complain(wired.login, err and err.code ~= "config_invalid" and err or nil)
      return none()
    end
    if adapter then
      dress(adapter, wired, credential)
    end
    if wired.models and credential.upstream then
      local more = { n = select("#", ...), ... }
      return with_models_from(credential, function()
        return inner(adapter, opts, unpack(more, 1, more.n))
      end) or none()
    end
    return inner(adapter, opts, ...)
  end
end

---@param wired conv.codecompanion.Wired
---@param adapter table
local function guard_models(wired, adapter)
  local choice = adapter.schema and adapter.schema.model
  if choice then
    choice.choices = models(choice.choices, wired, function()
      return {}
    end)
    choice.default = models(choice.default, wired, function() end)
  end
end

---@param wired conv.codecompanion.Wired
---@param from string
---@return table changes
local function addresses(wired, from)
  local login = wired.login
  local function base()
    return integration.base_url(login, (integration.peek(login, integration.own(M.host, wired))))
      or integration.NOWHERE
  end
  if from == "anthropic" then
    return { url = "${url}/v1/messages", env = { url = base } }
  elseif from == "openai_compatible" then
    return { env = { url = base, chat_url = "/chat/completions", models_endpoint = "/models" } }
  end
  return {}
end

---The account to use: that of the buffer from which the chat was opened, which it then keeps.
---@param login string
---@return string
local function account(login)
  local buffer = vim.api.nvim_get_current_buf()
  local chat = chats(buffer)
  local code = type(chat) == "table" and (chat.buffer_context or {}).bufnr
  return integration.account(login, code or buffer)
end

---@param login string
---@param from string
---@param gateway? boolean
---@return conv.codecompanion.Wired
local function wire(login, from, gateway)
  ---@type conv.codecompanion.Wired
  local wired = { login = account(login), blocks = from == "openai_compatible", gateway = gateway }
  if from ~= "openai_compatible" then
    wired.models = destination(integration.module("codecompanion.adapters").extend(from) or {}, wired)
  end
  return wired
end

---The token, never nil: codecompanion would send that as the text `${api_key}`.
---@param login string
---@param wired? conv.codecompanion.Wired
---@return fun(adapter?: table): string
local function token_of(login, wired)
  return function(adapter)
    local is_request = type(adapter) == "table" and adapter.url ~= nil
    local to = is_request and destination(adapter, wired) or integration.OWN
    local credential = integration.complete(login, to)
    return credential and credential.token or ""
  end
end

---For `adapters.http.NAME`.
---@param login string
---@param opts? conv.codecompanion.Opts
---@return fun(): table?
function M.adapter(login, opts)
  integration.wire("codecompanion", login)
  local changes = vim.deepcopy(opts or {})
  local from, model, gateway = changes.from, changes.model, changes.gateway ---@type any, any, any
  from = from or (integration.provider(login) == "anthropic" and "anthropic" or "openai_compatible")
  changes.from, changes.model, changes.gateway = nil, nil, nil
  return function()
    local wired = wire(login, from, gateway)
    local ours = addresses(wired, from)
    ours.formatted_name = integration.title(wired.login)
    ours.env = vim.tbl_extend("force", ours.env or {}, { api_key = token_of(wired.login, wired) })
    ours.schema = model and { model = { default = model } } or nil
    local extend = integration.module("codecompanion.adapters").extend
    local adapter = extend(from, vim.tbl_deep_extend("force", ours, changes)) --[[@as table?]]
    if not adapter then
      return nil
    end
    local handlers = lifecycle(adapter)
    handlers.setup = setup(handlers.setup, wired)
    handlers.on_exit = on_exit(handlers.on_exit, wired)
    guard_models(wired, adapter)
    return adapter
  end
end

---For an adapter's `env`: the token at each request, and at each connection of an agent (ACP).
---@param login string
---@return fun(adapter?: table): string
function M.env(login)
  integration.wire("codecompanion", login)
  return token_of(login)
end

---For the `env` of an agent (ACP): what points it at the gateway, at each connection.
---@param login string
---@return table<string, fun(): string>
function M.agent_env(login)
  integration.wire("codecompanion", login)
  local env = {} ---@type table<string, fun(): string>
  for _, name in ipairs(integration.agent_variables(login)) do
    env[name] = function()
      return integration.agent_env(login)[name] or ""
    end
  end
  return env
end

return M

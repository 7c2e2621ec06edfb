-- CopilotChat.nvim: `:h conv-copilotchat`. It keeps headers until the time that comes with them, and an empty
-- list of models for five minutes after a failure. So nothing fails before the request itself, which brings
-- fresh headers.

local headers = require("conv.integration_headers")
local integration = require("conv.integration")

local M = {}

---@type conv.HostInfo
M.host = {
  name = "CopilotChat.nvim",
  module = "CopilotChat",
  marker = "lua/CopilotChat/client.lua",
  use = ".provider(LOGIN, { models = … })",
  fresh = "each request",
  refused = "the same token until it ends",
  shown = "curl's arguments",
  gateway = "default",
}

---@class (exact) conv.copilotchat.Opts
---@field gateway? boolean
---@field models? (string|table)[] ids, or what CopilotChat's `get_models` returns
---@field get_models? fun(headers: table<string, string>): table[]
---@field prepare_input? fun(inputs: table[], options: table): table, table<string, string>?
---@field prepare_output? fun(output: table, options: table): table
---@field [string] any what a provider of CopilotChat takes beside

---The account to use: that of the buffer that the chat is about.
---@param login string
---@return string
local function account(login)
  local host = package.loaded.CopilotChat
  local chat = type(host) == "table" and host.chat
  local ok, source = pcall(function()
    return not vim.in_fast_event() and chat and chat:get_source()
  end)
  return integration.account(login, ok and type(source) == "table" and source.bufnr)
end

---A credential, for which a coroutine of CopilotChat waits without holding up the editor.
---@param asked string
---@param to conv.Destination
---@return ConvCredential? credential, ConvError? err
local function wait(asked, to)
  local login = account(asked)
  local credential, err = integration.peek(login, to)
  if credential or (err and err.code ~= "starting") then
    return credential, err
  end
  local ok, async = pcall(integration.module, "plenary.async")
  if not (ok and coroutine.running()) then
    return integration.credential(login, to)
  end
  return async.wrap(function(done)
    vim.schedule(function()
      integration.get(login, to, done)
    end)
  end, 1)()
end

---Seconds for which CopilotChat may keep headers of a credential that does not expire, so that a logout is
---seen.
local SHORT = 60

---Seconds of Unix time at which CopilotChat has to ask again.
---@param credential ConvCredential
---@return integer
local function expiry(credential)
  local now, ends = os.time(), credential.expires_at
  if not ends then
    return now + SHORT
  end
  return math.floor(math.max(now, ends - require("conv.credentials").margin))
end

---@param credential ConvCredential
---@return table<string, string>
local function headers_of(credential)
  return headers.apply({ ["Content-Type"] = "application/json" }, credential)
end

---The message of a failed request, as CopilotChat shows it: raised, without a place in a file.
---@param err? ConvError
local function refuse(err)
  error(err and integration.text(err) or "", 0)
end

---For a provider that you write yourself: its `get_headers`. Raises the message if nobody is logged in.
---@param login string
---@param url string where its requests go
---@return fun(): table<string, string>, integer
function M.headers(login, url)
  integration.wire("copilotchat", login)
  return function()
    local credential, err = wait(login, { url = tostring(url), option = "get_url" })
    if not credential then
      refuse(err)
    end
    return headers_of(credential --[[@as ConvCredential]]), expiry(credential --[[@as ConvCredential]])
  end
end

---@param models (string|table)[]
---@return table[]
local function listed(models)
  return vim.tbl_map(function(model)
    local defaults = { streaming = true, tools = true, tokenizer = "o200k_base" }
    local given = type(model) == "table" and model or { id = model, name = model }
    return vim.tbl_extend("keep", given, defaults)
  end, models)
end

---CopilotChat's own shape of requests and answers, which is OpenAI's.
---@param name "prepare_input"|"prepare_output"
---@param ... any
---@return any, any
local function shaped(name, ...)
  return integration.module("CopilotChat.config.providers").copilot[name](...)
end

---@param inputs table[]
---@param options table
---@return table request, table<string, string>? headers
local function shaped_input(inputs, options)
  return shaped("prepare_input", inputs, options)
end

---For `providers.NAME`.
---@param login string
---@param opts? conv.copilotchat.Opts
---@return table
function M.provider(login, opts)
  integration.wire("copilotchat", login)
  local given = vim.tbl_extend("force", {}, opts or {})
  local models, prepare_input = given.models, given.prepare_input ---@type any, any
  local get_url, gateway = given.get_url, given.gateway ---@type any, any
  given.models, given.prepare_input, given.get_url, given.gateway = nil, nil, nil, nil
  if not models and not given.get_models then
    local hint = 'Give `models`, such as `{ models = { "gpt-5" } }`: see `:h conv-copilotchat`.'
    integration.tell(
      require("conv.errors").new("config_invalid", "CopilotChat has to know the models.", hint)
    )
  end
  ---@param options table of a request
  ---@return conv.Destination
  local function destination(options)
    local url = get_url and get_url(options) or nil
    return { url = url, option = "get_url", host = M.host, gateway = gateway }
  end
  return vim.tbl_extend("force", {
    -- The request brings headers of its own, below. Here a credential is for `get_models`, if the person
    -- wrote one.
    get_headers = function()
      local credential = given.get_models and wait(login, integration.OWN) or nil
      if credential then
        return headers_of(credential), expiry(credential)
      end
      return {}, os.time()
    end,
    get_models = function()
      return listed(models or {})
    end,
    get_url = function(options)
      local credential = integration.peek(account(login), destination(options))
      local url = get_url and (credential and credential.address or get_url(options))
      return url or integration.chat_url(login, credential) or integration.NOWHERE
    end,
    prepare_input = function(inputs, options)
      local credential, err = wait(login, destination(options))
      if not credential then
        refuse(err)
      end
      local prepare = prepare_input or shaped_input
      local request, more = prepare(inputs, options)
      return request, vim.tbl_extend("force", more or {}, headers_of(credential --[[@as ConvCredential]]))
    end,
    prepare_output = function(output, options)
      return shaped("prepare_output", output, options)
    end,
  }, given)
end

return M

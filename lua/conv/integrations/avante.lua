-- avante.nvim: `:h conv-avante`. It calls `parse_api_key` for each request, keeps the address from setup, and
-- asks for a key by itself unless `api_key_name` begins with `cmd:` (the command is never run). What it knows
-- of a provider it knows by that address: so it stays, and the gateway's is put into what is made of it.

local headers_of = require("conv.integration_headers")
local integration = require("conv.integration")

local M = {}

---@type table<function, true> what was given to avante as `parse_api_key`
local ours = setmetatable({}, { __mode = "k" })

---@type conv.HostInfo
M.host = {
  name = "avante.nvim",
  module = "avante",
  marker = "lua/avante/providers/init.lua",
  use = ".provider(LOGIN)",
  fresh = "each request",
  refused = "refreshed for the next request",
  shown = "curl's arguments",
  gateway = "default",
  check = function(tell)
    for name, provider in pairs(integration.module("avante.config").providers or {}) do
      local wired = type(provider) == "table" and ours[provider.parse_api_key or false]
      if wired and not M.login_of(provider) then
        local problem = ("avante.nvim asks for a key of its own for the provider `%s`"):format(name)
        tell(problem, "Leave `api_key_name` out: the integration sets it.")
      end
    end
  end,
}

---@class (exact) conv.avante.Opts
---@field model? string
---@field endpoint? string where the API is, if not where the built-in provider is
---@field gateway? boolean
---@field extra_headers? table<string, string>|fun(headers: table<string, string>): table<string, string>?
---@field [string] any what avante takes beside

---@param headers table<string, string>
---@param more? table<string, string>|fun(headers: table<string, string>): table<string, string>?
---@return table<string, string>
local function extended(headers, more)
  if type(more) == "function" then
    return more(headers) or headers
  end
  for name, value in pairs(more or {}) do
    headers[name] = value
  end
  return headers
end

---@param provider table a provider of avante's config
---@return string? login that wires it
function M.login_of(provider)
  local name = provider.api_key_name
  return type(name) == "string" and name:match("^cmd:convocations token (%S+)$") or nil
end

---Avante says that it would like a login: when its window opens for the first time, and in insert mode. So
---this only says what to type, without a prompt and without holding anybody up.
local function answer_login_request()
  vim.api.nvim_create_autocmd("User", {
    group = vim.api.nvim_create_augroup("conv.avante", { clear = true }),
    pattern = "AvanteRequestLogin",
    callback = function()
      local ok, config = pcall(require, "avante.config")
      local current = ok and config.providers and config.providers[config.provider]
      local login = type(current) == "table" and M.login_of(current)
      if login then
        require("conv").get(login, {}, function(err)
          if err then
            integration.tell(err)
          end
        end)
      end
    end,
  })
end

---What avante does with an answer that is an error: what the provider below does, else what it does without
---one.
---@param base string
---@param result table
local function inherited_error(base, result)
  local ok, provider = pcall(integration.module, "avante.providers." .. base)
  if ok and provider.on_error then
    return provider.on_error(result)
  end
  vim.schedule(function()
    local text = ("API request failed with status %s"):format(result.status)
    vim.notify(text, vim.log.levels.ERROR, { title = "Avante" })
  end)
end

---Whether avante asks while a person types, for a suggestion: in insert mode, and not in a window of its own,
---from where a message can be sent in that mode.
---@return boolean
local function is_suggestion()
  return not vim.in_fast_event()
    and vim.api.nvim_get_mode().mode:find("^[iR]") ~= nil
    and not vim.startswith(vim.bo.filetype, "Avante")
end

---The account to use: in a window of avante's own, that of the buffer that it is about.
---@param login string
---@return string
local function account(login)
  local avante = package.loaded.avante
  if vim.in_fast_event() or not vim.startswith(vim.bo.filetype, "Avante") or type(avante) ~= "table" then
    return login
  end
  local ok, sidebar = pcall(avante.get, false)
  return integration.account(login, ok and type(sidebar) == "table" and (sidebar.code or {}).bufnr)
end

---A function of the provider below.
---@param base string
---@param name string
---@return function
local function inherited(base, name)
  local ok, provider = pcall(integration.module, "avante.providers." .. base)
  provider = ok and provider or integration.module("avante.providers")[base]
  return provider[name]
end

---For an `env` of `acp_providers.NAME`: what points an agent at the gateway.
---@param login string
---@return table<string, string>
function M.agent_env(login)
  integration.wire("avante", login)
  return integration.agent_env(login)
end

---For `providers.NAME`.
---@param login string
---@param opts? conv.avante.Opts
---@return table
function M.provider(login, opts)
  integration.wire("avante", login)
  local given = vim.deepcopy(opts or {})
  local endpoint = integration.fixed_url(login, given.endpoint or integration.base_url(login), "endpoint")
  local to = { url = endpoint, option = "endpoint", host = M.host, gateway = given.gateway } ---@type conv.Destination
  local more, parse_curl_args = given.extra_headers, given.parse_curl_args ---@type any, any
  given.endpoint, given.extra_headers, given.parse_curl_args, given.gateway = nil, nil, nil, nil
  answer_login_request()
  local base = given.__inherited_from or (integration.provider(login) == "anthropic" and "claude" or "openai")
  local last ---@type conv.Admitted? of the last request
  local function parse_api_key()
    local ask = is_suggestion() and integration.complete or integration.request
    last = ask(account(login), to)
    return last and last.token
  end
  ours[parse_api_key] = true

  ---@param self table
  ---@param ... any
  ---@return table? arguments, any problem
  local function routed_curl_args(self, ...)
    last = nil
    local made, problem = (parse_curl_args or inherited(base, "parse_curl_args"))(self, ...)
    if not (made and last) then
      return made, problem
    end
    local url, err = integration.route(last, made.url, "endpoint")
    if err then
      integration.tell(err)
    end
    made.url = url
    return url and made or nil, problem
  end

  ---The list of models, from where the requests go.
  ---@param self table
  ---@return any
  local function list_models(self)
    local credential = integration.peek(account(login), to)
    local own = self.endpoint
    self.endpoint = credential and credential.address or own
    local ok, models = pcall(inherited(base, "list_models"), self)
    self.endpoint = own
    return ok and models or {}
  end

  return vim.tbl_extend("force", {
    list_models = base == "openai" and list_models or nil,
    parse_curl_args = routed_curl_args,
    __inherited_from = base,
    endpoint = endpoint,
    api_key_name = "cmd:convocations token " .. tostring(login),
    parse_api_key = parse_api_key,
    extra_headers = function(headers)
      local credential = integration.peek(account(login), to)
      if credential then
        headers_of.apply(headers, credential)
      end
      return extended(headers, more)
    end,
    on_error = function(result)
      if result.status == 401 then
        integration.refused(last and last.login or login, last)
      end
      inherited_error(base, result)
    end,
  }, given)
end

return M

-- avante.nvim: `:h conv-avante`. It calls `parse_api_key` for each request, keeps the address from setup, and asks for a
-- key by itself unless `api_key_name` begins with `cmd:` (the command is never run).

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

---Avante says that it would like a login: when its window opens for the first time, and in insert mode. So this only
---says what to type, without a prompt and without holding anybody up.
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

---What avante does with an answer that is an error: what the provider below does, else what it does without one.
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

---Whether avante asks while a person types, for a suggestion: in insert mode, and not in a window of its own, from where
---a message can be sent in that mode.
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

---For `providers.NAME`.
---@param login string
---@param opts? conv.avante.Opts
---@return table
function M.provider(login, opts)
  integration.wire("avante", login)
  local given = vim.deepcopy(opts or {})
  local endpoint = integration.fixed_url(login, given.endpoint or integration.base_url(login), "endpoint")
  local to = { url = endpoint, option = "endpoint" } ---@type conv.Destination
  local more = given.extra_headers
  given.endpoint, given.extra_headers = nil, nil
  answer_login_request()
  local base = given.__inherited_from or (integration.provider(login) == "anthropic" and "claude" or "openai")
  local last ---@type ConvCredential? of the last request
  local function parse_api_key()
    local ask = is_suggestion() and integration.complete or integration.request
    last = ask(account(login), to)
    return last and last.token
  end
  ours[parse_api_key] = true
  return vim.tbl_extend("force", {
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

-- parrot.nvim: `:h conv-parrot`. It keeps the first answer of an `api_key` function, but asks for headers,
-- and then for the address, at each query. A query that it gives up before it calls curl leaves its spinner
-- turning: so one without a login goes to an address that answers nothing at once.

local headers = require("conv.integration_headers")
local integration = require("conv.integration")

local M = {}

---What stands where a key has to be: parrot refuses to begin without one.
local MANAGED = "managed by Convocations"

---@type conv.HostInfo
M.host = {
  name = "parrot.nvim",
  module = "parrot",
  marker = "lua/parrot/provider/multi_provider.lua",
  use = ".provider(LOGIN, { models = … })",
  fresh = "each query",
  refused = "the same token until it ends",
  shown = "curl's arguments, and the screen when curl fails",
  gateway = "default",
}

---@alias conv.parrot.Address string|string[]|fun(self: table): string|string[]

---@class (exact) conv.parrot.Opts
---@field models? string[]
---@field name? string
---@field endpoint? conv.parrot.Address
---@field model_endpoint? conv.parrot.Address
---@field gateway? boolean
---@field headers? table<string, string>|fun(self: table): table<string, string> beside those of the login
---@field [string] any what a provider of parrot takes beside

---What Anthropic's API wants of a payload: the system's message beside the others, and a limit.
---@param payload table
---@return table
local function for_anthropic(payload)
  local first = payload.messages[1]
  if first and first.role == "system" then
    payload.system = first.content
    table.remove(payload.messages, 1)
  end
  payload.max_tokens = payload.max_tokens or 4096
  return payload
end

---@param login string
---@param models string[]
---@return table
local function dialect(login, models)
  if integration.provider(login) ~= "anthropic" then
    return {}
  end
  return {
    params = { chat = { max_tokens = 4096 }, command = { max_tokens = 4096 } },
    topic = { model = models[1], params = { max_tokens = 64 } },
    preprocess_payload = for_anthropic,
  }
end

---An address of the person's, as parrot would read it.
---@param address conv.parrot.Address
---@param provider table
---@return string[]
local function arguments(address, provider)
  local found = type(address) == "function" and address(provider) or address --[[@as string|string[] ]]
  return type(found) == "table" and vim.list_slice(found) or { tostring(found) }
end

---For `providers.NAME`.
---@param login string
---@param opts? conv.parrot.Opts
---@return table
function M.provider(login, opts)
  integration.wire("parrot", login)
  local given = vim.tbl_extend("force", {}, opts or {})
  local endpoint, model_endpoint, more = given.endpoint, given.model_endpoint, given.headers
  local to = integration.own(M.host, given)
  given.endpoint, given.model_endpoint, given.gateway = nil, nil, nil
  local current ---@type conv.Admitted? of the query that asks for headers now

  ---The credential of a query, as all the addresses can take it: the headers are asked for before it is known
  ---which.
  ---@param provider table
  ---@return conv.Admitted?
  local function ask(provider)
    local credential = integration.request(login, to)
    for _, address in pairs({ endpoint = endpoint, model_endpoint = model_endpoint }) do
      local url = arguments(address, provider)[1]
      local there = { url = url, host = to.host, gateway = to.gateway } ---@type conv.Destination
      local found = url and credential and integration.peek(login, there)
      if found and not found.upstream then
        credential = found
      end
    end
    return credential
  end

  ---Where to send it: to the credential's own server, else nowhere.
  ---@param address string
  ---@param option string
  ---@return string
  local function admitted(address, option)
    if not current then
      return integration.NOTHING
    end
    local url, err = integration.route(current, address, option)
    if err then
      integration.tell(err)
    end
    return url or integration.NOTHING
  end

  local made = vim.tbl_extend("force", {
    name = integration.provider(login),
    api_key = MANAGED,
  }, dialect(login, given.models or {}), given)

  function made.headers(provider)
    local own = type(more) == "function" and more(provider) or more or {}
    local result = vim.tbl_extend("force", { ["Content-Type"] = "application/json" }, own)
    current = ask(provider)
    return current and headers.apply(result, current) or result
  end

  function made.endpoint(provider)
    local url = endpoint and arguments(endpoint, provider)[1] or integration.chat_url(login, current)
    return admitted(url or integration.NOTHING, "endpoint")
  end

  if model_endpoint then
    function made.model_endpoint(provider)
      local args = arguments(model_endpoint, provider)
      args[1] = admitted(args[1] or "", "model_endpoint")
      return args
    end
  end
  return made
end

return M

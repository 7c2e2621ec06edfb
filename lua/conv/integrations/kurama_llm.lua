-- llm.nvim of Kurama622: `:h conv-kurama_llm`. It fills a table with the parameters of a request, calls
-- `fetch_key`, within a coroutine when it streams, and reads the address from that table after it. So a
-- request without a login is given another address there, which answers nothing at once.

local integration = require("conv.integration")

local M = {}

---What this host takes for "no key": it sends none.
local NONE = "NONE"

---The host's modules that send, each with such a table.
local SENDERS = { "llm.common.io.streaming", "llm.common.io.parse" }

local HOST = "llm.nvim (Kurama622)"

---@type conv.HostInfo
M.host = {
  name = HOST,
  module = "llm.common.io.streaming",
  marker = "lua/llm/common/io/streaming.lua",
  use = ".model(LOGIN)",
  fresh = "each request",
  refused = "the same token until it ends",
  shown = "curl's arguments",
  gateway = "default",
}

---@class (exact) conv.kurama_llm.Opts
---@field model? string
---@field url? string
---@field gateway? boolean
---@field [string] any what this host's config takes beside

---The parameters of the requests that have this key: of the one that is being made, and of older ones.
---@param fetch_key fun(): string
---@return table[]
local function requests_of(fetch_key)
  local found = {} ---@type table[]
  for _, name in ipairs(SENDERS) do
    local sender = package.loaded[name]
    local params = type(sender) == "table" and sender.required_params
    if type(params) == "table" and params.fetch_key == fetch_key then
      table.insert(found, params)
    end
  end
  return found
end

---Sends these requests where the key is good, or says why it may not be sent with them.
---@param credential conv.Admitted
---@param requests table[]
---@return ConvError? err
local function route(credential, requests)
  for _, params in ipairs(requests) do
    local url, err = integration.route(credential, tostring(params.url), "url")
    if err then
      return err
    end
    params.url = url
  end
end

---@param login string
---@param url string where the key goes, as far as we know
---@param gateway? boolean
---@return fun(): string
local function fetch_key(login, url, gateway)
  local to = { url = url, option = "url", plain = HOST, host = M.host, gateway = gateway } ---@type conv.Destination
  local function fetch()
    local requests = requests_of(fetch)
    local credential, err = integration.credential(login, to)
    err = err or (credential and route(credential, requests))
    if credential and not err then
      return credential.token
    end
    for _, params in ipairs(requests) do
      params.url = integration.NOTHING
    end
    integration.tell(err --[[@as ConvError]])
    return NONE
  end
  return fetch
end

---For the config, an item of its `models`, or the `opts` of a tool: address, shape and key.
---@param login string
---@param opts? conv.kurama_llm.Opts
---@return table
function M.model(login, opts)
  integration.wire("kurama_llm", login)
  local given = vim.tbl_extend("force", {}, opts or {})
  local gateway = given.gateway
  given.gateway = nil
  local url = integration.fixed_url(login, given.url or integration.chat_url(login), "url")
  return vim.tbl_extend("force", {
    name = tostring(login),
    url = url,
    api_type = "openai",
    fetch_key = fetch_key(login, url, gateway),
  }, given)
end

return M

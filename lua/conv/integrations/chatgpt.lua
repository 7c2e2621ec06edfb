-- ChatGPT.nvim: `:h conv-chatgpt`. It has no hook: a command that it runs at setup stays for the session,
-- logout or not. But it reads an address and then a header of its module `chatgpt.api` for each request: so
-- `follow` answers these two. Where there is no login the address is a file of ours with an error in it,
-- since the host fails on an empty answer.

local integration = require("conv.integration")

local M = {}

local HOST = "ChatGPT.nvim"

local HEADER = "AUTHORIZATION_HEADER"

---Fields of `chatgpt.api` that hold an address.
local ADDRESSES = { CHAT_COMPLETIONS_URL = true, COMPLETIONS_URL = true }

---What stands where the host looks for a key at its setup, and warns if there is none.
local MANAGED = "managed by Convocations"

---@type conv.HostInfo
M.host = {
  name = HOST,
  module = "chatgpt",
  marker = "lua/chatgpt/api.lua",
  use = ".follow(LOGIN)",
  fresh = "each request",
  refused = "the same token until it ends",
  shown = "curl's arguments",
  gateway = "default",
}

---What answers when the host reads a field that it does not find in its module.
---@param login string
---@param kept table<string, string> addresses as the host's setup found them
---@param gateway? boolean
---@return fun(module: table, field: string): any
local function answer(login, kept, gateway)
  local token ---@type string? of the request whose address was read last
  return function(_, field)
    if field == HEADER then
      local value = "Authorization: Bearer " .. (token or "")
      token = nil
      return value
    elseif not (ADDRESSES[field] and kept[field]) then
      return nil
    end
    local credential = integration.request(
      login,
      { url = kept[field], option = "api_host_cmd", plain = HOST, host = M.host, gateway = gateway }
    )
    token = credential and credential.token
    return credential and credential.address or integration.REFUSAL
  end
end

---Before ChatGPT's setup, or after it: address and header are asked for at each request.
---@param login? string default: `openai`
---@param opts? { gateway?: boolean }
function M.follow(login, opts)
  local name = login or "openai"
  integration.wire("chatgpt", name)
  local api = integration.module("chatgpt.api")
  local kept = {} ---@type table<string, string>
  for field in pairs(ADDRESSES) do
    kept[field] = rawget(api, field)
    rawset(api, field, nil)
  end
  rawset(api, HEADER, nil)
  rawset(api, "OPENAI_API_KEY", MANAGED)
  setmetatable(api, {
    __index = answer(name, kept, (opts or {}).gateway),
    __newindex = function(module, field, value)
      if ADDRESSES[field] then
        kept[field] = value
      elseif field ~= HEADER then -- the header that the host's setup finds later stays out
        rawset(module, field, value)
      end
    end,
  })
end

return M

-- llm.nvim of Kurama622: `:h conv-kurama_llm`. It calls `fetch_key` for each request, within a coroutine when it streams,
-- and puts the answer behind "Bearer" whatever it is: so it is always a text.

local host = require("conv.host")

local M = {}

---What this host takes for "no key": it sends none, or one that is refused.
local NONE = "NONE"

---@type conv.HostInfo
M.host = { name = "llm.nvim (Kurama622)", module = "llm", marker = "lua/llm/common/api.lua" }

---@class (exact) conv.kurama_llm.Opts
---@field model? string
---@field url? string
---@field [string] any what this host's config takes beside

---@param login string
---@param url? string where the key goes
---@return string
local function key(login, url)
  local credential = host.request(login)
  if not credential then
    return NONE
  end
  local err = host.needs_more(credential, M.host.name) or (url and host.elsewhere(credential, url, "url"))
  if err then
    host.tell(err)
    return NONE
  end
  return credential.token
end

---For `fetch_key`, of the whole config or of one of its `models`.
---@param login string
---@return fun(): string
function M.fetch_key(login)
  host.wire("kurama_llm", login)
  return function()
    return key(login)
  end
end

---For the config, or an item of its `models`: address, shape and key.
---@param login string
---@param opts? conv.kurama_llm.Opts
---@return table
function M.model(login, opts)
  host.wire("kurama_llm", login)
  local url = host.fixed_url(login, opts and opts.url or host.chat_url(login), "url")
  return vim.tbl_extend("force", {
    name = tostring(login),
    url = url,
    api_type = "openai",
    fetch_key = function()
      return key(login, url)
    end,
  }, opts or {})
end

return M

-- parrot.nvim: `:h conv-parrot`. It keeps the first answer of an `api_key` function, but asks `resolve_api_key`, the
-- headers and the address at each query.

local host = require("conv.host")

local M = {}

---What stands where a key has to be: parrot refuses to begin without one.
local MANAGED = "managed by Convocations"

---@type conv.HostInfo
M.host = { name = "parrot.nvim", module = "parrot", marker = "lua/parrot/provider/multi_provider.lua" }

---@class (exact) conv.parrot.Opts
---@field models? string[]
---@field name? string
---@field endpoint? string|fun(): string
---@field [string] any what a provider of parrot takes beside

---For `providers.NAME`.
---@param login string
---@param opts? conv.parrot.Opts
---@return table
function M.provider(login, opts)
  host.wire("parrot", login)
  local endpoint = opts and opts.endpoint
  return vim.tbl_extend("force", {
    name = host.provider(login),
    api_key = MANAGED,
    ---False stops the query.
    resolve_api_key = function()
      return host.request(login) and MANAGED or false
    end,
    headers = function()
      local headers = { ["Content-Type"] = "application/json" }
      local credential = host.request(login)
      local err = credential
        and type(endpoint) == "string"
        and host.elsewhere(credential, endpoint, "endpoint")
      if err then
        host.tell(err)
      elseif credential then
        host.apply(headers, credential)
      end
      return headers
    end,
    endpoint = function()
      return host.chat_url(login, (host.peek(login))) or host.NOWHERE
    end,
  }, opts or {})
end

return M

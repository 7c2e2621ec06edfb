-- parrot.nvim: `:h conv-parrot`. It keeps the first answer of an `api_key` function, but asks for headers and address at
-- each query. A query that it gives up before it calls curl leaves its spinner turning: so one without a login goes to
-- an address that answers nothing at once.

local host = require("conv.host")

local M = {}

---What stands where a key has to be: parrot refuses to begin without one.
local MANAGED = "managed by Convocations"

local NOTHING = vim.fn.has("win32") == 0 and "file:///dev/null" or host.NOWHERE

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
      local credential = host.peek(login)
      return credential and host.chat_url(login, credential) or NOTHING
    end,
  }, opts or {})
end

return M

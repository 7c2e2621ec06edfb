-- minuet-ai.nvim: `:h conv-minuet`. It asks for a key before each completion and again after that, raises an
-- error if there is none the second time, and says so at each pause if there is none the first time. So it
-- always gets one, and a completion without a login goes to an address that answers nothing at once.

local headers = require("conv.integration_headers")
local integration = require("conv.integration")

local M = {}

---What stands for a key until the request is made, and for good where there is none. It is never sent.
local MANAGED = "managed-by-convocations"

---@type conv.HostInfo
M.host = {
  name = "minuet-ai.nvim",
  module = "minuet",
  marker = "lua/minuet/backends/common.lua",
  use = ".options(LOGIN)",
  fresh = "each completion",
  refused = "the same token until it ends",
  shown = "curl's arguments",
  gateway = "default",
}

---@class (exact) conv.minuet.Opts
---@field model? string
---@field name? string
---@field end_point? string
---@field gateway? boolean
---@field transform? (fun(data: conv.minuet.Data): conv.minuet.Data)[]
---@field [string] any what minuet's `provider_options.NAME` takes beside

---@class (exact) conv.minuet.Data
---@field end_point string
---@field headers table<string, string>
---@field body table

---Puts headers and address of the login into a request, or sends it nowhere.
---@param login string
---@param end_point? string what the person set
---@param gateway? boolean
---@return fun(data: conv.minuet.Data): conv.minuet.Data
local function transform(login, end_point, gateway)
  local to = { url = end_point, option = "end_point", host = M.host, gateway = gateway } ---@type conv.Destination
  return function(data)
    local credential = integration.complete(login, to)
    local url = credential and (credential.address or integration.chat_url(login, credential))
    headers.strip_credentials(data.headers)
    if credential and url then
      headers.apply(data.headers, credential)
    end
    data.end_point = url or integration.NOTHING
    return data
  end
end

---For `provider_options.claude` (Anthropic) and `provider_options.openai_compatible` (most others).
---@param login string
---@param opts? conv.minuet.Opts
---@return table
function M.options(login, opts)
  integration.wire("minuet", login)
  local given = vim.tbl_extend("force", {}, opts or {})
  local transforms = { transform(login, given.end_point, given.gateway) }
  vim.list_extend(transforms, given.transform or {})
  given.transform, given.gateway = nil, nil
  return vim.tbl_extend("force", {
    name = integration.provider(login),
    end_point = integration.chat_url(login) or integration.NOWHERE,
    api_key = function()
      return MANAGED
    end,
    transform = transforms,
  }, given)
end

return M

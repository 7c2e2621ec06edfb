-- minuet-ai.nvim: `:h conv-minuet`. It asks for a key at each test whether it is available and again for each
-- completion, and raises an error if there is none the second time. So an answer holds for a moment.

local host = require("conv.host")

local M = {}

---Seconds between a test that found a key and the request that relies on it.
local MOMENT = 10

---What stands for a key that went away within that moment: the API refuses it, and nothing fails before.
local GONE = "logged-out"

---@type conv.HostInfo
M.host = { name = "minuet-ai.nvim", module = "minuet", marker = "lua/minuet/backends/common.lua" }

---@class (exact) conv.minuet.Opts
---@field model? string
---@field name? string
---@field end_point? string
---@field transform? (fun(data: conv.minuet.Data): conv.minuet.Data)[]
---@field [string] any what minuet's `provider_options.NAME` takes beside

---@class (exact) conv.minuet.Data
---@field end_point string
---@field headers table<string, string>
---@field body table

---For `provider_options.X.api_key`, where you write the rest yourself.
---@param login string
---@return fun(): string?
function M.api_key(login)
  host.wire("minuet", login)
  local last = 0
  return function()
    local credential = host.complete(login)
    if credential then
      last = os.time()
      return credential.token
    end
    return os.time() - last < MOMENT and GONE or nil
  end
end

---Puts headers and address of the login into a request.
---@param login string
---@param end_point? string what the person set
---@return fun(data: conv.minuet.Data): conv.minuet.Data
local function transform(login, end_point)
  return function(data)
    local credential = host.peek(login)
    if not credential then
      return data
    end
    data.end_point = end_point or host.chat_url(login, credential) or data.end_point
    local err = host.elsewhere(credential, data.end_point, "end_point")
    if err then
      host.tell(err)
      host.undress(data.headers)
    else
      host.apply(data.headers, credential)
    end
    return data
  end
end

---For `provider_options.claude` (Anthropic) and `provider_options.openai_compatible` (most others).
---@param login string
---@param opts? conv.minuet.Opts
---@return table
function M.options(login, opts)
  local given = vim.tbl_extend("force", {}, opts or {})
  local transforms = { transform(login, given.end_point) }
  vim.list_extend(transforms, given.transform or {})
  given.transform = nil
  return vim.tbl_extend("force", {
    name = host.provider(login),
    end_point = host.chat_url(login) or host.NOWHERE,
    api_key = M.api_key(login),
    transform = transforms,
  }, given)
end

return M

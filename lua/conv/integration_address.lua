-- Whose server an address is, and how an address at a provider is said at the gateway that stands for it. It
-- knows no login but by the addresses that it is given.

local M = {}

---Scheme, host and port of an address, in one spelling.
---@param url string
---@return string?
function M.origin(url)
  local lower = url:lower()
  local scheme = lower:match("^https?%f[:]")
  local authority = lower:match("^https?://([^/?#]+)")
  if not (scheme and authority) then
    return nil
  end
  local default = scheme == "http" and ":80" or ":443"
  if vim.endswith(authority, default) then
    authority = authority:sub(1, -#default - 1)
  end
  return scheme .. "://" .. authority
end

---What follows a base in an address under it, beginning with `/`, `?` or `#`, or empty.
---@param url string
---@param base string
---@return string?
local function rest(url, base)
  local function path(text)
    return (text:match("^%a+://[^/?#]*(.*)$") or ""):gsub("^/+$", "")
  end
  local own = path(base):gsub("/+$", "")
  local whole = path(url)
  local after = whole:sub(#own + 1)
  local fits = M.origin(url) == M.origin(base) and whole:sub(1, #own) == own
  return fits and (after == "" or after:find("^[/?#]")) and after or nil
end

---The address at a stand-in, for one under the base that it stands for.
---@param url string
---@param base string
---@param stand_in string
---@return string?
function M.moved(url, base, stand_in)
  local after = rest(url, base)
  return after and stand_in .. after
end

---Whether a credential may be sent to an address: to its own server only.
---@param credential ConvCredential
---@param url string
---@param option string the host's name for the address
---@return ConvError? err
function M.check(credential, url, option)
  local mine, theirs = M.origin(credential.base_url or ""), M.origin(url)
  if not mine or mine == theirs then
    return nil
  end
  local message = ("The login `%s` is for %s, not for %s."):format(
    credential.login,
    mine,
    theirs or "what is not an address"
  )
  local hint = ("Set `%s` to %s, or log in another way with `:ConvLogin %s`."):format(
    option,
    credential.base_url,
    credential.login
  )
  return require("conv.errors").new("config_invalid", message, hint)
end

return M

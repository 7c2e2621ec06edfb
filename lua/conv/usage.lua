-- How much of what a login may use is used: asked when a person looks, and never by itself. What was told
-- last stays here for the statusline.

local M = {}

---@type table<string, conv.Usage>
local known = {}

---Asks for a login's figures; the backend asks the provider at most once a minute.
---@param login string
---@param cb fun(err?: ConvError, usage?: conv.Usage)
function M.ask(login, cb)
  require("conv.backend").call("usage", { login = login }, function(err, result)
    if result then
      known[login] = result
      require("conv.status").redraw()
    end
    cb(err, result)
  end)
end

---What was told last, if anything was.
---@param login string
---@return conv.Usage?
function M.last(login)
  return known[login]
end

---How old figures are, and whose word they are.
---@param usage conv.Usage
---@return string
function M.age(usage)
  if not usage.at then
    return usage.source == "headers" and "usage: told by answers that pass the gateway, and by none so far"
      or "usage: unknown"
  end
  local seconds = math.max(0, os.time() - usage.at)
  local by = usage.source == "headers" and "told by answers through the gateway" or "told by the provider"
  if seconds < 60 then
    return by .. " now"
  elseif seconds < 5400 then
    return ("%s %d min ago"):format(by, seconds / 60)
  elseif seconds < 172800 then
    return ("%s %d h ago"):format(by, (seconds + 1800) / 3600)
  end
  return ("%s %d days ago"):format(by, seconds / 86400)
end

---The newest figure that is known, in a word or two.
---@param logins table<string, ConvLoginStatus> those that there are
---@return string?
function M.short(logins)
  local newest ---@type conv.Usage?
  for login, usage in pairs(known) do
    if logins[login] and usage.short and usage.at > (newest and newest.at or 0) then
      newest = usage
    end
  end
  return newest and newest.short
end

return M

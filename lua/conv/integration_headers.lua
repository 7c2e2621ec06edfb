-- The headers of a login put over those of a host, and the credential of a host taken away. It reads and
-- changes tables of headers and knows nothing else.

local M = {}

---Headers that carry a credential. What a host put there gives way to what the login says.
local CARRIERS = { authorization = true, ["x-api-key"] = true, ["api-key"] = true, ["x-goog-api-key"] = true }

---Headers whose value is a list, to which the login adds.
local LISTS = { ["anthropic-beta"] = true }

---Takes away what carries a credential.
---@param headers table<string, any>
---@return table<string, any> headers the same table
function M.strip_credentials(headers)
  for _, name in ipairs(vim.tbl_keys(headers)) do
    if CARRIERS[name:lower()] then
      headers[name] = nil
    end
  end
  return headers
end

---Two lists of a header, each item once.
---@param list string
---@param more string
---@return string
local function joined(list, more)
  local items = {} ---@type string[]
  for item in (list .. "," .. more):gmatch("[^,%s]+") do
    if not vim.list_contains(items, item) then
      table.insert(items, item)
    end
  end
  return table.concat(items, ",")
end

---Puts a login's headers over those of a host: in place, whatever the case of their names.
---@param headers table<string, any>
---@param credential ConvCredential
---@return table<string, any> headers the same table
function M.apply(headers, credential)
  local spelling = {} ---@type table<string, string>
  for name in pairs(headers) do
    spelling[name:lower()] = name
  end
  M.strip_credentials(headers)
  for name, value in pairs(credential.headers) do
    local key = spelling[name:lower()] or name
    local old = LISTS[name:lower()] and headers[key] or nil
    headers[key] = type(old) == "string" and joined(old, value) or value
  end
  return headers
end

---A header of a login by its name in lower case.
---@param credential ConvCredential
---@param name string
---@return string?
function M.find(credential, name)
  for key, value in pairs(credential.headers) do
    if key:lower() == name then
      return value
    end
  end
end

return M

-- Errors are values: `{ code, message, hint }`. This file knows every code, how loud each is, and how a text is
-- made safe to show. It knows no other module.

local M = {}

local ERROR, WARN, INFO = vim.log.levels.ERROR, vim.log.levels.WARN, vim.log.levels.INFO

---Every code in the order of the help's table: name, level, meaning.
---@type [string, integer, string][]
M.codes = {
  { "not_logged_in", WARN, "No source yields a credential for this login." },
  { "login_expired", WARN, "The stored login can no longer be refreshed." },
  { "login_denied", WARN, "The person or the provider said no on the consent page." },
  { "login_timeout", WARN, "Nobody finished the login in time." },
  { "cancelled", INFO, "The person cancelled." },
  { "busy", WARN, "Another login or another process holds what this call needs." },
  { "starting", INFO, "The backend is still starting." },
  { "unknown_login", ERROR, "No provider or login has this name." },
  { "invalid_argument", ERROR, "An argument is not of the allowed form." },
  { "config_invalid", ERROR, "The configuration has a wrong key, type or value." },
  { "network", WARN, "The provider could not be reached." },
  { "timeout", WARN, "The provider did not answer in time." },
  { "rate_limited", WARN, "The provider asks to wait." },
  { "provider_refused", ERROR, "The provider refused the request." },
  { "provider_error", WARN, "The provider reports a fault of its own." },
  { "bad_response", ERROR, "The answer is not what the protocol allows." },
  { "state_mismatch", WARN, "The answer belongs to another login attempt." },
  { "port_in_use", ERROR, "The loopback port that the provider demands is taken." },
  { "keyring_locked", ERROR, "The keyring is there but locked." },
  { "keyring_unavailable", ERROR, "There is no keyring, or it does not answer." },
  { "store_unreadable", ERROR, "A stored credential is there but cannot be read." },
  { "store_unwritable", ERROR, "The store cannot be written." },
  { "backend_missing", ERROR, "The backend program is not built or not found." },
  { "backend_crashed", ERROR, "The backend ended unexpectedly." },
  { "protocol_mismatch", ERROR, "Plugin and backend speak different protocol versions." },
}

---@type table<string, integer>
local levels = {}
for _, entry in ipairs(M.codes) do
  levels[entry[1]] = entry[2]
end

---@param code string
---@param message string
---@param hint? string
---@return ConvError
function M.new(code, message, hint)
  return { code = code, message = message, hint = hint }
end

---How loud an error is for the person, decided nowhere else.
---@param err ConvError
---@return integer level of `vim.log.levels`
function M.level(err)
  return levels[err.code] or ERROR
end

---@param err ConvError
---@return string one line for the person
function M.text(err)
  return err.hint and (err.message .. " " .. err.hint) or err.message
end

---An error as it came over the wire, with nothing in it but the three fields.
---@param raw any
---@return ConvError
function M.from_wire(raw)
  if type(raw) ~= "table" or type(raw.message) ~= "string" then
    return M.new("bad_response", "The backend sent an error that cannot be read.")
  end
  local hint = type(raw.hint) == "string" and raw.hint or nil
  return M.new(type(raw.code) == "string" and raw.code or "bad_response", raw.message, hint)
end

---Masks everything in a foreign text that could be a token: runs of 16 or more token characters with a digit.
---Paths and words stay readable.
---@param text string
---@return string
function M.redact(text)
  return (
    text:gsub("[%w%-_%.~+=]+", function(run)
      return #run >= 16 and run:find("%d") and "‹hidden›" or run
    end)
  )
end

return M

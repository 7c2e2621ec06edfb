-- Errors are values: `{ code, message, hint }`. This file knows how loud each is (conv/protocol.lua has the
-- codes), and how a text is made safe to show.

local M = {}

---@type table<string, integer>
local levels = {}
for _, entry in ipairs(require("conv.protocol").codes) do
  levels[entry[1]] = vim.log.levels[entry[3]:upper()]
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
  return levels[err.code] or vim.log.levels.ERROR
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

-- The states of a login, once for all who show one: what `conv.token()` would answer now, in a word, a sign and a colour.

local M = {}

---@class (exact) conv.StateFace
---@field sign string
---@field ascii string
---@field word string
---@field group string highlight group
---@field usable boolean whether a credential is there

---@type table<string, conv.StateFace>
local FACES = {
  logged_out = { sign = "○", ascii = "-", word = "logged out", group = "ConvMuted", usable = false },
  logging_in = { sign = "◌", ascii = "...", word = "logging in", group = "ConvInfo", usable = true },
  valid = { sign = "●", ascii = "+", word = "logged in", group = "ConvOk", usable = true },
  refreshing = { sign = "↻", ascii = "~", word = "refreshing", group = "ConvInfo", usable = true },
  expiring = { sign = "◔", ascii = "~", word = "expiring", group = "ConvInfo", usable = true },
  needs_login = { sign = "◇", ascii = "!", word = "log in again", group = "ConvWarn", usable = false },
  error = { sign = "✗", ascii = "!", word = "error", group = "ConvError", usable = false },
}

---What speaks for several logins: the first of these that any of them has.
---@type ConvState[]
M.urgency = { "error", "needs_login", "refreshing", "expiring", "valid" }

---What is no state of a login has the face of an error.
---@param state string
---@return conv.StateFace
local function face(state)
  return FACES[state] or FACES.error
end

---@param state string
---@return string
function M.word(state)
  return FACES[state] and FACES[state].word or state
end

---@param state string
---@return string
function M.group(state)
  return face(state).group
end

---@param state? string
---@return boolean whether a credential is there
function M.usable(state)
  return state ~= nil and face(state).usable
end

---Where a credential comes from, for people; nothing for a stored login, which is what one expects.
---@param source? string
---@return string?
function M.source(source)
  if source == "app" then
    return "key of the Convocations app"
  end
  return source and source ~= "login" and (source:gsub("^env:", "$")) or nil
end

---@param state string a state, or `down`: the backend is not there
---@return string
function M.sign(state)
  local icons = require("conv.config").get().icons
  local set = type(icons) == "table" and icons[state]
  if type(set) == "string" then
    return set
  end
  local ascii = icons == false or vim.env.TERM == "linux"
  if state == "down" then
    return ascii and "x" or "✗"
  end
  return ascii and face(state).ascii or face(state).sign
end

return M

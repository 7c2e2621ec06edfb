-- The faces of a login's states, once for all who show one: a sign and a colour. The words, and how much each
-- matters, are the backend's (conv/protocol.lua): every face says the same.

local M = {}

---@class (exact) conv.StateFace
---@field sign string
---@field ascii string
---@field group string highlight group
---@field usable boolean whether a credential is there

---@type table<string, conv.StateFace>
local FACES = {
  logged_out = { sign = "○", ascii = "-", group = "ConvMuted", usable = false },
  logging_in = { sign = "◌", ascii = "...", group = "ConvInfo", usable = true },
  valid = { sign = "●", ascii = "+", group = "ConvOk", usable = true },
  refreshing = { sign = "↻", ascii = "~", group = "ConvInfo", usable = true },
  expiring = { sign = "◔", ascii = "~", group = "ConvInfo", usable = true },
  ready = { sign = "◎", ascii = "+", group = "ConvOk", usable = true },
  stored = { sign = "◎", ascii = "+", group = "ConvOk", usable = true },
  needs_login = { sign = "◇", ascii = "!", group = "ConvWarn", usable = false },
  error = { sign = "✗", ascii = "!", group = "ConvError", usable = false },
}

---@type table<string, { word: string, weight: string, sentence: string }>
local words = {}

---What speaks for several logins: the first of these that any of them has.
---@type ConvState[]
M.urgency = {}

for _, state in ipairs(require("conv.protocol").states) do
  words[state.name] = state
  if state.weight ~= "none" then
    table.insert(M.urgency, state.name)
  end
end

---What is no state of a login has the face of an error.
---@param state string
---@return conv.StateFace
local function face(state)
  return FACES[state] or FACES.error
end

---@param state string
---@return string
function M.word(state)
  return words[state] and words[state].word or state
end

---@param state string
---@return string one sentence about it
function M.sentence(state)
  return words[state] and words[state].sentence or ""
end

---@param state string
---@return string weight how much it matters: none, ok, info, warn or error
function M.weight(state)
  return words[state] and words[state].weight or "error"
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

---@param seconds integer
---@return string
function M.duration(seconds)
  if seconds <= 0 then
    return "ended"
  elseif seconds < 3600 then
    return ("%d min left"):format(math.ceil(seconds / 60))
  elseif seconds < 172800 then
    return ("%d h %02d min left"):format(math.floor(seconds / 3600), math.floor(seconds % 3600 / 60))
  end
  return ("%d days left"):format(math.floor(seconds / 86400))
end

---Where a credential comes from, for people; nothing for a stored login, which is what one expects, and for
---one that is lent, of which `lender` tells.
---@param source? string
---@return string?
function M.source(source)
  if source == "app" then
    return "key of the Convocations app"
  elseif source == "command" then
    return "a command"
  elseif source == "workload" then
    return "this machine's identity"
  end
  return source and source ~= "login" and source ~= "agent" and (source:gsub("^env:", "$")) or nil
end

---A login in one line, as every face says it: its state, where a token comes from all the same, how long that
---lasts.
---@param login ConvLoginStatus
---@return string
function M.line(login)
  local parts = { login.login .. ": " .. M.word(login.state) } ---@type string[]
  table.insert(parts, login.lender and ("lent by " .. login.lender) or nil)
  table.insert(parts, login.gateway_only and "through the gateway only" or nil)
  if login.source then
    local source = M.source(login.source)
    table.insert(parts, source and ("from " .. source) or nil)
    local ends = login.expires_at
    table.insert(parts, not source and ends and M.duration(ends - os.time()) or nil)
  end
  return table.concat(parts, ", ")
end

---Why a login is not well, and what to do about it; nothing where it is.
---@param login ConvLoginStatus
---@return string? why, string? hint
function M.trouble(login)
  local weight = M.weight(login.state)
  if weight ~= "warn" and weight ~= "error" then
    return nil
  elseif login.error then
    return login.error.message, login.error.hint
  end
  return login.needs_login or M.sentence(login.state),
    ("Log in again with `:ConvLogin %s`."):format(login.login)
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

-- The statusline's text: from states to a few words. It keeps nothing and asks nobody.

local M = {}

local SIGNS = {
  logged_out = { "○", "-" },
  logging_in = { "◌", "..." },
  valid = { "●", "+" },
  refreshing = { "↻", "~" },
  expiring = { "◔", "~" },
  needs_login = { "◇", "!" },
  error = { "✗", "!" },
  down = { "✗", "x" },
}

---The state that speaks for several logins: the first of these that any of them has.
local URGENCY = { "error", "needs_login", "refreshing", "expiring", "valid" }

local WORDS = {
  error = "%s: error",
  needs_login = "%s: log in again",
  refreshing = "%s: refreshing",
  expiring = "%s: expiring",
  valid = "%s",
}

---@param kind string a state, or `down`
---@return string
function M.sign(kind)
  local icons = require("conv.config").get().icons
  local set = type(icons) == "table" and icons[kind]
  if type(set) == "string" then
    return set
  end
  local ascii = icons == false or vim.env.TERM == "linux"
  local pair = SIGNS[kind] or SIGNS.error
  return ascii and pair[2] or pair[1]
end

---@param names string[]
---@return string
local function list(names)
  table.sort(names)
  if #names <= 2 then
    return table.concat(names, ", ")
  end
  return ("%s +%d"):format(names[1], #names - 1)
end

---@param logins table<string, ConvLoginStatus>
---@param backend conv.BackendState
---@param logging_in? string
---@return string
function M.compose(logins, backend, logging_in)
  if logging_in then
    return ("%s %s: logging in"):format(M.sign("logging_in"), logging_in)
  elseif backend == "down" then
    return M.sign("down") .. " backend down"
  end
  local by_state = {} ---@type table<string, string[]>
  for name, status in pairs(logins) do
    by_state[status.state] = by_state[status.state] or {}
    table.insert(by_state[status.state], name)
  end
  for _, state in ipairs(URGENCY) do
    if by_state[state] then
      return M.sign(state) .. " " .. WORDS[state]:format(list(by_state[state]))
    end
  end
  return M.sign("logged_out") .. " logged out"
end

return M

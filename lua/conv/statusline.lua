-- The statusline's text: from states to a few words. It keeps nothing and asks nobody.

local states = require("conv.states")

local M = {}

---@param names string[]
---@return string
local function list(names)
  table.sort(names)
  if #names <= 2 then
    return table.concat(names, ", ")
  end
  return ("%s +%d"):format(names[1], #names - 1)
end

---Whose they are, where another machine lends any of them.
---@param logins table<string, ConvLoginStatus>
---@param names string[]
---@return string
local function lender(logins, names)
  for _, name in ipairs(names) do
    local home = (logins[name].lender or ""):match("^%S+")
    if home then
      return (" (%s)"):format(home)
    end
  end
  return ""
end

---@param logins table<string, ConvLoginStatus>
---@param backend conv.BackendState
---@param logging_in? string
---@return string
function M.compose(logins, backend, logging_in)
  if logging_in then
    return ("%s %s: %s"):format(states.sign("logging_in"), logging_in, states.word("logging_in"))
  elseif backend == "down" then
    return states.sign("down") .. " backend down"
  end
  local by_state = {} ---@type table<string, string[]>
  for name, status in pairs(logins) do
    by_state[status.state] = by_state[status.state] or {}
    table.insert(by_state[status.state], name)
  end
  for _, state in ipairs(states.urgency) do
    if by_state[state] then
      local text = states.sign(state) .. " " .. list(by_state[state]) .. lender(logins, by_state[state])
      return states.weight(state) == "ok" and text or (text .. ": " .. states.word(state))
    end
  end
  if backend ~= "ready" and (os.getenv("CONVOCATIONS_AGENT") or "") ~= "" then
    -- Another machine may lend some: it is asked at the first use.
    return states.sign("stored") .. " agent"
  end
  return states.sign("logged_out") .. " " .. states.word("logged_out")
end

return M

-- Whether a login leads with the browser here: by the option `browser`, or else by what the backend says of
-- the place it runs in, which is the editor's.

local M = {}

---@return boolean browser
---@return string? why not, in words that complete "You are …"
function M.browser()
  local set = require("conv.config").get().browser
  if set ~= "auto" then
    return set == true
  end
  local why = (require("conv.backend").hello() or {}).no_browser
  return why == nil, why
end

return M

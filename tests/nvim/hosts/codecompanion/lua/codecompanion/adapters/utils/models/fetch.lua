-- A stand-in for the part of codecompanion.nvim that asks a vendor for its models.

local M = {}

function M.get(source, adapter)
  local adapters = require("codecompanion.adapters")
  adapters.get_env_vars(adapter)
  local headers = adapters.set_env_vars(adapter, adapter.headers)
  table.insert(adapters.asked, { url = source.url, headers = headers })
  return {}
end

return M

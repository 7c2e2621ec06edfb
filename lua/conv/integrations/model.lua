-- model.nvim: `:h conv-model`. It asks a chat prompt's `runOptions` for each run; what goes through its `secrets` stays
-- for ever. It merges the answer without a look, so there always is one.

local host = require("conv.host")

local M = {}

---@type conv.HostInfo
M.host = { name = "model.nvim", module = "model", marker = "lua/model/core/chat.lua" }

---For `chats.NAME.runOptions`.
---@param login string
---@return fun(): table
function M.run_options(login)
  host.wire("model", login)
  return function()
    local credential = host.request(login)
    local base = host.base_url(login, credential)
    if not (credential and base) then
      -- An empty authorization, since without one the host would take `OPENAI_API_KEY`, or fail for want of it.
      return { authorization = "", url = host.NOWHERE .. "/" }
    end
    return {
      url = base .. "/",
      authorization = host.header(credential, "authorization") or ("Bearer " .. credential.token),
      headers = vim.deepcopy(credential.headers),
    }
  end
end

return M

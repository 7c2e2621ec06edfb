-- A stand-in for a provider of model.nvim: it has an address of its own, and needs a secret whatever the
-- options say.

local M = { sent = nil }

function M.request_completion(handlers, _, options)
  M.sent = {
    url = "https://api.anthropic.com/v1/messages",
    headers = vim.tbl_extend("force", {
      ["Content-Type"] = "application/json",
      ["x-api-key"] = require("model.core.chat").env("ANTHROPIC_API_KEY"),
      ["anthropic-beta"] = "messages-2023-12-15",
      ["anthropic-version"] = "2023-06-01",
    }, (options or {}).headers or {}),
  }
  handlers.on_finish({ status = 200, body = "" })
  return function() end
end

return M

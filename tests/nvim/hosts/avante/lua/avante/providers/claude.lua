-- A stand-in for a provider of avante.nvim: what it does with an answer that is an error.

local M = {}

function M.parse_curl_args(self)
  local headers = {
    ["Content-Type"] = "application/json",
    ["anthropic-version"] = "2023-06-01",
    ["anthropic-beta"] = "prompt-caching-2024-07-31",
  }
  local key = self.parse_api_key()
  if key == nil then
    return nil, require("avante.config").provider .. ": API key is not set"
  end
  headers["x-api-key"] = key
  local extended = require("avante.providers").extended
  return { url = self.endpoint .. "/v1/messages", headers = extended(headers, self.extra_headers) }
end

function M.on_error(result)
  vim.notify("API request failed with status " .. result.status, vim.log.levels.ERROR)
end

return M

-- A stand-in for a provider of avante.nvim that leaves errors to avante.

local M = {}

function M.parse_curl_args(self)
  local headers = { ["Content-Type"] = "application/json" }
  if self.api_key_name and self.api_key_name ~= "" then
    local key = self.parse_api_key()
    if key == nil then
      return nil, require("avante.config").provider .. ": API key is not set"
    end
    headers.Authorization = "Bearer " .. key
  end
  local extended = require("avante.providers").extended
  return { url = self.endpoint .. "/chat/completions", headers = extended(headers, self.extra_headers) }
end

function M.list_models(self)
  local headers = { Authorization = "Bearer " .. self.parse_api_key() }
  local extended = require("avante.providers").extended
  local answer = require("http").request(
    "GET",
    self.endpoint .. "/models",
    { headers = extended(headers, self.extra_headers) }
  )
  M.listed = { endpoint = self.endpoint, headers = headers }
  return vim.json.decode(answer.body).data
end

return M

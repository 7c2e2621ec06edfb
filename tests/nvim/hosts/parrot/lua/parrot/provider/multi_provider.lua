-- A stand-in for parrot.nvim: a provider that is verified before each query, and keeps the first answer of its key. Its
-- spinner turns until curl has ended, so also after a query that was given up before.

local M = {}
M.__index = M

local function resolve(_, key)
  if type(key) == "function" then
    key = key()
  end
  return type(key) == "string" and key:match("%S") and vim.trim(key) or false
end

function M.new(config)
  assert(config.name and config.endpoint and config.api_key and config.models, "a provider lacks a field")
  assert(type(config.endpoint) == "function" or config.endpoint:match("^https?://"), "endpoint")
  local self = setmetatable(vim.deepcopy(config), M)
  self.resolve = config.resolve_api_key or resolve
  return self
end

function M:verify()
  local key = self:resolve(self.api_key)
  if key then
    self.api_key = key
  end
  return key and true or false
end

function M:curl_params()
  if not self:resolve(self.api_key) then
    return nil
  end
  local headers = type(self.headers) == "function" and self.headers(self) or self.headers
  local url = self.endpoint
  if type(url) == "function" then
    url = url(self)
  end
  return url, headers
end

---Nil if it is not sent.
function M:query(text)
  self.spinning = true
  if not self:verify() then
    return nil
  end
  local url, headers = self:curl_params()
  if not url then
    return nil
  end
  local body = { model = self.models[1], max_tokens = 9, messages = { { role = "user", content = text } } }
  if url == "file:///dev/null" then -- for curl this is an empty answer
    self.spinning = false
    return { status = 0 }
  end
  local answer = require("http").request("POST", url, { headers = headers, body = vim.json.encode(body) })
  self.spinning = false
  return { status = answer.status, body = answer.body }
end

return M

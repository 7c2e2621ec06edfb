-- A stand-in for parrot.nvim: a provider that is verified before each query, and keeps the first answer of
-- its key. Its spinner turns until curl has ended, so also after a query that was given up before.

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

---Asks the address for models, with the headers of any request. Nil if there is none.
function M:available_models()
  if self.model_endpoint and self:verify() then
    local headers = self.headers(self)
    local args = type(self.model_endpoint) == "function" and self.model_endpoint(self)
      or { self.model_endpoint }
    return { args = args, headers = headers }
  end
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
  local body = vim.tbl_extend("force", {
    model = self.models[1],
    messages = { { role = "system", content = "Be short." }, { role = "user", content = text } },
  }, (self.params or {}).chat or {})
  if self.preprocess_payload then
    body = self.preprocess_payload(body)
  end
  local answer = require("curl").post(url, headers, body)
  self.spinning = false
  return { status = answer.status, body = answer.body }
end

return M

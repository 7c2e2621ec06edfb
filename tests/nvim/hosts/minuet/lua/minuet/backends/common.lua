-- A stand-in for minuet-ai.nvim: the test of a key when a backend is loaded and before each completion, and the headers
-- made by putting the key behind a word. A nil there is an error in a callback of completion.

local M = { options = {} }

local function key(value)
  local found
  if type(value) == "function" then
    found = value()
  else
    found = os.getenv(value)
  end
  return type(found) == "string" and found ~= "" and found or nil
end

function M.available(name)
  return key(M.options[name].api_key) ~= nil
end

---The backend's module is loaded, at the first insert.
function M.load(name)
  if not M.available(name) then
    vim.notify(name .. " API key is not set", vim.log.levels.ERROR)
  end
end

local function headers_of(name, token)
  if name == "claude" then
    return {
      ["Content-Type"] = "application/json",
      ["x-api-key"] = token,
      ["anthropic-version"] = "2023-06-01",
    }
  end
  return { ["Content-Type"] = "application/json", Authorization = "Bearer " .. token }
end

---`between` runs after the test and before the request.
function M.complete(name, text, between)
  local options = M.options[name]
  if not M.available(name) then
    return nil
  end
  if between then
    between()
  end
  local body = { model = options.model, max_tokens = 9, messages = { { role = "user", content = text } } }
  local data =
    { end_point = options.end_point, headers = headers_of(name, key(options.api_key)), body = body }
  for _, transform in ipairs(options.transform or {}) do
    data = transform(data)
  end
  M.sent = data
  local answer = require("http").request("POST", data.end_point, {
    headers = data.headers,
    body = vim.json.encode(data.body),
  })
  return { status = answer.status, body = answer.body }
end

return M

-- A stand-in for minuet-ai.nvim: the test of a key when a backend is loaded, and the headers made by putting
-- the key behind a word. Virtual text asks for a completion without that test: a nil there is an error in a
-- callback, or for Claude a request without a key.

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

---The backend's module is loaded, at the first insert.
function M.load(name)
  if not key(M.options[name].api_key) then
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

---What a pause in typing does. An empty answer is no completion, and no message.
function M.complete(name, text)
  local options = M.options[name]
  local data = {
    end_point = options.end_point,
    headers = headers_of(name, key(options.api_key)),
    body = require("curl").question(text),
  }
  for _, transform in ipairs(options.transform or {}) do
    data = transform(data)
  end
  M.sent = data
  local answer = require("curl").post(data.end_point, data.headers, data.body)
  if answer.code ~= 0 then
    vim.notify("Request failed with exit code " .. answer.code, vim.log.levels.ERROR)
  end
  return { status = answer.status, body = answer.body }
end

return M

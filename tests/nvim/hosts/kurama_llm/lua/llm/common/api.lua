-- A stand-in for llm.nvim of Kurama622: the key is put behind a word whatever it is, in a coroutine for a stream, on the
-- main line else.

local M = { config = {} }

local function request(text, stream)
  local config = M.config
  local key = config.fetch_key
  if type(key) == "function" then
    key = key()
  end
  local authorization = "Bearer " .. key
  if stream and key == "NONE" then
    authorization = nil
  end
  local url = config.url
  local headers = { ["Content-Type"] = "application/json", Authorization = authorization }
  local body = { model = config.model, messages = { { role = "user", content = text } } }
  local answer = require("http").request("POST", url, { headers = headers, body = vim.json.encode(body) })
  return { status = answer.status, body = answer.body }
end

function M.stream(text)
  coroutine.wrap(function()
    M.answer = request(text, true)
  end)()
  return M.answer
end

function M.parse(text)
  return request(text, false)
end

return M

-- A stand-in for ChatGPT.nvim: a command run once at setup, without waiting, and a header kept in the module.

local M = {}

function M.setup(opts)
  vim.system(
    { "sh", "-c", opts.api_key_cmd },
    { text = true },
    vim.schedule_wrap(function(result)
      local key = result.stdout:match("%S+")
      if not key then
        vim.notify("api_key_cmd did not return a value", vim.log.levels.WARN)
      end
      M.OPENAI_API_KEY = key
      M.AUTHORIZATION_HEADER = "Authorization: Bearer " .. (key or "")
      M.ready = true
    end)
  )
end

function M.chat_completions(url, text)
  local name, value = M.AUTHORIZATION_HEADER:match("^(.-): (.*)$")
  local headers = { ["Content-Type"] = "application/json", [name] = value }
  local body = { model = "m", messages = { { role = "user", content = text } } }
  local answer = require("http").request("POST", url, { headers = headers, body = vim.json.encode(body) })
  return { status = answer.status, body = answer.body }
end

return M

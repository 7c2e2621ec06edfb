-- A stand-in for ChatGPT.nvim: a command run once at setup, without waiting, and addresses and a header kept
-- in the module. A request reads the address first, then the header.

local M = {}

function M.setup(opts)
  M.CHAT_COMPLETIONS_URL = opts.url or "https://api.openai.com/v1/chat/completions"
  M.COMPLETIONS_URL = opts.url or "https://api.openai.com/v1/completions"
  if not M["OPENAI_API_KEY"] and not opts.api_key_cmd then
    vim.notify("OPENAI_API_KEY variable not set", vim.log.levels.WARN)
  elseif opts.api_key_cmd then
    local words = vim.split(opts.api_key_cmd, "%s+")
    vim.system(
      words,
      { text = true },
      vim.schedule_wrap(function(result)
        M.OPENAI_API_KEY = result.stdout:match("%S+")
        M.AUTHORIZATION_HEADER = "Authorization: Bearer " .. M.OPENAI_API_KEY
      end)
    )
  end
end

---A message of a chat. What is shown if there is an error, else what came.
function M.chat_completions(text)
  local arguments = { M.CHAT_COMPLETIONS_URL, M.AUTHORIZATION_HEADER }
  local name, value = arguments[2]:match("^(.-): (.*)$")
  local headers = { ["Content-Type"] = "application/json", [name] = value }
  local answer = require("curl").post(arguments[1], headers, require("curl").question(text))
  local decoded = vim.json.decode(answer.body) -- fails on an empty answer, as there
  local shown = type(decoded.error) == "table" and decoded.error.message or nil
  return { status = answer.status, body = answer.body, shown = shown }
end

return M

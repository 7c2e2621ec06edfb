-- A stand-in for model.nvim: a chat prompt is run, and the options of the run are merged over those of the chat. Without
-- authorization and address its OpenAI provider needs a variable, and fails if it is not set.

local M = { secrets = {} }

local function env(name)
  return assert(M.secrets[name] or os.getenv(name), "Missing environment variable " .. name)
end

local providers = {}

function providers.openai(text, options)
  local headers = { ["Content-Type"] = "application/json" }
  if options.authorization then
    headers.Authorization = options.authorization
  elseif not options.url then
    headers.Authorization = "Bearer " .. env("OPENAI_API_KEY")
  end
  local url = (options.url or "https://api.openai.com/v1/"):gsub("/$", "") .. "/chat/completions"
  return url, headers, { model = "m", messages = { { role = "user", content = text } } }
end

function M.run_chat(prompt, text)
  local options = vim.deepcopy(prompt.options or {})
  if type(prompt.runOptions) == "function" then
    options = vim.tbl_deep_extend("force", options, prompt.runOptions())
  end
  local url, headers, body = providers[prompt.provider](text, options)
  local opts = { headers = headers, body = vim.json.encode(body) }
  local ok, answer = pcall(require("http").request, "POST", url, opts)
  if not ok then
    vim.notify("curl: " .. answer:match("E%u+"), vim.log.levels.ERROR)
    return { status = 0 }
  end
  return { status = answer.status, body = answer.body }
end

return M

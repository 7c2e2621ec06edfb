-- The same where it does not stream: the word for "no key" is sent as one.

local M = { required_params = {} }

function M.GetOutput(opts, text)
  local params = M.required_params
  for _, name in ipairs({ "url", "model", "api_type", "fetch_key" }) do
    params[name] = opts[name]
  end
  local headers = { ["Content-Type"] = "application/json", Authorization = "Bearer " .. params.fetch_key() }
  local answer = require("curl").post(params.url, headers, require("curl").question(text))
  if answer.body == "" then
    vim.notify("The model returned an empty response.", vim.log.levels.ERROR)
  end
  return { status = answer.status, body = answer.body }
end

return M

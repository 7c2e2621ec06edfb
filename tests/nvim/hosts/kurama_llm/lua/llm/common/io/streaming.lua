-- A stand-in for llm.nvim of Kurama622, where it streams: the parameters of a request are put into a table of
-- the module, the key is asked for within a coroutine and put behind a word whatever it is, and the address
-- is read after that.

local M = { required_params = {} }

---An empty answer is shown as one that was interrupted.
function M.GetStreamingOutput(opts, text)
  coroutine.wrap(function()
    local params = M.required_params
    for _, name in ipairs({ "url", "model", "api_type", "fetch_key" }) do
      params[name] = opts[name]
    end
    local key = params.fetch_key()
    local authorization = "Bearer " .. key
    if key == "NONE" then
      authorization = ""
    end
    local headers = { ["Content-Type"] = "application/json", Authorization = authorization }
    local answer = require("curl").post(params.url, headers, require("curl").question(text))
    M.answer = { status = answer.status, body = answer.body }
  end)()
  return M.answer
end

return M

-- curl as the stand-ins of the hosts use it: an address of a file is read and nothing is sent, a server that
-- is not there is exit code 7, and everything else is a request over loopback.

local M = {}

---Posts a table as JSON. `code` is curl's exit status; `status` is 0 where no server answered.
---@param url string
---@param headers table<string, string>
---@param body table
---@return { code: integer, status: integer, body: string }
function M.post(url, headers, body)
  if url:find("^file:///") then
    local file = assert(io.open(vim.uri_to_fname(url)))
    local content = file:read("a")
    file:close()
    return { code = 0, status = 0, body = content }
  end
  local sent = {} -- as curl does, a header that is empty is not sent
  for name, value in pairs(headers) do
    sent[name] = value ~= "" and value or nil
  end
  local opts = { headers = sent, body = vim.json.encode(body) }
  local ok, answer = pcall(require("http").request, "POST", url, opts)
  if not ok then
    assert(tostring(answer):find("ECONNREFUSED"), answer)
    return { code = 7, status = 0, body = "" }
  end
  return { code = 0, status = answer.status, body = answer.body }
end

---A question to a model, as a body.
---@param text string
---@return table
function M.question(text)
  return { model = "m", max_tokens = 9, messages = { { role = "user", content = text } } }
end

return M

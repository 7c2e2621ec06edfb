-- Steps that whole logins share.

local http = require("http")
local person = require("person")

local M = {}

M.BY_CALLBACK = {
  openrouter = "ConvLogin openrouter browser",
  anthropic = "ConvLogin anthropic subscription",
}
M.BY_PASTE = {
  openrouter = "ConvLogin! openrouter code",
  anthropic = "ConvLogin! anthropic subscription",
}

---Says yes to a notice, if one is shown.
local function agree(nvim)
  if nvim:window_text():find("I have read this") then
    nvim:type("y")
  end
end

---Begins a login and returns the address that the browser was sent to.
---@return string
function M.begin(t, nvim, command)
  local before = #nvim:lua("return _G.opened")
  nvim:cmd(command)
  return t:wait("the browser", function()
    agree(nvim)
    local opened = nvim:lua("return _G.opened")
    return #opened > before and opened[#opened]
  end)
end

---Begins a login without a browser and returns the address that the window shows.
---@return string
function M.begin_paste(t, nvim, command)
  nvim:cmd(command)
  t:wait("the address", function()
    agree(nvim)
    return nvim:window_text():find("Waiting for the code")
  end)
  return vim.trim(nvim:window_text():match("(http://[^\n]*)"))
end

function M.sees(t, nvim, pattern)
  return t:wait("the window to show " .. pattern, function()
    local text = nvim:window_text()
    return text:find(pattern) and text
  end)
end

---Waits for the hidden prompt.
function M.at_prompt(t, nvim)
  t:wait("the prompt", function()
    return nvim:mode() == "c"
  end)
end

---@return table data of the `ConvAuthComplete` event number `n`
function M.complete(t, nvim, n)
  return t:wait("the end of the login", function()
    return nvim:events("ConvAuthComplete")[n or 1]
  end, 10000)
end

---A whole login by callback.
function M.log_in(t, nvim, login)
  local n = #nvim:events("ConvAuthComplete") + 1
  person.visit(person.approve(M.begin(t, nvim, M.BY_CALLBACK[login])))
  local data = M.complete(t, nvim, n)
  t:ok(data.ok, vim.inspect(data))
end

---@return string? token, string? code of the error
function M.token(nvim, login)
  local answer = nvim:lua('local t, e = require("conv").token(...); return { t, e and e.code }', login)
  return answer[1] ~= vim.NIL and answer[1] or nil, answer[2]
end

local CHAT = { openrouter = "/openrouter/api/v1/chat/completions", anthropic = "/anthropic/v1/messages" }

---Whether the provider takes this login: sends a chat request with its headers, as a companion plugin would.
function M.works(sandbox, nvim, login)
  local headers = nvim:lua('return require("conv").headers(...)', login)
  if type(headers) ~= "table" then
    return false
  end
  headers["Content-Type"] = "application/json"
  local chat =
    { model = "sandbox/parrot", max_tokens = 9, messages = { { role = "user", content = "hello" } } }
  local answer =
    http.request("POST", sandbox.url .. CHAT[login], { headers = headers, body = vim.json.encode(chat) })
  return answer.status == 200
end

---The number of the backend's process, once it runs.
function M.backend_pid(t, nvim)
  return t:wait("the backend", function()
    local pid = nvim:lua('local h = require("conv.backend").hello(); return h and h.pid')
    return pid ~= vim.NIL and pid
  end)
end

return M

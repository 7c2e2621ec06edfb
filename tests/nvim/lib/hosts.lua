-- What the tests of the integrations share: a stand-in for a host in a child editor, a login behind it, and what a
-- person sees when there is none. The stand-ins (tests/nvim/hosts) play each host's calls as its code makes them.

local flows = require("flows")
local person = require("person")

local M = {}

---Where the chat requests of a login arrive in the sandbox.
M.ROUTE = { openrouter = "openrouter.chat", anthropic = "anthropic.messages", kimi = "kimi.chat" }

---The sandbox's name for a provider.
local PROVIDER = { openrouter = "openrouter", anthropic = "anthropic", kimi = "kimi" }

---Installs a stand-in in a child editor.
function M.install(t, nvim, host)
  nvim:lua(
    [[
    local root, host = ...
    package.path = root .. "/tests/nvim/lib/?.lua;" .. package.path
    vim.opt.runtimepath:prepend(root .. "/tests/nvim/hosts/" .. host)
  ]],
    t.root,
    host
  )
end

---A sandbox, and an editor with the real backend and a stand-in.
---@return table sandbox, table nvim
function M.editor(t, host, opts)
  local sandbox = t:sandbox()
  local nvim = t:real(opts)
  M.install(t, nvim, host)
  return sandbox, nvim
end

---An editor whose backend cannot be started, and a stand-in.
function M.without_backend(t, host)
  local nvim = t:editor({ options = { binary = "/nonexistent", cold_wait = 200 } })
  M.install(t, nvim, host)
  return nvim
end

---A whole login.
function M.log_in(t, nvim, login)
  if login ~= "kimi" then
    return flows.log_in(t, nvim, login)
  end
  nvim:cmd("ConvLogin! kimi device")
  local code = t:wait("the code", function()
    return nvim:window_text():match("[%u%d]+%-[%u%d]+")
  end)
  person.approve_device(t:ok(nvim:window_text():match("(http://127%S+)")), code)
  t:ok(flows.complete(t, nvim).ok, "the login")
end

---A refresh between two requests: from now on the API takes the new token alone.
---@return string new
function M.rotate(t, sandbox, nvim, login)
  local old = t:ok(flows.token(nvim, login), "a token")
  nvim:lua(
    [[
    local login, old = ...
    _G.new = nil
    require("conv").invalidate(login, old, function(err, credential) _G.new = err and err.code or credential.token end)
  ]],
    login,
    old
  )
  local new = t:wait("the refresh", function()
    local seen = nvim:lua("return _G.new")
    return seen ~= vim.NIL and seen
  end)
  t:ok(new ~= old, "another token")
  sandbox:control("expire", { provider = PROVIDER[login], token = old })
  return new
end

---Requests that have come to the login's chat route.
function M.requests(sandbox, login)
  return sandbox:count(M.ROUTE[login])
end

---What the person has been told that names the command to type for a login.
function M.hints(nvim, login)
  return vim.tbl_filter(function(note)
    return note.text:find(":ConvLogin " .. login, 1, true) ~= nil
  end, nvim:notes())
end

---Waits for the one message, and makes sure that nothing else was shown, and no Lua error.
function M.told(t, nvim, login)
  t:wait("the message", function()
    return #M.hints(nvim, login) > 0
  end)
  t:eq(#M.hints(nvim, login), 1, "told once: " .. vim.inspect(nvim:notes()))
  M.no_error(t, nvim)
end

function M.no_error(t, nvim)
  t:eq(nvim:lua("return vim.v.errmsg"), "", "an error message")
  local messages = nvim:lua("return vim.fn.execute('messages')")
  t:ok(not messages:find("stack traceback") and not messages:find("E5108"), messages)
end

---Whether the answer is the model's, to what was said.
function M.answered(t, answer, text)
  t:eq(answer.status, 200, vim.inspect(answer))
  t:ok(answer.body:find("You said: " .. text, 1, true) ~= nil, answer.body)
end

return M

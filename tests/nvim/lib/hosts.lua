-- What the tests of the integrations share: a stand-in for a host in a child editor, a login behind it, and
-- what a person sees when there is none. The stand-ins (tests/nvim/hosts) play each host's calls as its code
-- makes them.

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
  sandbox:control("switches", { kimi = { interval = 0 } })
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

---Takes the token away at the API; the store knows nothing of it.
---@return string old
function M.revoke(t, sandbox, nvim, login)
  local old = t:ok(flows.token(nvim, login), "a token")
  sandbox:control("expire", { provider = PROVIDER[login], token = old })
  return old
end

---A whole logout, over before this returns.
function M.log_out(nvim, login)
  nvim:lua(
    [[
    local done = false
    require("conv").logout(..., nil, function() done = true end)
    vim.wait(5000, function() return done end, 5)
  ]],
    login
  )
end

---From now on `vim.wait` tells how long it may hold the editor up.
function M.count_waits(nvim)
  nvim:lua([[
    _G.waits = {}
    local wait, began = vim.wait, vim.uv.hrtime()
    vim.wait = function(ms, ...)
      local now = (vim.uv.hrtime() - began) / 1e6
      table.insert(_G.waits, { from = now, limit = ms })
      return wait(ms, ...)
    end
  ]])
end

---Milliseconds of the longest wait that was allowed.
function M.longest_wait(nvim)
  local longest = 0
  for _, wait in ipairs(nvim:lua("return _G.waits")) do
    longest = math.max(longest, wait.limit)
  end
  return longest
end

---Waits for the refresh that follows a 401.
function M.refreshed(t, nvim, login, old)
  t:wait("another token", function()
    local new = flows.token(nvim, login)
    return new and new ~= old
  end)
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

---What the person has been told that is more than news.
function M.warnings(nvim)
  return vim.tbl_filter(function(note)
    return note.level >= vim.log.levels.WARN
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

---Where a login's chat requests go in the sandbox.
M.URL = {
  openrouter = "/openrouter/api/v1/chat/completions",
  anthropic = "/anthropic/v1/messages",
  kimi = "/kimi/coding/v1/chat/completions",
}

---What a request without a login comes to: nothing was sent. A host that calls curl all the same got an
---address where nothing is.
function M.went_nowhere(t, sandbox, login, answer)
  t:ok(answer == nil or answer.status == 0, vim.inspect(answer))
  t:eq(M.requests(sandbox, login), 0, "requests that the provider saw")
end

---The cases of every host: two requests with a refresh between them, a request without a login that a login
---mends, a request after a logout, and one without a backend. `host.setup` is Lua that gets the login and the
---address for its requests; `host.ask` is Lua that sends its argument, and returns nil if nothing was sent.
function M.usual(case, host)
  local function ask(nvim, text)
    local answer = nvim:lua(host.ask, text)
    return answer ~= vim.NIL and answer or nil
  end

  case("each request has the token of its moment", function(t)
    local sandbox, nvim = M.editor(t, host.name)
    M.log_in(t, nvim, host.login)
    nvim:lua(host.setup, host.login, sandbox.url .. M.URL[host.login])
    M.answered(t, ask(nvim, "one"), "one")
    M.rotate(t, sandbox, nvim, host.login)
    M.answered(t, ask(nvim, "two"), "two")
    t:eq(M.warnings(nvim), {})
    M.no_error(t, nvim)
  end)

  case("logged out: nothing is sent, the command to type, and a login mends it", function(t)
    local sandbox, nvim = M.editor(t, host.name)
    nvim:lua(host.setup, host.login, sandbox.url .. M.URL[host.login])
    M.went_nowhere(t, sandbox, host.login, ask(nvim, "hello"))
    M.told(t, nvim, host.login)
    M.log_in(t, nvim, host.login)
    M.answered(t, ask(nvim, "again"), "again")
  end)

  case("after a logout nothing is sent", function(t)
    local sandbox, nvim = M.editor(t, host.name)
    M.log_in(t, nvim, host.login)
    nvim:lua(host.setup, host.login, sandbox.url .. M.URL[host.login])
    M.answered(t, ask(nvim, "one"), "one")
    local before = M.requests(sandbox, host.login)
    M.log_out(nvim, host.login)
    local answer = ask(nvim, "two")
    t:ok(answer == nil or answer.status == 0, vim.inspect(answer))
    t:eq(M.requests(sandbox, host.login), before)
    M.told(t, nvim, host.login)
  end)

  case("no backend: nothing is sent, and it says why", function(t)
    local sandbox = t:sandbox()
    local nvim = M.without_backend(t, host.name)
    nvim:lua(host.setup, host.login, sandbox.url .. M.URL[host.login])
    M.went_nowhere(t, sandbox, host.login, ask(nvim, "hello"))
    t:wait("the message", function()
      return nvim:said("`binary` names no program")
    end)
    M.no_error(t, nvim)
  end)
end

---Whether the answer is the model's, to what was said.
function M.answered(t, answer, text)
  t:eq(answer.status, 200, vim.inspect(answer))
  t:ok(answer.body:find("You said: " .. text, 1, true) ~= nil, answer.body)
end

return M

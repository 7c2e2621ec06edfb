-- mcphub.nvim: a command in a server's own `env` or `headers`, run when that server is connected.

local hosts = require("hosts")

local SEEN = [[
  local login, name = ...
  local env = { MY_TOKEN = require("conv.integrations.mcphub").env(login) }
  local value, problem = require("mcphub.hub").in_server(name == "other" and {} or env, "MY_TOKEN")
  return { value = value, problem = problem }
]]

local function connect(nvim, url, login, text)
  return nvim:lua(
    [[
    local url, login, text = ...
    local header = require("conv.integrations.mcphub").bearer(login)
    local answer, problem = require("mcphub.hub").connect(url, header, text)
    return { answer = answer, problem = problem }
  ]],
    url,
    login,
    text
  )
end

return function(case)
  case("a server gets the token of the moment at which it is connected, and no other server does", function(t)
    local sandbox, nvim = hosts.editor(t, "mcphub")
    hosts.log_in(t, nvim, "kimi")
    local url = sandbox.url .. hosts.URL.kimi
    t:eq(nvim:lua(SEEN, "kimi", "mine").value, nvim:lua('return require("conv").token("kimi")'))
    t:eq(nvim:lua(SEEN, "kimi", "other").value, "")
    hosts.answered(t, connect(nvim, url, "kimi", "one").answer, "one")
    local new = hosts.rotate(t, sandbox, nvim, "kimi")
    hosts.answered(t, connect(nvim, url, "kimi", "two").answer, "two")
    t:eq(nvim:lua(SEEN, "kimi", "mine").value, new)
    t:eq(nvim:lua("return vim.env.MY_TOKEN"), vim.NIL)
  end)

  case("logged out: a connection fails with what to type", function(t)
    local sandbox, nvim = hosts.editor(t, "mcphub")
    t:match(nvim:lua(SEEN, "kimi", "mine").problem, "login kimi")
    t:match(connect(nvim, sandbox.url, "kimi", "hello").problem, "login kimi")
    t:eq(hosts.requests(sandbox, "kimi"), 0)
  end)

  case("a program whose path has a blank is run all the same", function(t)
    local sandbox, nvim = hosts.editor(t, "mcphub")
    hosts.log_in(t, nvim, "kimi")
    local path = t:file("with a blank/convocations", '#!/bin/sh\nexec "' .. t.program() .. '" "$@"\n', 448)
    nvim:lua("vim.g.conv = vim.tbl_extend('force', vim.g.conv or {}, { binary = ... })", path)
    nvim:lua('require("conv.config").set(nil)')
    t:match(nvim:lua('return require("conv.integrations.mcphub").env("kimi")'), "with a blank")
    hosts.answered(t, connect(nvim, sandbox.url .. hosts.URL.kimi, "kimi", "hello").answer, "hello")
  end)

  case("an integration in a config reads no option that is set after it", function(t)
    local _, nvim = hosts.editor(t, "mcphub")
    nvim:lua([[
      _G.before = vim.g.conv
      vim.g.conv = nil
      _G.text = require("conv.integrations.mcphub").env("openrouter")
      vim.g.conv = vim.tbl_extend("force", _G.before, { cold_wait = 1234 })
    ]])
    t:match(nvim:lua("return _G.text"), " token openrouter}$")
    t:eq(nvim:lua('return require("conv.config").get().cold_wait'), 1234)
  end)
end

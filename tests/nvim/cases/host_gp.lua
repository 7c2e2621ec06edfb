-- gp.nvim: a command run once for a session, and a vault that can be asked by name instead.

local hosts = require("hosts")

local SETUP = [[
  local login, url, follow = ...
  local gp = require("conv.integrations.gp")
  local secret = follow and "convocations" or gp.secret(login)
  require("gp").setup({ providers = { mine = { endpoint = url, secret = secret }, other = { secret = "their own" } } })
  if follow then
    gp.follow({ mine = login })
  end
]]

local function query(t, nvim, text)
  nvim:lua('require("gp").query("mine", ...)', text)
  return t:wait("an end", function()
    local seen = nvim:lua('return { require("gp").answer }')
    return seen[1] ~= nil and seen
  end)[1]
end

return function(case)
  case("the command: a key that lasts, once for the session", function(t)
    local sandbox, nvim = hosts.editor(t, "gp")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", sandbox.url .. hosts.URL.openrouter)
    hosts.answered(t, query(t, nvim, "one"), "one")
    hosts.answered(t, query(t, nvim, "two"), "two")
  end)

  case("the command, logged out: gp shows what to type, and sends nothing", function(t)
    local sandbox, nvim = hosts.editor(t, "gp")
    nvim:lua(SETUP, "openrouter", sandbox.url .. hosts.URL.openrouter)
    t:eq(query(t, nvim, "hello"), false)
    t:ok(nvim:said("login openrouter"), vim.inspect(nvim:notes()))
    t:eq(hosts.requests(sandbox, "openrouter"), 0)
  end)

  case("an integration in a config reads no option that is set after it", function(t)
    local _, nvim = hosts.editor(t, "gp")
    nvim:lua([[
      _G.before = vim.g.conv
      vim.g.conv = nil
      _G.secret = require("conv.integrations.gp").secret("openrouter")
      vim.g.conv = vim.tbl_extend("force", _G.before, { cold_wait = 1234 })
    ]])
    t:eq(nvim:lua("return _G.secret[2]"), "token")
    t:eq(nvim:lua('return require("conv.config").get().cold_wait'), 1234)
  end)

  case("following: each request has the token of its moment, others keep theirs", function(t)
    local sandbox, nvim = hosts.editor(t, "gp")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi, true)
    hosts.answered(t, query(t, nvim, "one"), "one")
    hosts.rotate(t, sandbox, nvim, "kimi")
    hosts.answered(t, query(t, nvim, "two"), "two")
    t:eq(nvim:lua('return require("gp.vault").get_secret("other")'), "their own")
  end)

  case("following, logged out: nothing is sent, and the command to type", function(t)
    local sandbox, nvim = hosts.editor(t, "gp")
    nvim:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi, true)
    t:eq(query(t, nvim, "hello"), false)
    hosts.told(t, nvim, "kimi")
    hosts.log_in(t, nvim, "kimi")
    hosts.answered(t, query(t, nvim, "again"), "again")
  end)

  case("following, no backend: nothing is sent, and it says why", function(t)
    local nvim = hosts.without_backend(t, "gp")
    nvim:lua(SETUP, "kimi", "http://127.0.0.1:9/", true)
    t:eq(query(t, nvim, "hello"), false)
    t:wait("the message", function()
      return nvim:said("`binary` names no program")
    end)
    hosts.no_error(t, nvim)
  end)
end

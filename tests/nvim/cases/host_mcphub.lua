-- mcphub.nvim: variables made when its hub starts, and a command run when a server is connected.

local hosts = require("hosts")

local START = [[
  local hub = require("mcphub.hub")
  hub.config.global_env = require("conv.integrations.mcphub").global_env({ MY_TOKEN = ... }, { MINE = "1" })
  hub.start()
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
  case("a server gets the token of the moment at which the hub starts, or it is connected", function(t)
    local sandbox, nvim = hosts.editor(t, "mcphub")
    hosts.log_in(t, nvim, "kimi")
    local url = sandbox.url .. hosts.URL.kimi
    nvim:lua(START, "kimi")
    t:eq(
      nvim:lua('return require("mcphub.hub").in_server("MY_TOKEN")'),
      nvim:lua('return require("conv").token("kimi")')
    )
    hosts.answered(t, connect(nvim, url, "kimi", "one").answer, "one")
    local new = hosts.rotate(t, sandbox, nvim, "kimi")
    hosts.answered(t, connect(nvim, url, "kimi", "two").answer, "two")
    nvim:lua(START, "kimi")
    t:eq(nvim:lua('return require("mcphub.hub").in_server("MY_TOKEN")'), new)
    t:eq(nvim:lua("return vim.env.MY_TOKEN"), vim.NIL)
  end)

  case("logged out: a variable is left out and told, and a connection says what to type", function(t)
    local sandbox, nvim = hosts.editor(t, "mcphub")
    nvim:lua(START, "kimi")
    hosts.told(t, nvim, "kimi")
    t:eq(nvim:lua('return require("mcphub.hub").in_server("MY_TOKEN")'), "")
    t:eq(nvim:lua('return require("mcphub.hub").in_server("MINE")'), "1")
    t:match(connect(nvim, sandbox.url, "kimi", "hello").problem, "login kimi")
  end)

  case("no backend: a variable is left out, and it says why", function(t)
    local nvim = hosts.without_backend(t, "mcphub")
    nvim:lua(START, "kimi")
    t:wait("the message", function()
      return nvim:said("`binary` names no program")
    end)
    hosts.no_error(t, nvim)
  end)
end

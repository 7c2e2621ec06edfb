-- llm.nvim of Kurama622: a key put behind a word whatever it is, within a coroutine or not.

local hosts = require("hosts")

local SETUP = [[
  local login, url = ...
  require("llm.common.api").config =
    require("conv.integrations.kurama_llm").model(login, { url = url, model = "m" })
]]

return function(case)
  hosts.usual(case, {
    name = "kurama_llm",
    login = "kimi",
    setup = SETUP,
    ask = 'return require("llm.common.api").stream(...)',
  })

  case("on the main line, and with `fetch_key` alone", function(t)
    local sandbox, nvim = hosts.editor(t, "kurama_llm")
    nvim:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi)
    nvim:lua(
      'require("llm.common.api").config.fetch_key = require("conv.integrations.kurama_llm").fetch_key("kimi")'
    )
    t:eq(nvim:lua('return require("llm.common.api").parse("hello")').status, 401)
    hosts.told(t, nvim, "kimi")
    hosts.log_in(t, nvim, "kimi")
    hosts.answered(t, nvim:lua('return require("llm.common.api").parse("again")'), "again")
  end)

  case("a sign-in that needs more headers than it sends is told, and its token kept back", function(t)
    local sandbox, nvim = hosts.editor(t, "kurama_llm")
    hosts.log_in(t, nvim, "anthropic")
    nvim:lua(SETUP, "anthropic", sandbox.url .. hosts.URL.anthropic)
    t:eq(nvim:lua('return require("llm.common.api").config.fetch_key()'), "NONE")
    t:wait("the message", function()
      return nvim:said("sends a plain key.*:ConvLogin anthropic")
    end)
  end)
end

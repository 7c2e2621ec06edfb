-- llm.nvim of Kurama622: a key put behind a word whatever it is, within a coroutine or not, and an address
-- read after it.

local hosts = require("hosts")

local SETUP = [[
  local login, url = ...
  _G.opts = require("conv.integrations.kurama_llm").model(login, { url = url, model = "m" })
  _G.stream = function(text) return require("llm.common.io.streaming").GetStreamingOutput(_G.opts, text) end
  _G.parse = function(text) return require("llm.common.io.parse").GetOutput(_G.opts, text) end
]]

return function(case)
  hosts.usual(case, { name = "kurama_llm", login = "kimi", setup = SETUP, ask = "return _G.stream(...)" })

  case("on the main line: nothing is sent without a login, and a login mends it", function(t)
    local sandbox, nvim = hosts.editor(t, "kurama_llm")
    nvim:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi)
    hosts.went_nowhere(t, sandbox, "kimi", nvim:lua('return _G.parse("hello")'))
    hosts.told(t, nvim, "kimi")
    hosts.log_in(t, nvim, "kimi")
    hosts.answered(t, nvim:lua('return _G.parse("again")'), "again")
  end)

  case("a credential goes to its own server alone, whatever address the request has by then", function(t)
    local sandbox, nvim = hosts.editor(t, "kurama_llm")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi)
    for _, url in ipairs({ "http://127.0.0.2:9/v1", "https://api.moonshot.ai/v1", "nonsense" }) do
      nvim:lua("_G.opts.url = ...", url)
      t:eq(nvim:lua('return _G.stream("hello")').status, 0, url)
      t:eq(nvim:lua('return require("llm.common.io.streaming").required_params.url'), "file:///dev/null")
    end
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url) .. ", not for https://api.moonshot.ai")
    end)
  end)

  case("a sign-in that needs more headers than it sends is told, and its token kept back", function(t)
    local sandbox, nvim = hosts.editor(t, "kurama_llm")
    hosts.log_in(t, nvim, "anthropic")
    nvim:lua(SETUP, "anthropic", sandbox.url .. hosts.URL.anthropic)
    hosts.went_nowhere(t, sandbox, "anthropic", nvim:lua('return _G.stream("hello")'))
    t:wait("the message", function()
      return nvim:said("sends a plain key.*:ConvLogin anthropic")
    end)
  end)
end

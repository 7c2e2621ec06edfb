-- model.nvim: a provider is a table with one function that sends, for chats and prompts.

local hosts = require("hosts")

local ASK = [[
  local chat = require("model.core.chat")
  chat.run_chat(_G.prompt, ...)
  vim.wait(5000, function() return chat.answer or chat.failed end, 5)
  return chat.answer
]]
local ANTHROPIC = [[
  local chat, anthropic = require("model.core.chat"), require("model.providers.anthropic")
  chat.secrets.ANTHROPIC_API_KEY = "none"
  _G.prompt = { provider = require("conv.integrations.model").provider("anthropic", anthropic) }
]]

return function(case)
  hosts.usual(case, {
    name = "model",
    login = "kimi",
    setup = [[
      local openai = require("model.providers.openai")
      _G.prompt = { provider = require("conv.integrations.model").provider(..., openai) }
    ]],
    ask = ASK,
  })

  case("the error is the host's own, and what else its provider has stays", function(t)
    local _, nvim = hosts.editor(t, "model")
    nvim:lua([[
      local openai = require("model.providers.openai")
      _G.prompt = { provider = require("conv.integrations.model").provider("kimi", openai) }
    ]])
    t:eq(nvim:lua('return _G.prompt.provider.adapt == require("model.providers.openai").adapt'), true)
    nvim:lua(ASK, "hello")
    local failed = nvim:lua('return require("model.core.chat").failed')
    t:match(failed[1], ":ConvLogin kimi")
    t:eq(nvim:lua('return type(require("model.core.chat").cancel)'), "function")
  end)

  case("its provider for Anthropic has an address of its own, which gets no other's credential", function(t)
    local sandbox, nvim = hosts.editor(t, "model")
    hosts.log_in(t, nvim, "anthropic")
    nvim:lua(ANTHROPIC)
    nvim:lua(ASK, "hello")
    t:eq(nvim:lua('return require("model.providers.anthropic").sent'), vim.NIL)
    t:match(
      nvim:lua('return require("model.core.chat").failed')[1],
      "is for " .. vim.pesc(sandbox.url) .. ", not for https://api.anthropic.com"
    )
  end)

  case("to Anthropic go the login's headers, without a key where it has none", function(t)
    local script = [[
      return { get = function(params, reply)
        local headers = { authorization = "Bearer oat", ["anthropic-beta"] = "oauth-2025-04-20" }
        reply(nil, { login = params.login, token = "oat", kind = "oauth", headers = headers, revision = 1,
          base_url = "https://api.anthropic.com", source = "login" })
      end }
    ]]
    local nvim = t:editor({ options = { binary = t:fake(script), cold_wait = 5000 } })
    hosts.install(t, nvim, "model")
    nvim:lua(ANTHROPIC)
    nvim:lua(ASK, "hello")
    local headers = nvim:lua('return require("model.providers.anthropic").sent.headers')
    t:eq(headers["x-api-key"], "") -- curl sends no header that is empty
    t:eq(headers.authorization, "Bearer oat")
    t:match(headers["anthropic-beta"], "oauth")
  end)
end

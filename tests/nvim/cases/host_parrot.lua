-- parrot.nvim: a provider that is verified before each query, and keeps the first answer of its key.

local hosts = require("hosts")

local SETUP = [[
  local login, _, opts = ...
  local options = require("conv.integrations.parrot").provider(login, opts or { models = { "m" } })
  _G.provider = require("parrot.provider.multi_provider").new(options)
]]

return function(case)
  for _, login in ipairs({ "kimi", "anthropic" }) do
    hosts.usual(function(name, run)
      case(login .. ": " .. name, run)
    end, { name = "parrot", login = login, setup = SETUP, ask = "return _G.provider:query(...)" })
  end

  case("logged out: no spinner is left", function(t)
    local _, nvim = hosts.editor(t, "parrot")
    nvim:lua(SETUP, "kimi")
    nvim:lua('_G.provider:query("hello")')
    t:eq(nvim:lua("return _G.provider.spinning"), false)
  end)

  case("what goes to Anthropic has a limit, and the system's message beside the others", function(t)
    local _, nvim = hosts.editor(t, "parrot")
    local made = nvim:lua([[
      local provider = require("conv.integrations.parrot").provider("anthropic", { models = { "m" } })
      local payload = { messages = { { role = "system", content = "s" }, { role = "user", content = "u" } } }
      return { payload = provider.preprocess_payload(payload), topic = provider.topic, params = provider.params }
    ]])
    t:eq(made.payload, { messages = { { role = "user", content = "u" } }, system = "s", max_tokens = 4096 })
    t:eq(made.topic, { model = "m", params = { max_tokens = 64 } })
    t:eq(made.params.command, { max_tokens = 4096 })
  end)

  case("a credential goes to its own server alone, for a query and for models", function(t)
    local sandbox, nvim = hosts.editor(t, "parrot")
    hosts.log_in(t, nvim, "openrouter")
    for _, address in ipairs({
      '"https://other.example/v1"',
      'function() return "https://other.example/v1" end',
    }) do
      nvim:lua(([[
        local opts = { models = { "m" }, endpoint = %s, model_endpoint = %s }
        local options = require("conv.integrations.parrot").provider("openrouter", opts)
        _G.provider = require("parrot.provider.multi_provider").new(options)
      ]]):format(address, address))
      t:eq(nvim:lua('return _G.provider:query("hello").status'), 0)
      t:eq(nvim:lua("return _G.provider:available_models().args"), { "file:///dev/null" })
    end
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url))
    end)
  end)

  case("an address and headers of the person's own are used with a login, and not without", function(t)
    local sandbox, nvim = hosts.editor(t, "parrot")
    local models = sandbox.url .. "/kimi/models"
    nvim:lua(SETUP, "kimi", nil, {
      models = { "m" },
      endpoint = sandbox.url .. hosts.URL.kimi,
      model_endpoint = models,
      headers = { ["X-Title"] = "mine", Authorization = "Bearer theirs" },
    })
    hosts.went_nowhere(t, sandbox, "kimi", nvim:lua('return _G.provider:query("hello")'))
    t:eq(nvim:lua("return _G.provider:available_models().args"), { "file:///dev/null" })
    hosts.log_in(t, nvim, "kimi")
    hosts.answered(t, nvim:lua('return _G.provider:query("again")'), "again")
    local asked = nvim:lua("return _G.provider:available_models()")
    t:eq(asked.args, { models })
    t:eq(asked.headers["X-Title"], "mine")
    t:eq(asked.headers.Authorization, "Bearer " .. require("flows").token(nvim, "kimi"))
  end)
end

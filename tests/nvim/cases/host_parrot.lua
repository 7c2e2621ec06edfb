-- parrot.nvim: a provider that is verified before each query, and keeps the first answer of its key.

local hosts = require("hosts")

return function(case)
  hosts.usual(case, {
    name = "parrot",
    login = "kimi",
    refused = 0,
    setup = [[
      local options = require("conv.integrations.parrot").provider(..., { models = { "m" } })
      _G.provider = require("parrot.provider.multi_provider").new(options)
    ]],
    ask = "return _G.provider:query(...)",
  })

  case("logged out: nothing is sent, and no spinner is left", function(t)
    local sandbox, nvim = hosts.editor(t, "parrot")
    nvim:lua([[
      local options = require("conv.integrations.parrot").provider("kimi", { models = { "m" } })
      _G.provider = require("parrot.provider.multi_provider").new(options)
      _G.provider:query("hello")
    ]])
    t:eq(hosts.requests(sandbox, "kimi"), 0)
    t:eq(nvim:lua("return _G.provider.spinning"), false)
  end)

  case("a credential goes to its own server alone", function(t)
    local sandbox, nvim = hosts.editor(t, "parrot")
    hosts.log_in(t, nvim, "openrouter")
    local headers = nvim:lua([[
      local opts = { models = { "m" }, endpoint = "https://other.example/v1" }
      return require("conv.integrations.parrot").provider("openrouter", opts).headers()
    ]])
    t:eq(headers, { ["Content-Type"] = "application/json" })
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url))
    end)
  end)
end

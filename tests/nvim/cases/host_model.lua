-- model.nvim: options of a run, merged without a look; a variable is asked for where they name nothing.

local hosts = require("hosts")

return function(case)
  hosts.usual(case, {
    name = "model",
    login = "kimi",
    refused = 0,
    setup = [[
      _G.prompt = { provider = "openai", runOptions = require("conv.integrations.model").run_options(...) }
    ]],
    ask = 'return require("model.core.chat").run_chat(_G.prompt, ...)',
  })
end

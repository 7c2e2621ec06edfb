-- gp.nvim: a vault that is asked for secrets by name.

local hosts = require("hosts")

local SETUP = [[
  local login, url = ...
  require("gp").setup({ providers = {
    mine = { endpoint = url, secret = "convocations" },
    openai = { endpoint = url, secret = "convocations" },
    other = { secret = "their own" },
  } })
  require("conv.integrations.gp").follow({ mine = login, openai = login })
]]
local ASK = [[
  require("gp.dispatcher").query("mine", ...)
  vim.wait(5000, function() return require("gp.dispatcher").answer ~= nil end, 5)
  return require("gp.dispatcher").answer or nil
]]
local SECRET = 'return require("gp.vault").get_secret(...)'

return function(case)
  hosts.usual(case, { name = "gp", login = "kimi", setup = SETUP, ask = ASK })

  case("every name of a provider's key is followed, others keep theirs", function(t)
    local sandbox, nvim = hosts.editor(t, "gp")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi)
    local token = nvim:lua('return require("conv").token("kimi")')
    nvim:lua('require("gp.whisper").config.endpoint = ...', sandbox.url .. "/v1/audio/transcriptions")
    t:eq(nvim:lua(SECRET, "openai"), nvim:lua('return require("conv").gateway("kimi").key'))
    -- Not under the address of the login's API: the gateway leads there only.
    t:eq(nvim:lua('return require("gp.whisper").bearer()'), token)
    t:eq(nvim:lua(SECRET, "other"), "their own")
    hosts.log_out(nvim, "kimi")
    t:eq(nvim:lua(SECRET, "openai"), vim.NIL)
    t:eq(nvim:lua('return require("gp.whisper").bearer()'), vim.NIL)
  end)

  case("a credential goes to its own server alone", function(t)
    local sandbox, nvim = hosts.editor(t, "gp")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi", "https://api.openai.com/v1/chat/completions")
    for _, name in ipairs({ "mine", "openai", "openai_api_key", "imager_secret" }) do
      t:eq(nvim:lua(SECRET, name), vim.NIL, name)
    end
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url) .. ", not for https://api.openai.com")
    end)
  end)
end

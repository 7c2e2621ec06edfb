-- llm.nvim of Hugging Face: a token in its config, which it sends with each completion.

local hosts = require("hosts")

local SETUP = [[
  local login, url, own = ...
  require("llm.config").setup({ url = url, model = "m", api_token = own, tokenizer = { repository = "r" } })
  require("conv.integrations.hf_llm").attach(login)
]]
local ASK = 'return require("llm.language_server").get_completions(...)'

local function own_token(nvim)
  return nvim:lua('return require("llm.config").config.api_token')
end

return function(case)
  hosts.usual(case, { name = "hf_llm", login = "kimi", setup = SETUP, ask = ASK })

  case("told once and not at each key", function(t)
    local sandbox, nvim = hosts.editor(t, "hf_llm")
    nvim:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi)
    for _ = 1, 20 do
      t:eq(nvim:lua(ASK, "hello"), vim.NIL)
    end
    hosts.told(t, nvim, "kimi")
  end)

  case("the token is in the host's config for a request, and no longer", function(t)
    local sandbox, nvim = hosts.editor(t, "hf_llm")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi, "their own")
    hosts.answered(t, nvim:lua(ASK, "hello"), "hello")
    t:eq(own_token(nvim), "their own")
    t:eq(nvim:lua('return require("llm.language_server").tokenizer_token'), vim.NIL, "another server's token")
  end)

  case("a token of the person's own stays, and is used where nobody is logged in", function(t)
    local sandbox, first = hosts.editor(t, "hf_llm")
    hosts.log_in(t, first, "kimi")
    local token = require("flows").token(first, "kimi")
    local nvim = t:real()
    hosts.install(t, nvim, "hf_llm")
    nvim:lua(SETUP, "openrouter", sandbox.url .. hosts.URL.kimi, token)
    hosts.answered(t, nvim:lua(ASK, "hello"), "hello")
    t:eq(own_token(nvim), token)
    hosts.told(t, nvim, "openrouter")
  end)

  case("a credential goes to its own server alone", function(t)
    local sandbox, nvim = hosts.editor(t, "hf_llm")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi", "http://127.0.0.2:9/v1")
    t:eq(nvim:lua(ASK, "hello"), vim.NIL)
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url) .. ", not for http://127.0.0.2:9")
    end)
  end)

  case("the report has nothing to say when all is well, and knows when it is not attached", function(t)
    local sandbox, nvim = hosts.editor(t, "hf_llm")
    local CHECK = [[
      local told = {}
      require("conv.integrations.hf_llm").host.check(function(problem) table.insert(told, problem) end)
      return told
    ]]
    nvim:lua('require("llm.language_server")')
    t:match(nvim:lua(CHECK)[1], "is not attached")
    nvim:lua(SETUP, "kimi", sandbox.url)
    nvim:lua('require("conv.integrations.hf_llm").attach("kimi")')
    t:eq(nvim:lua(CHECK), {})
  end)
end

-- ChatGPT.nvim: an address and a header read from a module for each request.

local hosts = require("hosts")

local SETUP = [[
  local login, url = ...
  require("conv.integrations.chatgpt").follow(login)
  require("chatgpt.api").setup({ url = url })
]]
local ASK = 'return require("chatgpt.api").chat_completions(...)'

return function(case)
  hosts.usual(case, { name = "chatgpt", login = "kimi", setup = SETUP, ask = ASK })

  case("without a login the host gets an error that it can show", function(t)
    local sandbox, nvim = hosts.editor(t, "chatgpt")
    nvim:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi)
    t:match(nvim:lua(ASK, "hello").shown, ":ConvLogin")
    t:eq(nvim:lua('return require("chatgpt.api").nothing'), vim.NIL)
  end)

  case("after the host's setup, or with a key of its own, the login is asked for too", function(t)
    local sandbox, nvim = hosts.editor(t, "chatgpt")
    nvim:lua(
      [[
      local login, url = ...
      require("chatgpt.api").setup({ url = url, api_key_cmd = "echo stale" })
      require("conv.integrations.chatgpt").follow(login)
      vim.wait(200)
    ]],
      "kimi",
      sandbox.url .. hosts.URL.kimi
    )
    hosts.went_nowhere(t, sandbox, "kimi", nvim:lua(ASK, "hello"))
    hosts.log_in(t, nvim, "kimi")
    hosts.answered(t, nvim:lua(ASK, "again"), "again")
  end)

  case("a credential goes to its own server alone", function(t)
    local sandbox, nvim = hosts.editor(t, "chatgpt")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi", "http://127.0.0.2:9/v1/chat/completions")
    t:eq(nvim:lua(ASK, "hello").status, 0)
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url) .. ", not for http://127.0.0.2:9")
    end)
    t:eq(nvim:lua('return require("chatgpt.api").AUTHORIZATION_HEADER'), "Authorization: Bearer ")
  end)
end

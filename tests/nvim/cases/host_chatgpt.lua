-- ChatGPT.nvim: a command run once at setup, and a header kept in a module.

local hosts = require("hosts")

local SETUP = [[
  local login, _, follow = ...
  local chatgpt = require("conv.integrations.chatgpt")
  require("chatgpt.api").setup({ api_key_cmd = chatgpt.api_key_cmd(login) })
  if follow ~= false then
    chatgpt.follow(login)
  end
  vim.wait(5000, function() return require("chatgpt.api").ready end, 5)
]]

return function(case)
  case("the command: a key that lasts", function(t)
    local sandbox, nvim = hosts.editor(t, "chatgpt")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", nil, false)
    local url = sandbox.url .. hosts.URL.openrouter
    hosts.answered(t, nvim:lua('return require("chatgpt.api").chat_completions(...)', url, "hello"), "hello")
  end)

  case("following: each request has the token of its moment", function(t)
    local sandbox, nvim = hosts.editor(t, "chatgpt")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi")
    local ASK, url = 'return require("chatgpt.api").chat_completions(...)', sandbox.url .. hosts.URL.kimi
    hosts.answered(t, nvim:lua(ASK, url, "one"), "one")
    hosts.rotate(t, sandbox, nvim, "kimi")
    hosts.answered(t, nvim:lua(ASK, url, "two"), "two")
    t:eq(nvim:lua('return require("chatgpt.api").nothing'), vim.NIL)
  end)

  case("following, logged out: the command to type, and a login mends it", function(t)
    local sandbox, nvim = hosts.editor(t, "chatgpt")
    nvim:lua(SETUP, "kimi")
    local ASK, url = 'return require("chatgpt.api").chat_completions(...)', sandbox.url .. hosts.URL.kimi
    t:eq(nvim:lua(ASK, url, "hello").status, 401)
    hosts.told(t, nvim, "kimi")
    hosts.log_in(t, nvim, "kimi")
    hosts.answered(t, nvim:lua(ASK, url, "again"), "again")
  end)

  case("following, no backend: it says why", function(t)
    local sandbox = t:sandbox()
    local nvim = hosts.without_backend(t, "chatgpt")
    nvim:lua(SETUP, "kimi")
    local ASK, url = 'return require("chatgpt.api").chat_completions(...)', sandbox.url .. hosts.URL.kimi
    t:eq(nvim:lua(ASK, url, "hello").status, 401)
    t:wait("the message", function()
      return nvim:said("`binary` names no program")
    end)
    hosts.no_error(t, nvim)
  end)
end

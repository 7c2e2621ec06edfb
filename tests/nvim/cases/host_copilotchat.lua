-- CopilotChat.nvim: headers kept until their time, an empty list of models kept for minutes, and all in a
-- coroutine.

local hosts = require("hosts")

local SETUP = [[
  local login, with_copilot = ...
  require("CopilotChat.client").setup({ providers = {
    copilot = not with_copilot and { disabled = true } or nil,
    mine = require("conv.integrations.copilotchat").provider(login, { models = { "parrot" } }),
  } })
]]

local function ask(t, nvim, text)
  nvim:lua('require("CopilotChat.client").ask("mine", "parrot", ...)', text)
  return t:wait("an end", function()
    local client = nvim:lua([[
      local client = require("CopilotChat.client")
      return { answer = client.answer, shown = client.shown }
    ]])
    return (client.answer or client.shown) and client
  end)
end

return function(case)
  case("each request has the token of its moment, whatever is kept", function(t)
    local sandbox, nvim = hosts.editor(t, "copilotchat")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi")
    hosts.answered(t, ask(t, nvim, "one").answer, "one")
    hosts.rotate(t, sandbox, nvim, "kimi")
    hosts.answered(t, ask(t, nvim, "two").answer, "two")
    t:eq(nvim:lua('return require("CopilotChat.client").sent.headers["x-initiator"]'), "user")
  end)

  case("logged out: the chat shows the command to type, and a login mends it at once", function(t)
    local sandbox, nvim = hosts.editor(t, "copilotchat")
    nvim:lua(SETUP, "openrouter")
    local shown = ask(t, nvim, "hello").shown
    t:match(shown, "^[^:]*:ConvLogin openrouter")
    t:eq(hosts.requests(sandbox, "openrouter"), 0)
    hosts.log_in(t, nvim, "openrouter")
    hosts.answered(t, ask(t, nvim, "again").answer, "again")
    hosts.no_error(t, nvim)
  end)

  case("the time for which headers may be kept: the token's own, a minute for a key", function(t)
    local _, nvim = hosts.editor(t, "copilotchat")
    local LEFT = [[
      local _, ends = require("conv.integrations.copilotchat").headers(..., require("conv").credential(...).base_url)()
      return { ends - os.time(), math.type and math.type(ends) or (ends == math.floor(ends)) }
    ]]
    hosts.log_in(t, nvim, "openrouter")
    t:eq(nvim:lua(LEFT, "openrouter")[1], 60)
    hosts.log_in(t, nvim, "anthropic")
    local left = nvim:lua(LEFT, "anthropic")[1]
    local ends = nvim:lua('return require("conv").credential("anthropic").expires_at - os.time()')
    t:ok(math.abs(ends - left - 300) <= 1, left .. " of " .. ends)
  end)

  case("a coroutine waits for the token without holding up the editor", function(t)
    local sandbox, nvim = hosts.editor(t, "copilotchat", { options = { cold_wait = 1 } })
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi")
    local old = t:wait("a token", function()
      return require("flows").token(nvim, "kimi")
    end)
    sandbox:fault("kimi.token", { hold = "refresh" })
    nvim:lua('require("conv").invalidate("kimi", ...)', old)
    t:wait("the refresh to begin", function()
      return sandbox:refreshes("kimi.token") > 0
    end)
    nvim:lua('require("CopilotChat.client").ask("mine", "parrot", "hello")')
    t:eq(nvim:lua('return require("CopilotChat.client").answer'), vim.NIL)
    t:eq(nvim:lua("return 1 + 1"), 2)
    require("http").request("DELETE", sandbox.url .. "/_control/fault")
    local answer = t:wait("the answer", function()
      local seen = nvim:lua('return require("CopilotChat.client").answer')
      return seen ~= vim.NIL and seen
    end)
    hosts.answered(t, answer, "hello")
  end)

  case("a request that begins in a fast event", function(t)
    local _, nvim = hosts.editor(t, "copilotchat")
    hosts.log_in(t, nvim, "kimi")
    local again = t:real()
    hosts.install(t, again, "copilotchat")
    again:lua(SETUP, "kimi")
    again:lua([[
      local timer = vim.uv.new_timer()
      timer:start(0, 0, function()
        require("CopilotChat.client").ask("mine", "parrot", "hello")
        timer:close()
      end)
    ]])
    local client = t:wait("an end", function()
      local seen = again:lua(
        'local c = require("CopilotChat.client"); return (c.answer or c.shown) and { a = c.answer, s = c.shown }'
      )
      return seen ~= vim.NIL and seen
    end)
    hosts.answered(t, client.a, "hello")
  end)

  case("no backend: the chat says why", function(t)
    local nvim = hosts.without_backend(t, "copilotchat")
    nvim:lua(SETUP, "openrouter")
    t:match(ask(t, nvim, "hello").shown, "`binary` names no program")
    hosts.no_error(t, nvim)
  end)

  case(
    "its built-in provider begins a sign-in of its own, before any other's request, unless disabled",
    function(t)
      local sandbox, nvim = hosts.editor(t, "copilotchat")
      hosts.log_in(t, nvim, "kimi")
      nvim:lua(SETUP, "kimi", true)
      nvim:lua('require("CopilotChat.client").ask("mine", "parrot", "hello")')
      t:eq(nvim:lua("return vim.g.device_sign_in"), true)
      t:eq(hosts.requests(sandbox, "kimi"), 0)
      local help = table.concat(vim.fn.readfile(t.root .. "/doc/conv.txt"), "\n")
      local lines = help:match("%*conv%-copilotchat%*.-%*conv%-")
      t:match(lines, "copilot = { disabled = true }")
      t:match(lines, "github_models = { disabled = true }")
    end
  )

  case("an address of the person's own gets no other server's credential", function(t)
    local sandbox, nvim = hosts.editor(t, "copilotchat")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua([[
      require("CopilotChat.client").setup({ providers = {
        copilot = { disabled = true },
        mine = require("conv.integrations.copilotchat").provider("kimi", {
          models = { "parrot" },
          get_url = function() return "https://api.moonshot.ai/v1/chat/completions" end,
        }),
      } })
    ]])
    t:match(
      ask(t, nvim, "hello").shown,
      "is for " .. vim.pesc(sandbox.url) .. ", not for https://api.moonshot.ai"
    )
    t:eq(nvim:lua('return require("CopilotChat.client").cache.mine.headers'), vim.empty_dict())
  end)

  case("a chat has the account of the buffer that it is about", function(t)
    local sandbox, nvim = hosts.editor(t, "copilotchat")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi")
    nvim:lua([[
      vim.b.conv_login = "kimi@work"
      require("CopilotChat").chat.source = { bufnr = vim.api.nvim_get_current_buf() }
      vim.cmd("new")
    ]])
    t:match(ask(t, nvim, "hello").shown, ":ConvLogin kimi@work")
    t:eq(hosts.requests(sandbox, "kimi"), 0)
    nvim:lua("vim.cmd('bwipeout'); vim.b.conv_login = nil")
    hosts.answered(t, ask(t, nvim, "again").answer, "again")
  end)

  case("after a logout nothing is sent, whatever is kept", function(t)
    local sandbox, nvim = hosts.editor(t, "copilotchat")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi")
    hosts.answered(t, ask(t, nvim, "one").answer, "one")
    local before = hosts.requests(sandbox, "kimi")
    hosts.log_out(nvim, "kimi")
    t:match(ask(t, nvim, "two").shown, ":ConvLogin kimi")
    t:eq(hosts.requests(sandbox, "kimi"), before)
  end)

  case("a provider of one's own gets headers, or the message as an error", function(t)
    local sandbox, nvim = hosts.editor(t, "copilotchat")
    local HEADERS = 'return { pcall(require("conv.integrations.copilotchat").headers("openrouter", ...)) }'
    local answer = nvim:lua(HEADERS, sandbox.url)
    t:eq(answer[1], false)
    t:match(answer[2], "^[^:]*:ConvLogin openrouter")
    hosts.log_in(t, nvim, "openrouter")
    t:match(nvim:lua(HEADERS, sandbox.url)[2].authorization, "^Bearer ")
    for _, url in ipairs({ "https://other.example/v1", vim.NIL }) do
      t:match(nvim:lua(HEADERS, url)[2], "^The login `openrouter` is for")
    end
  end)
end

-- codecompanion.nvim: an adapter made when a chat opens, and env, headers and address resolved for each
-- request.

local hosts = require("hosts")

local SETUP = [[
  local login, opts = ...
  require("codecompanion").setup({
    adapters = { http = { mine = require("conv.integrations.codecompanion").adapter(login, opts) } },
  })
]]

---Opens a chat.
local function open(nvim)
  nvim:lua('_G.chat = require("codecompanion").open("mine")')
end

---Sends a message in it.
local function send(nvim, text)
  local answer = nvim:lua('return require("codecompanion").send(_G.chat, ...)', text)
  return answer ~= vim.NIL and answer or nil
end

return function(case)
  case("each request has the token of its moment", function(t)
    local sandbox, nvim = hosts.editor(t, "codecompanion")
    hosts.log_in(t, nvim, "anthropic")
    nvim:lua(SETUP, "anthropic")
    open(nvim)
    hosts.answered(t, send(nvim, "one"), "one")
    local token = nvim:lua('return require("conv").token("anthropic")')
    t:ok(not nvim:lua("return vim.inspect(_G.chat)"):find(token, 1, true), "the adapter holds the token")
    hosts.rotate(t, sandbox, nvim, "anthropic")
    hosts.answered(t, send(nvim, "two"), "two")
    local headers = nvim:lua('return require("codecompanion").sent.headers')
    t:eq(headers["anthropic-beta"], "compact-2026-01-12,oauth-2025-04-20")
    t:eq(headers["x-api-key"], nil)
    hosts.no_error(t, nvim)
  end)

  case("a provider of OpenAI's shape, with its address and its models", function(t)
    local _, nvim = hosts.editor(t, "codecompanion")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter")
    open(nvim)
    t:eq(nvim:lua("return _G.chat.adapter.parameters.model"), "sandbox/parrot")
    hosts.answered(t, send(nvim, "hello"), "hello")
    t:eq(
      nvim:lua("return _G.chat.adapter.schema.model.choices(_G.chat.adapter, { async = false })"),
      { "sandbox/parrot" }
    )
    nvim:lua(SETUP, "openrouter", { model = "mine/own", opts = { stream = false }, from = "grouped" })
    open(nvim)
    t:eq(nvim:lua("return _G.chat.adapter.parameters.model"), "mine/own")
  end)

  case("logged out: the request is stopped with the command to type, and a login mends it", function(t)
    for _, login in ipairs({ "openrouter", "anthropic" }) do
      local sandbox, nvim = hosts.editor(t, "codecompanion")
      nvim:lua(SETUP, login)
      open(nvim)
      t:eq(send(nvim, "hello"), nil)
      hosts.told(t, nvim, login)
      t:eq(hosts.requests(sandbox, login), 0)
      hosts.log_in(t, nvim, login)
      hosts.answered(t, send(nvim, "again"), "again")
    end
  end)

  case("a chat whose request was stopped is free again, and a login mends it", function(t)
    local sandbox, nvim = hosts.editor(t, "codecompanion")
    nvim:lua(SETUP, "openrouter", { model = "m" })
    nvim:lua([[
      _G.theirs = require("codecompanion").open("mine")
      _G.theirs.adapter = vim.deepcopy(_G.theirs.adapter)
      _G.theirs.adapter.handlers.setup = function() return false end
      _G.theirs.current_request = {}
    ]])
    open(nvim)
    t:eq(send(nvim, "hello"), nil)
    t:wait("the chat", function()
      return nvim:lua("return _G.chat.current_request == nil and vim.bo[_G.chat.bufnr].modifiable")
    end)
    t:ok(nvim:lua("return _G.theirs.current_request ~= nil"), "another adapter's chat was stopped")
    hosts.log_in(t, nvim, "openrouter")
    hosts.answered(t, send(nvim, "again"), "again")
    hosts.log_out(nvim, "openrouter")
    local before = hosts.requests(sandbox, "openrouter")
    t:eq(send(nvim, "once more"), nil)
    t:eq(hosts.requests(sandbox, "openrouter"), before)
    t:wait("the chat", function()
      return nvim:lua("return vim.bo[_G.chat.bufnr].modifiable")
    end)
  end)

  case("models are asked for with the headers of the login there is then", function(t)
    local _, nvim = hosts.editor(t, "codecompanion")
    nvim:lua(SETUP, "openrouter", { model = "m" })
    open(nvim)
    local choices = "return _G.chat.adapter.schema.model.choices(_G.chat.adapter)"
    t:eq(nvim:lua(choices), {})
    hosts.told(t, nvim, "openrouter")
    hosts.log_in(t, nvim, "openrouter")
    t:eq(nvim:lua(choices), { "sandbox/parrot" })
  end)

  case("a vendor's list of models gets no token of another server", function(t)
    local _, nvim = hosts.editor(t, "codecompanion")
    hosts.log_in(t, nvim, "anthropic")
    nvim:lua(SETUP, "anthropic")
    open(nvim)
    hosts.answered(t, send(nvim, "one"), "one")
    t:eq(nvim:lua("return _G.chat.adapter.schema.model.choices(_G.chat.adapter)"), {})
    t:eq(nvim:lua('return require("codecompanion.adapters").asked'), {})
    t:eq(hosts.warnings(nvim), {})
  end)

  case("a chat with a model asks for no list when it opens, and has the provider's name", function(t)
    local _, nvim = hosts.editor(t, "codecompanion")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", { model = "mine/own" })
    open(nvim)
    hosts.answered(t, send(nvim, "one"), "one")
    t:eq(nvim:lua('return require("codecompanion.adapters").asked'), {})
    t:eq(nvim:lua("return _G.chat.adapter.formatted_name"), "OpenRouter")
    t:eq(
      nvim:lua(
        'return require("conv.integrations.codecompanion").adapter("openrouter@work")().formatted_name'
      ),
      "OpenRouter (work)"
    )
  end)

  case("a chat has the account of the buffer that it was opened from", function(t)
    local sandbox, nvim = hosts.editor(t, "codecompanion")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", { model = "m" })
    nvim:lua('vim.b.conv_login = "openrouter@work"')
    open(nvim)
    nvim:lua("vim.api.nvim_set_current_buf(_G.chat.bufnr)")
    local before = hosts.requests(sandbox, "openrouter")
    t:eq(send(nvim, "hello"), nil)
    hosts.told(t, nvim, "openrouter@work")
    t:eq(hosts.requests(sandbox, "openrouter"), before)
    -- Another adapter is chosen in the chat: it still belongs to that buffer.
    t:match(nvim:lua('return require("codecompanion").adapters.mine().formatted_name'), "%(work%)")
  end)

  case("a token that the API refuses is refreshed for the next request", function(t)
    local sandbox, nvim = hosts.editor(t, "codecompanion")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, "kimi", { model = "m", gateway = false })
    open(nvim)
    local old = hosts.revoke(t, sandbox, nvim, "kimi")
    t:eq(send(nvim, "one").status, 401)
    t:eq(nvim:lua('return require("codecompanion.adapters").last_status'), 401)
    hosts.refreshed(t, nvim, "kimi", old)
    hosts.answered(t, send(nvim, "two"), "two")
    t:eq(sandbox:refreshes("kimi.token"), 1)
  end)

  case(
    "an agent gets the token of the moment at which it is connected, and never the text of a variable",
    function(t)
      local sandbox, nvim = hosts.editor(t, "codecompanion")
      local CONNECT = [[
      local adapters = require("codecompanion.adapters")
      _G.agent = _G.agent or { env = { KEY = require("conv.integrations.codecompanion").env("kimi") } }
      adapters.get_env_vars(_G.agent)
      return adapters.set_env_vars(_G.agent, "key=${KEY}")
    ]]
      t:eq(nvim:lua(CONNECT), "key=")
      hosts.told(t, nvim, "kimi")
      hosts.log_in(t, nvim, "kimi")
      t:eq(nvim:lua(CONNECT), "key=" .. require("flows").token(nvim, "kimi"))
      local new = hosts.rotate(t, sandbox, nvim, "kimi")
      t:eq(nvim:lua(CONNECT), "key=" .. new)
      t:eq(nvim:lua("return vim.env.KEY"), vim.NIL)
    end
  )

  case("handlers in groups are wrapped too", function(t)
    local sandbox, nvim = hosts.editor(t, "codecompanion")
    nvim:lua(
      SETUP,
      "openrouter",
      { from = "grouped", model = "m", url = sandbox.url .. "/openrouter/api/v1/chat/completions" }
    )
    open(nvim)
    t:eq(send(nvim, "hello"), nil)
    hosts.told(t, nvim, "openrouter")
    hosts.log_in(t, nvim, "openrouter")
    hosts.answered(t, send(nvim, "again"), "again")
  end)

  case("a credential goes to its own server alone", function(t)
    local sandbox, nvim = hosts.editor(t, "codecompanion")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", { from = "anthropic", url = "https://api.other.example/v1" })
    open(nvim)
    t:eq(send(nvim, "hello"), nil)
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url))
    end)
  end)

  case("an address by a variable of the person's own gets no other server's credential either", function(t)
    local sandbox, nvim = hosts.editor(t, "codecompanion")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", { model = "m", env = { url = "https://api.other.example" } })
    open(nvim)
    t:eq(send(nvim, "hello"), nil)
    t:eq(nvim:lua("return _G.chat.adapter.schema.model.choices(_G.chat.adapter)"), {})
    t:eq(nvim:lua("return _G.chat.adapter.env.api_key(_G.chat.adapter)"), "")
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url) .. ", not for https://api.other.example")
    end)
  end)

  case("no backend: the request is stopped and says why", function(t)
    local nvim = hosts.without_backend(t, "codecompanion")
    nvim:lua(SETUP, "openrouter", { model = "m" })
    open(nvim)
    t:eq(send(nvim, "hello"), nil)
    t:wait("the message", function()
      return nvim:said("`binary` names no program")
    end)
    hosts.no_error(t, nvim)
  end)

  case("a provider that does not answer holds up one request for 3 s, and no other", function(t)
    local nvim =
      t:editor({ options = { binary = t:fake("return { get = function() end }"), cold_wait = 50 } })
    hosts.install(t, nvim, "codecompanion")
    nvim:lua(SETUP, "anthropic", { model = "m" })
    open(nvim)
    local took = {}
    for i = 1, 3 do
      local began = vim.uv.hrtime()
      t:eq(send(nvim, "hello"), nil)
      took[i] = (vim.uv.hrtime() - began) / 1e6
    end
    t:ok(took[1] > 2900 and took[1] < 4500, "the first took " .. took[1])
    t:ok(took[2] < 300 and took[3] < 300, ("the others took %d and %d"):format(took[2], took[3]))
    t:wait("the message", function()
      return nvim:said("on its way. Try again in a moment")
    end)
    hosts.no_error(t, nvim)
  end)

  case("waits that nest hold the editor up once, for 3 s in all", function(t)
    local nvim =
      t:editor({ options = { binary = t:fake("return { get = function() end }"), cold_wait = 100 } })
    hosts.install(t, nvim, "codecompanion")
    nvim:lua(SETUP, "anthropic", { model = "m" })
    open(nvim)
    hosts.count_waits(nvim)
    nvim:lua([[
      local integration = require("conv.integration")
      vim.defer_fn(function() integration.request("openrouter", integration.OWN) end, 1200)
    ]])
    t:eq(send(nvim, "hello"), nil)
    local waits = nvim:lua("return _G.waits")
    t:ok(#waits >= 3, vim.inspect(waits))
    for _, wait in ipairs(waits) do
      t:ok(wait.from + wait.limit <= waits[1].from + 3010, vim.inspect(waits))
    end
  end)

  case("a token that is on its way is waited for", function(t)
    local sandbox, nvim = hosts.editor(t, "codecompanion", { options = { cold_wait = 1 } })
    hosts.log_in(t, nvim, "anthropic")
    nvim:lua(SETUP, "anthropic")
    nvim:lua('require("conv.backend").stop(); require("conv.credentials").drop("anthropic")')
    open(nvim)
    hosts.answered(t, send(nvim, "hello"), "hello")
    t:eq(hosts.requests(sandbox, "anthropic"), 1)
  end)
end

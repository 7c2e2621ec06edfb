-- The gateway in a host's hands: by itself where the host would show a token, and where it is asked for; the
-- address and the key are the gateway's, so that no token is on a command line.

local hosts = require("hosts")

---What each host is set up and asked with; `sent` is what it would put on a command line.
local HOSTS = {
  gp = {
    setup = [[
      local login, url, gateway = ...
      require("gp").setup({ providers = { mine = { endpoint = url, secret = "convocations" } } })
      require("conv.integrations.gp").follow({ mine = login }, { gateway = gateway })
    ]],
    ask = [[
      require("gp.dispatcher").query("mine", ...)
      vim.wait(5000, function() return require("gp.dispatcher").answer ~= nil end, 5)
      return require("gp.dispatcher").answer or nil
    ]],
  },
  chatgpt = {
    setup = [[
      local login, url, gateway = ...
      require("conv.integrations.chatgpt").follow(login, { gateway = gateway })
      require("chatgpt.api").setup({ url = url })
    ]],
    ask = 'return require("chatgpt.api").chat_completions(...)',
  },
  parrot = {
    setup = [[
      local login, url, gateway = ...
      local opts = { models = { "m" }, endpoint = url, gateway = gateway }
      _G.provider = require("parrot.provider.multi_provider").new(
        require("conv.integrations.parrot").provider(login, opts))
    ]],
    ask = "return _G.provider:query(...)",
  },
  avante = {
    setup = [[
      local login, url, gateway = ...
      local opts = { endpoint = url:gsub("/chat/completions$", ""), gateway = gateway }
      require("avante").setup({ provider = "mine", providers = {
        mine = require("conv.integrations.avante").provider(login, opts) } })
    ]],
    ask = 'return require("avante").ask(...)',
  },
  minuet = {
    setup = [[
      local login, url, gateway = ...
      local opts = { model = "m", end_point = url, gateway = gateway }
      require("minuet.backends.common").options = {
        openai_compatible = require("conv.integrations.minuet").options(login, opts) }
    ]],
    ask = 'return require("minuet.backends.common").complete("openai_compatible", ...)',
  },
  kurama_llm = {
    setup = [[
      local login, url, gateway = ...
      _G.model = require("conv.integrations.kurama_llm").model(login, { model = "m", url = url, gateway = gateway })
    ]],
    ask = 'return require("llm.common.io.parse").GetOutput(_G.model, ...)',
  },
  model = {
    setup = [[
      local login, _, gateway = ...
      local base = require("model.providers.openai")
      _G.prompt = { provider = require("conv.integrations.model").provider(login, base, { gateway = gateway }) }
    ]],
    ask = [[
      require("model.core.chat").run_chat(_G.prompt, ...)
      return require("model.core.chat").answer
    ]],
  },
  hf_llm = {
    asked = true,
    setup = [[
      local login, url, gateway = ...
      require("llm.config").setup({ url = url })
      require("conv.integrations.hf_llm").attach(login, { gateway = gateway })
    ]],
    ask = 'return require("llm.language_server").get_completions(...)',
  },
  codecompanion = {
    setup = [[
      local login, _, gateway = ...
      require("codecompanion").setup({ adapters = { http = {
        mine = require("conv.integrations.codecompanion").adapter(login, { model = "m", gateway = gateway }) } } })
    ]],
    ask = [[
      local host = require("codecompanion")
      _G.chat = _G.chat or host.open("mine")
      return host.send(_G.chat, ...)
    ]],
  },
  copilotchat = {
    setup = [[
      local login, url, gateway = ...
      local opts = { models = { "m" }, get_url = function() return url end, gateway = gateway }
      require("CopilotChat.client").setup({ providers = {
        copilot = { disabled = true },
        mine = require("conv.integrations.copilotchat").provider(login, opts) } })
    ]],
    ask = [[
      local client = require("CopilotChat.client")
      client.ask("mine", "m", ...)
      vim.wait(5000, function() return client.answer or client.shown end, 5)
      return client.answer or { status = 0, body = tostring(client.shown) }
    ]],
  },
}

---An agent (ACP): a program that knows its API by two variables alone, and is sent prompts, a line each.
local AGENT = [[
  package.path = arg[1] .. ";" .. package.path
  for line in io.lines() do
    local answer = require("http").post_json(vim.env.OPENAI_BASE_URL .. "/chat/completions",
      require("curl").question(line), { authorization = "Bearer " .. vim.env.OPENAI_API_KEY })
    io.write(answer.status, " ", (answer.body:gsub("\n", " ")), "\n")
    io.flush()
  end
]]

---How the hosts start one: avante with the variables as they were at setup, codecompanion with what their
---functions say when it connects.
local AGENTS = {
  avante = "local env = require('conv.integrations.avante').agent_env('kimi')\n",
  codecompanion = [[
    local env = vim.tbl_map(function(value) return value() end,
      require("conv.integrations.codecompanion").agent_env("kimi"))
  ]],
}
for name, env in pairs(AGENTS) do
  AGENTS[name] = env
    .. [[
    local script, library = ...
    _G.said, _G.given = "", vim.inspect(env)
    _G.agent = vim.system({ vim.v.progpath, "-l", script, library }, {
      env = env,
      stdin = true,
      stdout = function(_, data) _G.said = _G.said .. (data or "") end,
    })
  ]]
end

---What a host would put on curl's command line is written down.
local WATCH = [[
  _G.command_lines = {}
  local curl = require("curl")
  local post = curl.post
  curl.post = function(url, headers, ...)
    table.insert(_G.command_lines, url .. vim.inspect(headers))
    return post(url, headers, ...)
  end
]]

---@return string[]
local function command_lines(nvim)
  return nvim:lua("return _G.command_lines")
end

local function set_up(t, name, gateway, opts)
  local host = HOSTS[name]
  local sandbox, nvim = hosts.editor(t, name, opts)
  hosts.log_in(t, nvim, "openrouter")
  nvim:lua(WATCH)
  nvim:lua(host.setup, "openrouter", sandbox.url .. hosts.URL.openrouter, gateway)
  return sandbox, nvim, function(text)
    return nvim:lua(host.ask, text)
  end
end

---Requests that the editor's gateway has let in, once it is served.
local function let_in(nvim)
  return nvim:lua([[
    local answer
    require("conv.backend").call("status", {}, function(_, result) answer = result or {} end)
    vim.wait(5000, function() return answer end, 5)
    return answer.gateway and answer.gateway.requests or 0
  ]])
end

return function(case)
  for name, host in vim.spairs(HOSTS) do
    case(name .. ": what it shows is the gateway's key, and its requests go there", function(t)
      local _, nvim, ask = set_up(t, name, host.asked)
      local token = nvim:lua('return require("conv").token("openrouter")')
      hosts.answered(t, ask("one"), "one")
      local door = nvim:lua('return require("conv").gateway("openrouter")')
      local lines = table.concat(command_lines(nvim), "\n")
      t:ok(not lines:find(token, 1, true), "a token on a command line: " .. name)
      t:ok(lines:find(door.key, 1, true) ~= nil, "the gateway's key: " .. lines)
      t:ok(vim.startswith(lines, door.url .. "/"), lines)
      t:eq(let_in(nvim), 1)
      hosts.answered(t, ask("two"), "two")
      t:eq(hosts.warnings(nvim), {})
      hosts.no_error(t, nvim)
    end)

    case(name .. ": its own argument wins over the option", function(t)
      local sandbox, nvim, ask = set_up(t, name, false, { options = { gateway = true } })
      hosts.answered(t, ask("one"), "one")
      t:eq(let_in(nvim), 0)
      t:eq(hosts.requests(sandbox, "openrouter"), 1)
      local _, other, other_ask = set_up(t, name, true, { options = { gateway = false } })
      hosts.answered(t, other_ask("one"), "one")
      t:eq(let_in(other), 1)
    end)
  end

  case("a token that the API refuses is refreshed within the request", function(t)
    local sandbox, nvim = hosts.editor(t, "minuet")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(HOSTS.minuet.setup, "kimi", sandbox.url .. hosts.URL.kimi)
    local old = hosts.revoke(t, sandbox, nvim, "kimi")
    hosts.answered(t, nvim:lua(HOSTS.minuet.ask, "one"), "one")
    hosts.refreshed(t, nvim, "kimi", old)
    t:eq(sandbox:refreshes("kimi.token"), 1)
  end)

  case("logged out: nothing is sent and no port is bound, and after a login the gateway is used", function(t)
    local sandbox, nvim = hosts.editor(t, "gp")
    nvim:lua(HOSTS.gp.setup, "openrouter", sandbox.url .. hosts.URL.openrouter)
    t:eq(nvim:lua(HOSTS.gp.ask, "one"), vim.NIL)
    t:eq(nvim:lua('return require("conv.gateway").status()'), vim.NIL)
    hosts.log_in(t, nvim, "openrouter")
    hosts.answered(t, nvim:lua(HOSTS.gp.ask, "two"), "two")
    t:eq(let_in(nvim), 1)
    hosts.log_out(nvim, "openrouter")
    t:eq(nvim:lua(HOSTS.gp.ask, "three"), vim.NIL)
    t:eq(let_in(nvim), 1)
  end)

  case("what a vendor keeps to itself goes as it is, and who asked for the gateway is told once", function(t)
    for _, asked in ipairs({ false, true }) do
      local sandbox, nvim = hosts.editor(t, "avante", { options = { gateway = asked or "auto" } })
      hosts.log_in(t, nvim, "anthropic")
      nvim:lua(HOSTS.avante.setup, "anthropic", sandbox.url .. "/anthropic")
      for turn = 1, 2 do
        hosts.answered(t, nvim:lua(HOSTS.avante.ask, "hello " .. turn), "hello " .. turn)
      end
      t:eq(let_in(nvim), 0)
      if asked then
        t:wait("the reason", function()
          return nvim:said("keeps this login to `anthropic` to its own programs")
        end)
      end
      t:eq(#hosts.warnings(nvim), asked and 1 or 0, vim.inspect(nvim:notes()))
    end
  end)

  case(
    "an address beside the login's API, and a proxy before this machine, leave the token as it is",
    function(t)
      local sandbox, nvim = hosts.editor(t, "minuet")
      hosts.log_in(t, nvim, "openrouter")
      nvim:lua(HOSTS.minuet.setup, "openrouter", sandbox.url .. "/openrouter/api/elsewhere")
      nvim:lua(HOSTS.minuet.ask, "one")
      local token = "Bearer " .. nvim:lua('return require("conv").token("openrouter")')
      t:eq(nvim:lua('return require("minuet.backends.common").sent.headers.authorization'), token)
      nvim:lua(HOSTS.minuet.setup, "openrouter", sandbox.url .. hosts.URL.openrouter)
      nvim:lua('vim.env.http_proxy, vim.env.NO_PROXY = "http://127.0.0.1:9", ""')
      nvim:lua(HOSTS.minuet.ask, "two")
      t:eq(nvim:lua('return require("minuet.backends.common").sent.headers.authorization'), token)
      nvim:lua('vim.env.NO_PROXY = "example.com, 127.0.0.1"')
      nvim:lua(HOSTS.minuet.ask, "three")
      t:ok(nvim:lua('return require("minuet.backends.common").sent.headers.authorization') ~= token)
      t:eq(hosts.warnings(nvim), {})
    end
  )

  case("in a fast event the first request is not sent, and the next one goes to the gateway", function(t)
    local _, nvim = set_up(t, "minuet")
    local FAST = [[
      _G.seen = nil
      local timer = vim.uv.new_timer()
      timer:start(0, 0, function()
        local ok, answer = pcall(require("minuet.backends.common").complete, "openai_compatible", "hello")
        _G.seen = { ok = ok, status = ok and answer.status or answer }
        timer:close()
      end)
      vim.wait(5000, function() return _G.seen end, 5)
      return _G.seen
    ]]
    t:eq(nvim:lua(FAST), { ok = true, status = 0 })
    t:wait("the gateway", function()
      nvim:lua(FAST) -- the token comes first
      return nvim:lua('return require("conv.gateway").status()') ~= vim.NIL
    end)
    hosts.answered(t, nvim:lua(HOSTS.minuet.ask, "later"), "later")
    t:eq(let_in(nvim), 1)
  end)

  case("a list of models is asked for at the gateway too", function(t)
    t:file("convocations/config.toml", '[store]\nbackend = "local-encrypted"\n')
    local nvim = t:real({ env = { ANTHROPIC_API_KEY = "sk-ant-api03-planted" } })
    hosts.install(t, nvim, "codecompanion")
    nvim:lua(HOSTS.codecompanion.setup, "anthropic")
    nvim:lua('_G.chat = require("codecompanion").open("mine")')
    local door = nvim:lua('return require("conv").gateway("anthropic")')
    local asked = nvim:lua('return require("codecompanion.adapters").asked')
    t:eq(#asked, 1)
    t:eq(asked[1].url, door.url .. "/v1/models")
    t:eq(asked[1].headers["x-api-key"], door.key)

    local _, other = set_up(t, "avante")
    local models = other:lua('return require("avante.providers").get("mine"):list_models()')
    t:eq(models[1].id, "sandbox/parrot")
    t:eq(let_in(other), 1)
    t:ok(not vim.startswith(other:lua('return require("avante.providers").get("mine").endpoint'), door.url))
  end)

  case("an agent gets the gateway's address and key by the variables that it reads", function(t)
    local _, nvim = hosts.editor(t, "avante")
    local door = nvim:lua('return require("conv").gateway("anthropic")')
    local wanted =
      { ANTHROPIC_API_BASE = door.url, ANTHROPIC_API_KEY = door.key, ANTHROPIC_BASE_URL = door.url }
    t:eq(nvim:lua('return require("conv.integrations.avante").agent_env("anthropic")'), wanted)
    t:eq(
      nvim:lua([[
        return vim.tbl_map(function(value) return value() end,
          require("conv.integrations.codecompanion").agent_env("anthropic"))
      ]]),
      wanted
    )
    local openai = nvim:lua('return require("conv.integrations.avante").agent_env("groq")')
    door = nvim:lua('return require("conv").gateway("groq")')
    t:eq(openai.OPENAI_BASE_URL, door.url .. "/v1")
    t:eq(openai.OPENAI_API_KEY, door.key)
    t:eq(nvim:lua('return require("conv.backend").state()'), "stopped")
  end)

  for name, connect in vim.spairs(AGENTS) do
    case(name .. ": an agent that it starts is served, also when its token has ended meanwhile", function(t)
      local sandbox, nvim = hosts.editor(t, name)
      hosts.log_in(t, nvim, "kimi")
      nvim:lua(connect, t:file("agent.lua", AGENT), t.root .. "/tests/nvim/lib/?.lua")
      local function prompt(text)
        nvim:lua("_G.said = '' _G.agent:write(... .. '\\n')", text)
        return t:wait("the agent", function()
          return nvim:lua("return _G.said"):match("^(.*)\n")
        end)
      end
      t:match(prompt("one"), "^200 .*You said: one")
      local old = hosts.revoke(t, sandbox, nvim, "kimi")
      t:match(prompt("two"), "^200 .*You said: two")
      hosts.refreshed(t, nvim, "kimi", old)
      t:eq(sandbox:refreshes("kimi.token"), 1)
      t:ok(not nvim:lua("return _G.given"):find(old, 1, true), "a token in the environment of an agent")
      nvim:lua("_G.agent:write(nil)")
    end)
  end
end

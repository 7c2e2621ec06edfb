-- avante.nvim: a key for each request, an address from setup, and a key prompt of its own that has to stay
-- away.

local hosts = require("hosts")

local SETUP = [[
  local login, opts = ...
  require("avante").setup({
    provider = "mine",
    providers = { mine = require("conv.integrations.avante").provider(login, opts) },
  })
]]

local function set_up(nvim, sandbox, login)
  local endpoints = { anthropic = "/anthropic", openrouter = "/openrouter/api/v1" }
  nvim:lua(SETUP, login, { endpoint = sandbox.url .. endpoints[login], model = "m" })
end

local function ask(nvim, text)
  local answer = nvim:lua('return require("avante").ask(...)', text)
  return answer ~= vim.NIL and answer or nil
end

return function(case)
  case("each request has the token of its moment", function(t)
    local sandbox, nvim = hosts.editor(t, "avante")
    hosts.log_in(t, nvim, "anthropic")
    set_up(nvim, sandbox, "anthropic")
    hosts.answered(t, ask(nvim, "one"), "one")
    hosts.rotate(t, sandbox, nvim, "anthropic")
    hosts.answered(t, ask(nvim, "two"), "two")
    local headers = nvim:lua('return require("avante").sent.headers')
    t:eq(headers["anthropic-beta"], "prompt-caching-2024-07-31,oauth-2025-04-20")
    t:eq(headers["x-api-key"], nil)
  end)

  case("setup, window and model selector start nothing and prompt for nothing", function(t)
    local sandbox, nvim = hosts.editor(t, "avante")
    set_up(nvim, sandbox, "openrouter")
    t:eq(nvim:lua('return require("avante").selectable()'), { "mine" })
    t:eq(nvim:lua('return package.loaded["conv"] ~= nil'), false)
    nvim:lua('require("avante").open()')
    hosts.told(t, nvim, "openrouter")
    t:eq(nvim:lua('return require("avante.providers").popup'), vim.NIL)
    t:eq(nvim:window(), nil)
  end)

  case("logged out: no request, and the command to type; a login mends it", function(t)
    local sandbox, nvim = hosts.editor(t, "avante")
    set_up(nvim, sandbox, "openrouter")
    t:eq(ask(nvim, "hello"), nil)
    hosts.told(t, nvim, "openrouter")
    t:eq(hosts.requests(sandbox, "openrouter"), 0)
    hosts.log_in(t, nvim, "openrouter")
    hosts.answered(t, ask(nvim, "again"), "again")
  end)

  case("after a logout nothing is sent", function(t)
    local sandbox, nvim = hosts.editor(t, "avante")
    hosts.log_in(t, nvim, "openrouter")
    set_up(nvim, sandbox, "openrouter")
    hosts.answered(t, ask(nvim, "one"), "one")
    local before = hosts.requests(sandbox, "openrouter")
    hosts.log_out(nvim, "openrouter")
    t:eq(ask(nvim, "two"), nil)
    t:eq(hosts.requests(sandbox, "openrouter"), before)
    hosts.told(t, nvim, "openrouter")
  end)

  case(
    "a suggestion while a person types waits no longer than a completion, a message they send does",
    function(t)
      local nvim =
        t:editor({ options = { binary = t:fake("return { get = function() end }"), cold_wait = 50 } })
      hosts.install(t, nvim, "avante")
      nvim:lua(SETUP, "anthropic", { model = "m", endpoint = "http://127.0.0.1:9" })
      hosts.count_waits(nvim)
      nvim:lua([[vim.keymap.set("i", "<F5>", function() _G.asked = { require("avante").ask("hello") } end)]])
      nvim:type("i<F5>")
      t:wait("the suggestion", function()
        return nvim:lua("return _G.asked") ~= vim.NIL
      end)
      t:ok(hosts.longest_wait(nvim) <= 50, "waited " .. hosts.longest_wait(nvim))
      nvim:lua("_G.asked = nil; vim.bo.filetype = 'AvanteInput'")
      nvim:type("<F5>")
      t:wait("the message", function()
        return nvim:lua("return _G.asked") ~= vim.NIL
      end)
      t:ok(hosts.longest_wait(nvim) > 2000, "waited " .. hosts.longest_wait(nvim))
    end
  )

  case("a message in avante's window has the account of the code that it is about", function(t)
    local sandbox, nvim = hosts.editor(t, "avante")
    hosts.log_in(t, nvim, "openrouter")
    set_up(nvim, sandbox, "openrouter")
    nvim:lua([[
      vim.b.conv_login = "openrouter@work"
      require("avante").open()
      vim.cmd("new")
      vim.bo.filetype = "AvanteInput"
    ]])
    t:eq(ask(nvim, "hello"), nil)
    t:eq(hosts.requests(sandbox, "openrouter"), 0)
    t:wait("the message", function()
      return #hosts.hints(nvim, "openrouter@work") > 0
    end)
  end)

  case("a token that the API refuses is refreshed for the next request, and the error shown", function(t)
    local sandbox, nvim = hosts.editor(t, "avante")
    hosts.log_in(t, nvim, "anthropic")
    set_up(nvim, sandbox, "anthropic")
    local old = hosts.revoke(t, sandbox, nvim, "anthropic")
    t:eq(ask(nvim, "one").status, 401)
    t:ok(nvim:said("failed with status 401"), "avante's own message")
    hosts.refreshed(t, nvim, "anthropic", old)
    hosts.answered(t, ask(nvim, "two"), "two")
  end)

  case("a key that the API refuses is said too", function(t)
    local sandbox, nvim = hosts.editor(t, "avante")
    hosts.log_in(t, nvim, "openrouter")
    set_up(nvim, sandbox, "openrouter")
    hosts.revoke(t, sandbox, nvim, "openrouter")
    t:eq(ask(nvim, "one").status, 401)
    t:wait("the message", function()
      return nvim:said("failed with status 401")
    end)
    hosts.no_error(t, nvim)
  end)

  case("a credential goes to its own server alone", function(t)
    local sandbox, nvim = hosts.editor(t, "avante")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", { model = "m" })
    t:eq(ask(nvim, "hello"), nil)
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url) .. ", not for https://openrouter.ai")
    end)
  end)

  case("a provider of one's own without an address is not sent to another's", function(t)
    local _, nvim = hosts.editor(t, "avante")
    nvim:lua(SETUP, "mycorp", { model = "m" })
    t:wait("the message", function()
      return nvim:said("Give `endpoint`")
    end)
    t:match(nvim:lua('return require("avante.config").providers.mine.endpoint'), "^http://127.0.0.1")
  end)

  case("what the person adds to the headers stays", function(t)
    local sandbox, nvim = hosts.editor(t, "avante")
    hosts.log_in(t, nvim, "openrouter")
    local endpoint = sandbox.url .. "/openrouter/api/v1"
    nvim:lua(SETUP, "openrouter", { endpoint = endpoint, extra_headers = { ["X-Title"] = "mine" } })
    hosts.answered(t, ask(nvim, "hello"), "hello")
    t:eq(nvim:lua('return require("avante").sent.headers["X-Title"]'), "mine")
  end)

  case("no backend: no request, and it says why", function(t)
    local nvim = hosts.without_backend(t, "avante")
    nvim:lua(SETUP, "openrouter", { model = "m" })
    t:eq(ask(nvim, "hello"), nil)
    t:wait("the message", function()
      return nvim:said("`binary` names no program")
    end)
    hosts.no_error(t, nvim)
  end)
end

-- One login in many places: two editors, refreshes pushed to memory, backends that die, editors that close.

local flows = require("flows")
local person = require("person")
local processes = require("processes")

---Counts what this editor's client sends from now on.
local COUNT_CALLS = [[
  _G.sent = 0
  local notify = vim.rpcnotify
  vim.rpcnotify = function(...) _G.sent = _G.sent + 1 return notify(...) end
]]

return function(case)
  case("a login in one editor shows in the other within a second", function(t)
    local sandbox = t:sandbox()
    local one, two = t:real(), t:real()
    two:lua('require("conv").status()')
    t:eq({ flows.token(two, "openrouter") }, { nil, "not_logged_in" })
    flows.log_in(t, one, "openrouter")
    t:wait("the other editor", function()
      return two:lua("return vim.g.conv_status") == "◎ openrouter"
    end, 1000)
    t:ok(two:lua('return require("conv").is_logged_in("openrouter")'))
    t:ok(flows.works(sandbox, two, "openrouter"))
    t:wait("the use to show", function()
      return two:lua("return vim.g.conv_status") == "● openrouter"
    end)
    t:eq(#two:events("ConvLogin"), 1)
    one:cmd("ConvLogout openrouter")
    t:wait("the other editor", function()
      return two:lua("return vim.g.conv_status") == "○ logged out"
    end, 2000)
    t:eq({ flows.token(two, "openrouter") }, { nil, "not_logged_in" })
  end)

  case("a login shows in an editor that has started nothing", function(t)
    t:sandbox()
    local one, two = t:real(), t:real()
    t:eq(two:lua('return require("conv").status().text'), "○ logged out")
    flows.log_in(t, one, "openrouter")
    t:wait("the other editor", function()
      return two:lua("return vim.g.conv_status") == "◎ openrouter"
    end, 1000)
    t:eq(two:lua('return require("conv.backend").state()'), "stopped")
  end)

  case("after the first call the token comes from memory, without a call to the backend", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "anthropic")
    local first = flows.token(nvim, "anthropic")
    nvim:lua(COUNT_CALLS)
    for _ = 1, 10 do
      t:eq(flows.token(nvim, "anthropic"), first)
    end
    t:eq(nvim:lua("return _G.sent"), 0)
    t:eq(sandbox:refreshes("anthropic.token"), 0)
  end)

  case("a refresh by anybody is pushed to memory", function(t)
    local sandbox = t:sandbox()
    local one, two = t:real(), t:real()
    flows.log_in(t, one, "anthropic")
    local old = t:ok(flows.token(one, "anthropic"))
    t:eq(flows.token(two, "anthropic"), old)
    two:lua(
      'require("conv").invalidate("anthropic", ..., function(e, c) _G.new = c and c.token or e.code end)',
      old
    )
    local new = t:wait("the refresh", function()
      local seen = two:lua("return _G.new")
      return seen ~= vim.NIL and seen
    end)
    t:ok(new ~= old and #new > 10, new)
    t:wait("the memory of the first", function()
      return one:lua('return require("conv.credentials").held.anthropic.token') == new
    end)
    t:eq(sandbox:refreshes("anthropic.token"), 1)
    t:wait("the event", function()
      return #one:events("ConvRefresh") == 1
    end)
    -- The old token refused once more: there is a newer one, and nobody is asked.
    one:lua(
      'require("conv").invalidate("anthropic", ..., function(e, c) _G.new = c and c.token or e.code end)',
      old
    )
    t:wait("the newer token", function()
      return one:lua("return _G.new") == new
    end)
    t:eq(sandbox:refreshes("anthropic.token"), 1)
  end)

  case("a token that has lapsed is refreshed at the next call", function(t)
    local sandbox = t:sandbox()
    sandbox:control("lifetime", { seconds = 302 })
    local nvim = t:real()
    flows.log_in(t, nvim, "anthropic")
    local old = flows.token(nvim, "anthropic")
    sandbox:control("lifetime", { seconds = 28800 })
    local new = t:wait("another token", function()
      local now = flows.token(nvim, "anthropic")
      return now ~= old and now
    end, 10000)
    t:ok(new)
    t:eq(sandbox:refreshes("anthropic.token"), 1)
    t:ok(flows.works(sandbox, nvim, "anthropic"))
  end)

  case("a backend killed in the middle of a login: said, nothing stored, and it works again", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real()
    flows.begin(t, nvim, flows.BY_CALLBACK.openrouter)
    vim.uv.kill(flows.backend_pid(t, nvim), "sigkill")
    t:eq(flows.complete(t, nvim, 1).error.code, "backend_crashed")
    flows.sees(t, nvim, "ended unexpectedly")
    flows.log_in(t, nvim, "openrouter")
    t:ok(flows.works(sandbox, nvim, "openrouter"))
  end)

  case("a backend killed in the middle of a get: an error, and it works again", function(t)
    local sandbox = t:sandbox()
    sandbox:control("lifetime", { seconds = 100 })
    local nvim = t:real()
    flows.log_in(t, nvim, "anthropic")
    sandbox:control("lifetime", { seconds = 28800 })
    sandbox:fault("anthropic.token", { hold = "refresh" })
    nvim:lua([[
      require("conv").get("anthropic", { min_validity = 3000 }, function(err, credential)
        _G.answer = err and err.code or credential.token
      end)
    ]])
    t:wait("the refresh to begin", function()
      return sandbox:refreshes("anthropic.token") > 0
    end)
    vim.uv.kill(flows.backend_pid(t, nvim), "sigkill")
    t:wait("the error", function()
      return nvim:lua("return _G.answer") == "backend_crashed"
    end)

    require("http").request("DELETE", sandbox.url .. "/_control/fault")
    t:wait("a token", function()
      return flows.token(nvim, "anthropic")
    end)
    t:ok(flows.works(sandbox, nvim, "anthropic"))
  end)

  case(":q in the middle leaves no process, no listener and no lock", function(t)
    t:sandbox()
    local nvim = t:real()
    local url = flows.begin(t, nvim, flows.BY_CALLBACK.openrouter)
    local port = tonumber(require("http").query(url).callback_url:match(":(%d+)"))
    t:ok(processes.listening()[port], "it listens")
    local backend = flows.backend_pid(t, nvim)
    nvim:lua_later("vim.cmd('qall')")
    t:wait("every process to end", function()
      return #processes.of(t.dir) == 0 and not processes.runs(backend)
    end)
    t:ok(not processes.listening()[port], "a listener is left")
    local again = t:real()
    flows.log_in(t, again, "openrouter")
  end)

  case("an editor killed in the middle leaves no process and no listener", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.begin(t, nvim, flows.BY_CALLBACK.anthropic)
    local backend = flows.backend_pid(t, nvim)
    vim.uv.kill(nvim.pid, "sigkill")
    t:wait("every process to end", function()
      return #processes.of(t.dir) == 0 and not processes.runs(backend)
    end)
    flows.log_in(t, t:real(), "anthropic")
  end)

  case("the person stays in command while a login waits", function(t)
    t:sandbox()
    local nvim = t:real()
    local url = flows.begin(t, nvim, flows.BY_CALLBACK.openrouter)
    nvim:cmd("wincmd p")
    nvim:type("ihello<Esc>")
    t:wait("the text", function()
      return nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, 1, true)[1]") == "hello"
    end)
    person.visit(person.approve(url))
    t:ok(flows.complete(t, nvim).ok)
    t:eq(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, 1, true)[1]"), "hello")
  end)
end

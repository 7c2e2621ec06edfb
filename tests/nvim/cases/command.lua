-- A credential that a command gives: waited for with a word to the person, never by blocking, and cancelled
-- by them.

local ASKING = [[
  local waiting
  return {
    get = function(params, reply)
      waiting = reply
      backend.event("waiting", { login = params.login, program = "op", seconds = 600, done = false })
    end,
    ["command.cancel"] = function(_, reply)
      reply(nil, vim.empty_dict())
      backend.event("waiting", { login = "openai", program = "op", seconds = 600, done = true })
      waiting({ code = "cancelled", message = "Waiting for `op` was cancelled." })
    end,
  }
]]

local function ask(nvim)
  nvim:lua([[
    _G.answers = {}
    require("conv").get("openai", nil, function(err, credential)
      table.insert(_G.answers, err and err.code or credential.token)
    end)
  ]])
end

---@return string every message so far
local function notes(nvim)
  return nvim:lua("return table.concat(vim.tbl_map(function(n) return n.text end, _G.notes), '\\n')")
end

---The settings of a command, in the person's own file.
local function configure(t, script, more)
  local program = t:file("vault", "#!/bin/sh\n" .. script .. "\n", 448)
  t:file(
    "convocations/convocations.toml",
    ('[store]\nbackend = "local-encrypted"\n[providers.openai]\nsources = ["command"]\n[providers.openai.command]\nargv = ["%s"]\n%s\n'):format(
      program,
      more or ""
    )
  )
end

return function(case)
  case("it is said what is waited for, and cancel() ends it", function(t)
    local nvim = t:editor({ options = { binary = t:fake(ASKING), cold_wait = 50 } })
    ask(nvim)
    t:wait("the word", function()
      return notes(nvim):find(
        "Waiting for `op`, for `openai`. It may want a password or a fingerprint.",
        1,
        true
      )
    end)
    t:match(notes(nvim), "cancel%(%)` ends it")
    t:eq(nvim:lua("return _G.answers"), {})
    nvim:lua('require("conv").cancel()')
    t:wait("the answer", function()
      return vim.deep_equal(nvim:lua("return _G.answers"), { "cancelled" })
    end)
    nvim:lua('require("conv").cancel()')
  end)

  case("fidget shows it for as long as it is waited for", function(t)
    local nvim = t:editor({ options = { binary = t:fake(ASKING), cold_wait = 50 } })
    nvim:lua([[
      _G.shown = {}
      package.loaded.fidget = {}
      package.loaded["fidget.notification"] = { notify = function(text, _, opts)
        table.insert(_G.shown, { text, opts.ttl == math.huge })
      end }
    ]])
    ask(nvim)
    t:wait("the report", function()
      return #nvim:lua("return _G.shown") == 1
    end)
    t:match(nvim:lua("return _G.shown[1][1]"), "^Waiting for `op`")
    t:eq(nvim:lua("return #_G.notes"), 0, "not twice")
    nvim:lua('require("conv").cancel()')
    t:wait("its end", function()
      local shown = nvim:lua("return _G.shown")
      return #shown == 2 and not shown[2][2]
    end)
  end)

  case("a call waits as long as its command may take, unless its caller said how long", function(t)
    local nvim = t:editor({ options = { binary = t:fake(ASKING), cold_wait = 50 } })
    nvim:lua("require('conv.protocol').deadlines.get = 1200")
    ask(nvim)
    t:wait("the word", function()
      return notes(nvim):find("Waiting for `op`", 1, true)
    end)
    nvim:lua([[
      require("conv").get("openai", { timeout = 1500, min_validity = 60 }, function(err) _G.own = err and err.code end)
      vim.wait(1600)
    ]])
    t:wait("the caller's own limit", function()
      return nvim:lua("return _G.own") == "timeout"
    end)
    t:eq(nvim:lua("return _G.answers"), {}, "the other one waits on")
  end)

  case("an answer is used until its time is over, and then asked for again", function(t)
    local script = [[
      local n = 0
      return { get = function(params, reply)
        n = n + 1
        reply(nil, backend.credential({ login = params.login, token = "tok-" .. n, source = "command", revision = 0,
          use_until = os.time() + (n == 1 and 1 or 600), expires_at = os.time() + 99999 }))
      end }
    ]]
    local nvim = t:editor({ options = { binary = t:fake(script), cold_wait = 5000 } })
    local function token()
      return nvim:lua('return require("conv").token("openai")')
    end
    t:eq(token(), "tok-1")
    t:wait("the next one", function()
      return token() == "tok-2"
    end)
    t:eq(token(), "tok-2")
  end)

  case("a real command answers, whatever it waits for, and the editor is not held up", function(t)
    configure(t, "while [ ! -e '" .. t.dir .. "/finger' ]; do sleep 0.02; done; echo key-of-the-vault")
    local nvim = t:real({ options = { cold_wait = 100 } })
    local took = nvim:lua([[
      local began = vim.uv.hrtime()
      local token, err = require("conv").token("openai")
      assert(token == nil and err.code == "starting", vim.inspect(err))
      return (vim.uv.hrtime() - began) / 1e6
    ]])
    t:ok(took < 5000, "held up for " .. took .. " ms")
    t:wait("the word", function()
      return notes(nvim):find("Waiting for `vault`", 1, true)
    end)
    t:eq(nvim:lua('return require("conv").status("openai").state'), "refreshing")
    t:file("finger", "")
    t:wait("the token", function()
      return nvim:lua('return require("conv").token("openai")') == "key-of-the-vault"
    end)
    local shown = nvim:lua('return require("conv").status("openai")')
    t:eq({ shown.state, shown.source }, { "valid", "command" })
    nvim:cmd("ConvStatus")
    t:wait("the window", function()
      return nvim:window_text():find("a command", 1, true)
    end)
  end)

  case("a command that was not needed yet is ready, and looking at it runs nothing", function(t)
    configure(t, "touch '" .. t.dir .. "/ran'; echo key")
    local nvim = t:real()
    nvim:cmd("ConvStatus")
    t:wait("its line", function()
      local text = nvim:window_text()
      return text:find("ready", 1, true) and text:find("a command", 1, true)
    end)
    nvim:type("q")
    nvim:cmd("checkhealth conv")
    local page = table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
    t:match(page, "openai: ready, from a command")
    t:eq(vim.uv.fs_stat(t.dir .. "/ran"), nil)
  end)

  case("a command in the editor's own options is refused", function(t)
    t:file("convocations/convocations.toml", "")
    local command = { argv = { "/bin/echo", "key" } }
    local nvim =
      t:real({ options = { providers = { openai = { sources = { "command" }, command = command } } } })
    local err = nvim:lua('local _, err = require("conv").token("openai"); return err')
    t:eq(err.code, "config_invalid")
    t:match(err.message, "a project may set these options")
  end)

  case("what the index keeps beside logins is not shown as one", function(t)
    t:file(
      "convocations/credentials.toml",
      'version = 1\n[logins."corp@oauth-client"]\nbackend = "keyring"\naccount = "x"\nmethod = "m"\nkind = "api-key"\n'
        .. '[logins."openai@command-answer"]\nbackend = "keyring"\naccount = "y"\nmethod = "m"\nkind = "api-key"\n'
    )
    local nvim = t:editor({ options = { binary = "/nowhere" } })
    t:eq(nvim:lua('return vim.tbl_keys(require("conv.index").read())'), {})
  end)
end

-- Finding the program, and building it where it is missing. `make` and `cargo` are stand-ins.

---An editor whose plugin folder is empty, and whose `make` does what is given.
local function begin(t, make)
  local bin = t.dir .. "/bin"
  t:file("bin/cargo", "#!/bin/sh\nexit 0\n", 448)
  t:file("bin/make", "#!/bin/sh\n" .. make .. "\n", 448)
  local nvim = t:editor({ env = { PATH = bin .. ":/usr/bin:/bin" } })
  vim.fn.mkdir(t.dir .. "/plugin-folder", "p")
  nvim:lua(
    "local dir = ...; require('conv.binary').root = function() return dir end",
    t.dir .. "/plugin-folder"
  )
  nvim:lua([[
    _G.asked = {}
    vim.ui.select = function(items, opts, choose)
      table.insert(_G.asked, opts.prompt)
      choose(items[_G.choice or 1])
    end
  ]])
  return nvim
end

return function(case)
  case("the option first, then the plugin's own build, then $PATH", function(t)
    local nvim = begin(t, "exit 1")
    local function found()
      return nvim:lua(
        "local f, e = require('conv.binary').find(); return { f and f.path, f and f.how, e and e.hint }"
      )
    end
    t:match(found()[3], "make build")
    t:file("bin/convocations", "#!/bin/sh\n", 448)
    t:eq(found()[1], t.dir .. "/bin/convocations")
    t:file("plugin-folder/target/release/convocations", "#!/bin/sh\n", 448)
    t:eq(found()[1], t.dir .. "/plugin-folder/target/release/convocations")
    t:file("mine", "#!/bin/sh\n", 448)
    nvim:lua("require('conv').setup({ binary = ... })", t.dir .. "/mine")
    t:eq(found()[1], t.dir .. "/mine")
  end)

  case("only absolute folders of $PATH are looked at: nothing of the current folder runs", function(t)
    local nvim = begin(t, "exit 1")
    t:file("clone/convocations", "#!/bin/sh\n", 448)
    t:file("clone/inside/convocations", "#!/bin/sh\n", 448)
    nvim:cmd("cd " .. t.dir .. "/clone")
    nvim:lua("vim.env.PATH = ...", ":.:inside::" .. t.dir .. "/nowhere")
    t:eq(nvim:lua("return vim.fn.executable('convocations')"), 1, "Neovim would take it")
    t:eq(nvim:lua("return { require('conv.binary').find() }")[1], vim.NIL)
    -- As on Windows, where the current folder comes before all of $PATH.
    nvim:lua([[
      local has = vim.fn.has
      vim.fn.has = function(what) return what == "win32" and 1 or has(what) end
      vim.env.PATH = [=[.;;C:bin;\bin;%CD%]=]
    ]])
    t:eq(nvim:lua("return { require('conv.binary').in_path('convocations') }"), {})
    nvim:lua(
      "vim.env.PATH = [=[C:\\bin;D:/tools]=]; vim.fn.executable = function(path) _G.tried = path; return 0 end"
    )
    nvim:lua("require('conv.binary').in_path('convocations')")
    t:match(nvim:lua("return _G.tried"), "^D:/tools/convocations%.")
    nvim:lua("require('conv').setup({ binary = 'convocations' })")
    t:eq(nvim:lua("return select(2, require('conv.binary').find()).code"), "config_invalid")
  end)

  case("where it is missing, the first command offers to build it, shows progress, and goes on", function(t)
    local fake = t:fake("return { providers = function(_, reply) reply(nil, { providers = {} }) end }")
    local target = t.dir .. "/plugin-folder/target/release"
    local nvim = begin(
      t,
      ("test $1 = build || exit 9; printf Compiling; sleep 0.1; echo ' convocations'; sleep 0.3; mkdir -p %s; cp %s %s/convocations"):format(
        target,
        fake,
        target
      )
    )
    nvim:cmd("ConvLogin anthropic")
    t:wait("the progress", function()
      return nvim:window_text():find("Compiling convocations")
    end)
    -- Built, started, and asked: this backend knows no provider.
    t:wait("the rest of the login", function()
      return nvim:said("There is no provider `anthropic`")
    end)
    t:eq(#nvim:lua("return _G.asked"), 1)
    t:eq(nvim:window(), nil)
  end)

  case("no to the build, a failing build, and a cancelled one are said", function(t)
    local nvim = begin(t, "echo error: no linker >&2; exit 2")
    nvim:lua("_G.choice = 2")
    nvim:cmd("ConvLogin anthropic")
    t:wait("the message", function()
      return nvim:said("not here yet")
    end)
    nvim:lua("_G.choice = 1")
    nvim:cmd("ConvLogin anthropic")
    t:wait("the message", function()
      return nvim:said("could not be built. The window shows why")
    end)
    t:match(nvim:window_text(), "error: no linker\n.*q close", "the compiler's own words stay")
    nvim:type("q")
    t:wait("the end of the window", function()
      return nvim:window() == nil
    end)
    local slow = begin(t, "exec sleep 20")
    slow:cmd("ConvLogin anthropic")
    t:wait("the seconds", function()
      return slow:window_text():find("cancel · [1-9] s")
    end)
    slow:cmd("ConvLogin openrouter")
    t:wait("the refusal", function()
      return slow:said("A login is under way already")
    end)
    local timers = [[
      local count = 0
      vim.uv.walk(function(handle) count = count + (handle:get_type() == "timer" and handle:is_active() and 1 or 0) end)
      return count
    ]]
    local before = slow:lua(timers)
    slow:cmd("quit")
    t:wait("the message", function()
      return slow:said("The build was cancelled")
    end)
    t:eq(slow:lua(timers), before - 1, "timers that run on")
  end)

  case(
    "the option `install` has it built without a question, or never; conv.cancel() ends a build",
    function(t)
      local nvim = begin(t, "exec sleep 20")
      nvim:lua("require('conv').setup({ install = false })")
      nvim:cmd("ConvLogin anthropic")
      t:wait("the message", function()
        return nvim:said("not here yet")
      end)
      nvim:lua("require('conv').setup({ install = 'build' })")
      nvim:cmd("ConvLogin anthropic")
      t:wait("the build", function()
        return nvim:window_text():find("cancel · ")
      end)
      nvim:lua("require('conv').cancel()")
      t:wait("its end", function()
        return nvim:window() == nil
      end)
      t:eq(nvim:lua("return _G.asked"), {})
    end
  )

  case("without Rust it says where to get it", function(t)
    local nvim = begin(t, "exit 1")
    vim.uv.fs_unlink(t.dir .. "/bin/cargo")
    nvim:lua("vim.env.PATH = ...", t.dir .. "/bin")
    nvim:cmd("ConvLogin anthropic")
    t:wait("the message", function()
      return nvim:said("rustup")
    end)
  end)

  case(":checkhealth looks at the callback port of config.toml", function(t)
    t:file("convocations/config.toml", "[callback]\nport = 0\n")
    local nvim = t:editor({ options = { binary = t.program() } })
    nvim:cmd("checkhealth conv")
    local text = table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
    t:match(text, "A login takes any free port")
  end)

  case("only a command asks: the API does not", function(t)
    local nvim = begin(t, "exit 1")
    t:eq(nvim:lua('local _, e = require("conv").token("anthropic"); return e.code'), "backend_missing")
    nvim:cmd("ConvStatus")
    t:wait("the window", function()
      return nvim:window_text():find("not here yet")
    end)
    t:eq(nvim:lua("return _G.asked"), {})
  end)

  case(":checkhealth says what is there and what is not", function(t)
    local nvim = begin(t, "exit 1")
    local function health()
      nvim:cmd("checkhealth conv")
      return table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
    end
    local text = health()
    t:match(text, "ERROR The backend program is not here yet")
    t:match(text, "make build")
    local fake = t:fake(
      "return { hello = function(p, reply) reply(nil, { callback_port = p.options.callback.port }) end, status = function(_, reply) reply(nil, { logins = { backend.status({ source = 'login', expires_at = os.time() + 600 }), backend.status({ login = 'openai', state = 'needs_login', needs_login = 'It was revoked.' }) }, store = { backend = 'keyring', reason = 'It answers.' } }) end }"
    )
    nvim:lua("require('conv').setup({ binary = ..., browser = true, callback = { port = 0 } })", fake)
    text = health()
    t:match(text, "It runs: version 0.1.0, protocol 1, process %d+")
    t:match(text, "New logins go to: keyring. It answers.")
    t:match(text, "OK anthropic: logged in, 10 min left")
    t:match(text, "WARNING openai: log in again%. It was revoked")
    t:match(text, ":ConvLogin openai")
    t:match(text, "OK Only you can read the files")
    t:match(text, "A login takes any free port")
    t:match(text, "NVIM v[%d%.]+[^\n]*\n%- [^\n]*The options are valid")
    vim.uv.fs_chmod(t.dir .. "/convocations", 493) -- 0755
    local socket = assert(vim.uv.new_tcp())
    socket:bind("127.0.0.1", 0)
    socket:listen(1, function() end)
    local port = socket:getsockname().port
    nvim:lua("require('conv').setup({ binary = (...), callback = { port = select(2, ...) } })", fake, port)
    text = health()
    socket:close()
    t:match(text, "chmod 700 " .. vim.pesc(t.dir) .. "/convocations")
    t:match(text, "callback port " .. port .. " cannot be used %(EADDRINUSE")
    vim.uv.fs_chmod(t.dir .. "/convocations", 320) -- 0500
    text = health()
    t:match(text, "ERROR " .. vim.pesc(t.dir) .. "/convocations cannot be written")
    t:match(text, "chmod 700 " .. vim.pesc(t.dir) .. "/convocations")
    t:ok(not text:find("Others may") and not text:find("OK New logins"), text)
    vim.uv.fs_chmod(t.dir .. "/convocations", 448)
    nvim:lua("require('conv').setup({ wrong = 1 })")
    text = health()
    t:match(text, "ERROR `wrong` is not an option")
    t:eq(select(2, text:gsub("`wrong` is not an option", "")), 1, "it is said once")
    nvim:lua("require('conv').setup('wrong')")
    t:match(health(), "See :help |conv%-options|%.\n")
  end)

  case("SSH, containers and the option decide about the browser", function(t)
    local function browser(env, set)
      local nvim = t:editor({ env = env, options = { binary = t.program(), browser = set } })
      nvim:lua("require('conv.backend').call('providers', {}, function(err) _G.answered = err or 'well' end)")
      t:wait("the backend", function()
        return nvim:lua("return _G.answered ~= nil")
      end)
      t:eq(nvim:lua("return _G.answered"), "well")
      return nvim:lua("return { require('conv.environment').browser() }")
    end
    t:eq(browser({ SSH_TTY = "/dev/pts/1" }), { false, "connected over SSH" })
    t:eq(browser({ WSL_DISTRO_NAME = "Debian" }), { false, "inside WSL" })
    t:eq(browser({ SSH_TTY = "/dev/pts/1", BROWSER = "code --wait" }), { true })
    t:eq(browser({ SSH_TTY = "/dev/pts/1" }, true), { true })
  end)
end

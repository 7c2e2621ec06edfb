-- The client: every call is answered exactly once, whatever the backend does, and nothing outlives the
-- editor.

local GOOD = "return { get = function(_, reply) reply(nil, backend.credential()) end }"

local runs = require("processes").runs

local HELLO_PID = 'local h = require("conv.backend").hello(); return h and h.pid'

local ANSWERS = [[
  _G.answers = _G.answers or {}
  local name = ...
  require("conv").get(name, nil, function(err, credential)
    table.insert(_G.answers, { name = name, code = err and err.code, hint = err and err.hint, token = credential and credential.token })
  end)
]]

return function(case)
  case("nothing runs and nothing is loaded before first use", function(t)
    local nvim = t:editor({ options = { binary = t:fake(GOOD) } })
    nvim:cmd("doautocmd CursorHold")
    local loaded = nvim:lua([[
      return vim.tbl_filter(function(name) return vim.startswith(name, "conv") end, vim.tbl_keys(package.loaded))
    ]])
    table.sort(loaded)
    -- The idle event reads the options, because of `preload`; it starts nothing.
    t:eq(vim.list_contains(loaded, "conv.backend"), false, "backend loaded")
    t:eq(
      #nvim:lua("return vim.api.nvim_list_chans()"),
      nvim:lua("return #vim.tbl_filter(function(c) return c.stream ~= 'job' end, vim.api.nvim_list_chans())")
    )
  end)

  case("answers that come out of order reach the right callers", function(t)
    local nvim = t:editor({
      options = {
        binary = t:fake([[
          local kept
          return { get = function(params, reply)
            if not kept then kept = { params.login, reply } return end
            reply(nil, backend.credential({ login = params.login, token = params.login }))
            kept[2](nil, backend.credential({ login = kept[1], token = kept[1] }))
          end }
        ]]),
      },
    })
    nvim:lua(ANSWERS, "anthropic")
    nvim:lua(ANSWERS, "openrouter")
    local answers = t:wait("both answers", function()
      local seen = nvim:lua("return _G.answers")
      return #seen == 2 and seen
    end)
    t:eq(
      answers,
      { { name = "openrouter", token = "openrouter" }, { name = "anthropic", token = "anthropic" } }
    )
  end)

  case("callers that ask for the same at once share one call", function(t)
    local script =
      "local n = 0; return { get = function(_, reply) n = n + 1; local mine = n; backend.after(100, function() reply(nil, backend.credential({ token = 'call ' .. mine })) end) end }"
    local nvim = t:editor({ options = { binary = t:fake(script) } })
    nvim:lua("_G.answers = {}")
    for _ = 1, 5 do
      nvim:lua(ANSWERS, "anthropic")
    end
    local answers = t:wait("all answers", function()
      local seen = nvim:lua("return _G.answers")
      return #seen == 5 and seen
    end)
    for _, answer in ipairs(answers) do
      t:eq(answer.token, "call 1")
    end
  end)

  case("a notice of what was dealt with is told, and is no error for those who listen", function(t)
    local script = [[
      return { get = function(_, reply)
        backend.event("log", { level = "info", code = "store_unwritable", message = "Kept elsewhere." })
        backend.event("log", { level = "warn", code = "login_expired", message = "It has ended." })
        reply(nil, backend.credential())
      end }
    ]]
    local nvim = t:editor({ options = { binary = t:fake(script) } })
    nvim:lua(ANSWERS, "anthropic")
    local errors = t:wait("the error behind it", function()
      local seen = nvim:events("ConvError")
      return #seen > 0 and seen
    end)
    t:eq({ #errors, errors[1].error.code }, { 1, "login_expired" })
    t:wait("the notice", function()
      return nvim:said("Kept elsewhere")
    end)
  end)

  case("a call past its deadline is answered with `timeout`, and its late reply is ignored", function(t)
    local script =
      "return { get = function(_, reply) backend.after(400, function() reply(nil, backend.credential()); backend.event('log', { level = 'info', message = 'Sent late.' }) end) end }"
    local nvim = t:editor({ options = { binary = t:fake(script) } })
    nvim:lua('require("conv.backend").start()')
    t:wait("the backend", function()
      return nvim:lua('return require("conv.backend").state()') == "ready"
    end)
    nvim:lua([[
      _G.answers = {}
      require("conv").get("anthropic", { timeout = 100 }, function(err) table.insert(_G.answers, err and err.code or "none") end)
    ]])
    t:wait("the answer", function()
      return #nvim:lua("return _G.answers") == 1
    end)
    t:wait("the late reply", function()
      return nvim:said("Sent late")
    end)
    t:eq(nvim:lua("return _G.answers"), { "timeout" })
  end)

  case("every method of the protocol has a deadline, and a call without one is an error", function(t)
    local methods = {}
    local table_of_methods =
      table.concat(vim.fn.readfile(t.root .. "/doc/rpc.md"), "\n"):match("## Methods(.-)\nParameters of ")
    for method in table_of_methods:gmatch("\n| `([%w.]+)`") do
      table.insert(methods, method)
    end
    t:ok(#methods >= 10, "the methods are found")
    local nvim = t:editor({ options = { binary = t:fake(GOOD) } })
    local known = nvim:lua("return vim.tbl_keys(require('conv.protocol').deadlines)")
    table.sort(methods)
    table.sort(known)
    t:eq(known, methods)
    local ok = nvim:lua("return pcall(require('conv.calls').add, 'nosuch', {}, nil, function() end)")
    t:eq(ok, false)
  end)

  case("killed in the middle of a get: an error, then it works again", function(t)
    local mark = t.dir .. "/crashed"
    local nvim = t:editor({
      options = {
        binary = t:fake(([[
          return { get = function(_, reply)
            if vim.uv.fs_stat(%q) then return reply(nil, backend.credential()) end
            io.open(%q, "w"):close()
            backend.crash()
          end }
        ]]):format(mark, mark)),
      },
    })
    nvim:lua(ANSWERS, "anthropic")
    local first = t:wait("the error", function()
      return nvim:lua("return _G.answers[1]") ~= vim.NIL and nvim:lua("return _G.answers[1]")
    end)
    t:eq(first.code, "backend_crashed")
    nvim:lua(ANSWERS, "anthropic")
    local second = t:wait("the token", function()
      local seen = nvim:lua("return _G.answers[2]")
      return seen ~= vim.NIL and seen
    end)
    t:eq(second.token, "tok-1")
  end)

  case("it starts again by itself and asks anew for what is held", function(t)
    local nvim = t:editor({
      options = {
        binary = t:fake(
          "local n = 0; return { get = function(_, reply) reply(nil, backend.credential()) end }"
        ),
        cold_wait = 5000,
      },
    })
    nvim:lua('require("conv").token("anthropic")')
    local pid = nvim:lua(HELLO_PID)
    vim.uv.kill(pid, "sigkill")
    t:wait("another backend", function()
      local now = nvim:lua(HELLO_PID)
      return now ~= vim.NIL and now ~= pid
    end)
    t:eq(nvim:lua('return require("conv").token("anthropic")'), "tok-1")
  end)

  case("three crashes in a row: it stays off, says so once, and starts when a person asks", function(t)
    local mark = t.dir .. "/mended"
    local script =
      "return { hello = function(_, reply) if not vim.uv.fs_stat(%q) then return backend.crash() end reply(nil, { protocol = 1, version = '0.1.0', pid = 1 }) end }"
    local nvim = t:editor({ options = { binary = t:fake(script:format(mark)), cold_wait = 0 } })
    nvim:lua(ANSWERS, "anthropic")
    t:wait("the message", function()
      return nvim:said("ended 3 times within 10 s") and nvim:said(":ConvStatus")
    end)
    t:match(nvim:lua("return vim.g.conv_status"), "backend down")
    local code = nvim:lua('local _, e = require("conv").token("openrouter"); return e.code')
    t:eq(code, "backend_crashed")
    vim.wait(600)
    t:eq(nvim:lua('return require("conv.backend").state()'), "down")
    io.open(mark, "w"):close()
    nvim:cmd("ConvStatus")
    t:wait("the backend", function()
      return nvim:lua('return require("conv.backend").state()') == "ready"
    end)
    t:eq(#vim.tbl_filter(function(note)
      return note.text:find("3 times") ~= nil
    end, nvim:notes()), 1)
  end)

  case("a protocol that does not match is said, and not asked again at once", function(t)
    local script =
      "return { hello = function(_, reply) reply({ code = 'protocol_mismatch', message = 'The backend speaks protocol 2.', hint = 'Update the plugin.' }) end }"
    local nvim = t:editor({ options = { binary = t:fake(script), cold_wait = 3000 } })
    local answer = nvim:lua('local _, e = require("conv").token("anthropic"); return { e.code, e.hint }')
    t:eq(answer, { "protocol_mismatch", "Update the plugin." })
    t:eq(nvim:lua('return require("conv.backend").state()'), "down")
  end)

  case("a backend whose answer is of another protocol is not used, and told which side to update", function(t)
    for answered, side in pairs({ [0] = "backend", [99] = "plugin" }) do
      local script = ("return { hello = function(_, reply) reply(nil, { protocol = %d, version = '9', pid = 1 }) end }"):format(
        answered
      )
      local nvim = t:editor({ options = { binary = t:fake(script), cold_wait = 3000 } })
      local answer = nvim:lua('local _, e = require("conv").token("anthropic"); return e')
      t:eq(answer.code, "protocol_mismatch")
      t:match(answer.hint, "Update the " .. side)
      t:eq(nvim:lua('return require("conv.backend").state()'), "down")
      nvim:kill()
    end
  end)

  case("a backend that cannot start says why in the message, and is not tried again and again", function(t)
    local starts = t.dir .. "/starts"
    local broken =
      "#!/bin/sh\necho x >> %s\necho 'bin: error while loading shared libraries: libdbus-1.so.3: cannot open' >&2\nexit 127\n"
    local nvim =
      t:editor({ options = { binary = t:file("bin", broken:format(starts), 448), cold_wait = 3000 } })
    local answer = nvim:lua('local _, e = require("conv").token("anthropic"); return e')
    t:eq(answer.code, "backend_missing")
    t:match(answer.message, "cannot start: bin: error while loading shared libraries: libdbus%-1%.so%.3")
    nvim:lua('require("conv").token("openai")')
    t:eq(#vim.fn.readfile(starts), 1, "starts")
    local real =
      t:editor({ options = { binary = t.program(), cold_wait = 5000 }, env = { CONVOCATIONS_DIR = "rel" } })
    answer = real:lua('local _, e = require("conv").token("anthropic"); return e')
    t:match(answer.message, "cannot start: `CONVOCATIONS_DIR` is not an absolute path%.")
    t:match(answer.hint, "Set it to a folder's full path")
    real:cmd("ConvStatus")
    t:wait("the reason in the window", function()
      return real:window_text():gsub("%s+", " "):find("`CONVOCATIONS_DIR` is not an absolute path%. Set it")
    end)
  end)

  case("a backend that is started and says nothing is named as that", function(t)
    local binary = t:file("bin", "#!/bin/sh\necho 'waiting for a lock' >&2\nexec sleep 60\n", 448)
    local nvim = t:editor({ options = { binary = binary } })
    nvim:lua("require('conv.protocol').deadlines.hello = 1500")
    nvim:cmd("ConvLogin")
    t:wait("the waiting", function()
      return nvim:said("The backend is starting…")
    end)
    nvim:cmd("ConvStatus")
    t:wait("the reason", function()
      return nvim
        :window_text()
        :gsub("%s+", " ")
        :find("started and does not answer%. It said last: waiting for a lock")
    end)
  end)

  case("a program that refuses and does not end is ended: none pile up", function(t)
    local script =
      "return { hello = function(_, reply) reply({ code = 'protocol_mismatch', message = 'No.' }) end }"
    local stubborn = ('#!/bin/sh\necho $$ >> "%s/pids"\n"%s" "$@"\nexec sleep 60\n'):format(
      t.dir,
      t:fake(script)
    )
    local nvim = t:editor({ options = { binary = t:file("stubborn", stubborn, 448), cold_wait = 5000 } })
    local code = nvim:lua('local _, e = require("conv").token("anthropic"); return e.code')
    t:eq(code, "protocol_mismatch")
    local pid = tonumber(vim.fn.readfile(t.dir .. "/pids")[1])
    t:wait("the end of the program", function()
      return not runs(pid)
    end)
  end)

  case("a missing program is an error with the way to build it, never a Lua trace", function(t)
    local nvim = t:editor({ options = { binary = t.dir .. "/nowhere" } })
    local answer = nvim:lua('local _, e = require("conv").token("anthropic"); return e')
    t:eq(answer.code, "backend_missing")
    nvim:cmd("ConvLogin anthropic")
    t:wait("the message", function()
      return nvim:said("names no program")
    end)
  end)

  case("a listener that fails leaks no argument and stops no other", function(t)
    local nvim = t:editor({ options = { binary = t:fake(GOOD) } })
    nvim:lua([[
      local conv = require("conv")
      conv.get("anthropic", nil, function(_, credential) error("bad " .. credential.token .. "-planted-secret-0123456789") end)
      conv.get("anthropic", nil, function(_, credential) _G.second = credential.token end)
    ]])
    t:wait("the other", function()
      return nvim:lua("return _G.second") == "tok-1"
    end)
    local messages = nvim:lua('return vim.fn.execute("messages")')
    t:ok(not messages:find("0123456789", 1, true), messages)
  end)

  case("changed options reach the backend", function(t)
    local script =
      "local o; return { hello = function(p, reply) o = p.options; reply(nil, { protocol = 1, version = '0.1.0', pid = vim.uv.os_getpid() }) end, get = function(_, reply) reply(nil, backend.credential({ token = vim.json.encode(o) })) end }"
    local nvim =
      t:editor({ options = { binary = t:fake(script), cold_wait = 5000, refresh = { margin = 7 } } })
    t:eq(vim.json.decode(nvim:lua('return require("conv").token("anthropic")')), { refresh = { margin = 7 } })
    nvim:lua('require("conv").setup({ refresh = { margin = 9 }, cold_wait = 4000 })')
    t:eq(
      vim.json.decode(nvim:lua('return require("conv").token("openrouter")')),
      { refresh = { margin = 9 } }
    )
  end)

  case("the backend ends with the editor: by :q, and when the editor is killed", function(t)
    for _, how in ipairs({ "quit", "kill" }) do
      local nvim = t:editor({ options = { binary = t:fake(GOOD), cold_wait = 5000 } })
      nvim:lua('require("conv").token("anthropic")')
      local pid = nvim:lua(HELLO_PID)
      t:ok(runs(pid), "it runs")
      if how == "quit" then
        nvim:lua_later("vim.cmd('qall!')")
      else
        vim.uv.kill(nvim.pid, "sigkill")
      end
      t:wait("the end of the backend after " .. how, function()
        return not runs(pid)
      end)
    end
  end)

  case("stderr of the backend goes to a file, redacted, and to no screen", function(t)
    local script =
      "io.stderr:write('panicked with sk-or-v1-0123456789abcdef0123\\n'); return { get = function(_, reply) reply(nil, backend.credential()) end }"
    local nvim = t:editor({ options = { binary = t:fake(script), cold_wait = 5000 } })
    nvim:lua('require("conv").token("anthropic")')
    local path = nvim:lua('return require("conv.process").stderr_file()')
    local text = t:wait("the file", function()
      local file = io.open(path)
      local all = file and file:read("a")
      return all and all:find("panicked") and all
    end)
    t:ok(not text:find("0123456789", 1, true), text)
    t:eq(vim.uv.fs_stat(path).mode % 512, 384, "mode of the file")
  end)

  case(":checkhealth names the file with what a program that does not run has said", function(t)
    local binary = t:file("bin", "#!/bin/sh\necho no such library >&2\nexit 127\n", 448)
    local nvim = t:editor({ options = { binary = binary } })
    nvim:cmd("checkhealth conv")
    local text = table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
    local path = text:match("It says more in (%S+)")
    t:eq(vim.fn.readfile(t:ok(path, text)), { "no such library" })
    t:eq(vim.uv.fs_stat(path).mode % 512, 384, "its mode")
  end)

  case("a log folder that cannot be made is no error", function(t)
    local script =
      "io.stderr:write('panicked\\n'); return { get = function(_, reply) reply(nil, backend.credential()) end }"
    local options = { binary = t:fake(script), cold_wait = 5000 }
    local nvim = t:editor({ options = options, env = { XDG_STATE_HOME = "/proc/nowhere" } })
    t:eq(nvim:lua('return require("conv").token("anthropic")'), "tok-1")
    t:eq(nvim:lua("return vim.v.errmsg .. vim.fn.execute('messages')"), "")
  end)
end

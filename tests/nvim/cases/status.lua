-- What others see: the statusline's text and its states, the events, `conv.status()`, the window of
-- `:ConvStatus`.

---A backend whose logins are what the file `state.lua` in its folder says; it looks again when told by `get`.
local SCRIPT = [[
  local seq = 0
  return {
    status = function(_, reply) reply(nil, { logins = dofile("state.lua"), store = { backend = "local-encrypted", reason = "No keyring answers." } }) end,
    get = function(params, reply)
      seq = seq + 1
      backend.event("changed", { seq = seq, logins = dofile("state.lua") })
      reply(nil, backend.credential({ login = params.login, revision = 0, source = "env:X" }))
    end,
    logout = function(params, reply) reply(nil, { login = params.login, revoked = "unsupported", message = "Logged out of " .. params.login .. "." }) end,
  }
]]

local function set(t, source)
  t:file("state.lua", "return " .. source)
end

---@return table
local function begin(t, source, options)
  set(t, source)
  local nvim =
    t:editor({ options = vim.tbl_extend("force", { binary = t:fake(SCRIPT), icons = false }, options or {}) })
  nvim:lua('require("conv").get("other", nil, function() end)')
  t:wait("the backend's word", function()
    return nvim:lua('return require("conv").status().store ~= nil')
  end)
  return nvim
end

---Lets the backend tell what the file says now, and waits until it has: calls at the same time would be one.
local function change(nvim)
  nvim:lua([[
    local done = false
    require("conv").get("other", { min_validity = 99999 }, function() done = true end)
    vim.wait(5000, function() return done end, 1)
  ]])
end

local function shows(t, nvim, text)
  t:wait("the text " .. text .. ", not " .. tostring(nvim:lua("return vim.g.conv_status")), function()
    return nvim:lua("return vim.g.conv_status") == text
  end)
end

local function login(fields)
  return (
    vim
      .inspect(vim.tbl_extend("force", { login = "anthropic", provider = "anthropic", revision = 1 }, fields))
      :gsub("\n", " ")
  )
end

return function(case)
  case("each state has its text, in ASCII and with signs", function(t)
    local states = {
      logged_out = { "- logged out", "○ logged out" },
      valid = { "+ anthropic", "● anthropic" },
      refreshing = { "~ anthropic: refreshing", "↻ anthropic: refreshing" },
      stored = { "+ anthropic", "◎ anthropic" },
      expiring = { "~ anthropic: refresh due", "◔ anthropic: refresh due" },
      needs_login = { "! anthropic: log in again", "◇ anthropic: log in again" },
      error = { "! anthropic: error", "✗ anthropic: error" },
    }
    local ascii = begin(t, "{}")
    for state, texts in pairs(states) do
      set(t, "{" .. login({ state = state }) .. "}")
      change(ascii)
      shows(t, ascii, texts[1])
    end
    local signs = begin(t, "{}", { icons = { valid = "OK" } })
    for state, texts in pairs(states) do
      set(t, "{" .. login({ state = state }) .. "}")
      change(signs)
      shows(t, signs, state == "valid" and "OK anthropic" or texts[2])
    end
  end)

  case("window, statusline, :checkhealth and r say a state in the same words", function(t)
    local nvim = begin(t, "{}", { browser = false })
    local states = nvim:lua("return require('conv.protocol').states")
    t:ok(#states >= 8, "the states are found")
    for _, state in ipairs(states) do
      local known = state.name ~= "logged_out" and state.name ~= "logging_in"
      local fields = { state = state.name, name = "Anthropic", source = "login", method = "subscription" }
      if state.weight == "error" then
        fields.error = { code = "keyring_locked", message = "It is locked.", hint = "Unlock it." }
      end
      set(t, "{" .. login(fields) .. "}")
      change(nvim)
      nvim:cmd("ConvStatus")
      t:wait(state.name .. " in the window", function()
        return nvim:window_text():find("anthropic +" .. vim.pesc(state.word))
      end)
      nvim:lua("vim.iter(_G.notes):each(function() end); _G.notes = {}")
      nvim:type(known and "r" or "")
      t:wait(state.name .. " as the answer to r", function()
        return not known or nvim:said("^anthropic: " .. vim.pesc(state.word))
      end)
      nvim:type("q")
      local text = nvim:lua("return vim.g.conv_status")
      t:ok(state.weight == "ok" or state.name == "logged_out" or text:find(state.word, 1, true), text)
      nvim:cmd("checkhealth conv")
      local page = table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
      local signs = { ok = "OK", warn = "WARNING", error = "ERROR", info = "%-" }
      local sign = signs[state.weight]
      if sign then
        t:match(page, sign .. " anthropic: " .. vim.pesc(state.word))
      end
      t:eq(page:find("OK anthropic") ~= nil, state.weight == "ok", state.name)
      nvim:cmd("bwipeout!")
    end
  end)

  case("an answer that was long on its way says nothing against what is newer", function(t)
    local nvim = t:editor({
      options = {
        icons = false,
        binary = t:fake([[
      local asked
      local function one(state) return { backend.status({ login = "anthropic", state = state }) } end
      local store = { backend = "local-encrypted", reason = "No keyring answers." }
      return {
        status = function(_, reply) asked = reply end,
        get = function(params, reply)
          backend.event("changed", { seq = 2, logins = one("valid") })
          asked(nil, { seq = 1, logins = one("error"), store = store })
          reply(nil, backend.credential({ login = params.login }))
        end,
      }
    ]]),
      },
    })
    nvim:lua('require("conv").get("anthropic", nil, function() end)')
    t:wait("what the answer says of the store", function()
      return nvim:lua('return require("conv").status().store ~= nil')
    end)
    t:eq(nvim:lua("return vim.g.conv_status"), "+ anthropic")
  end)

  case("several logins: the most urgent state speaks, and many become a number", function(t)
    local nvim = begin(
      t,
      ("{ %s, %s }"):format(login({ state = "valid" }), login({ login = "openai", state = "valid" }))
    )
    shows(t, nvim, "+ anthropic, openai")
    set(
      t,
      ("{ %s, %s, %s }"):format(
        login({ state = "valid" }),
        login({ login = "openai", state = "valid" }),
        login({ login = "xai", state = "valid" })
      )
    )
    change(nvim)
    shows(t, nvim, "+ anthropic +2")
    set(
      t,
      ("{ %s, %s }"):format(login({ state = "valid" }), login({ login = "openai", state = "needs_login" }))
    )
    change(nvim)
    shows(t, nvim, "! openai: log in again")
  end)

  case("a message that is too long for its line asks for no key, and is in :messages whole", function(t)
    local nvim = t:editor({ options = { binary = t:fake(SCRIPT) } })
    vim.rpcrequest(nvim.channel, "nvim_ui_attach", 80, 24, vim.empty_dict())
    local long = "There is no keyring. "
      .. ("The login is kept elsewhere "):rep(4)
      .. "until one works. The end."
    nvim:lua(
      [[
      vim.notify = _G.builtin_notify
      require("conv.config").get().notify = nil
      require("conv.notify").say(..., vim.log.levels.WARN)
    ]],
      long
    )
    t:wait("the message", function()
      return not vim.rpcrequest(nvim.channel, "nvim_get_mode").blocking
        and nvim:lua("return vim.fn.execute('messages')"):find("The end.", 1, true) ~= nil
    end)
    t:eq(vim.rpcrequest(nvim.channel, "nvim_get_mode").blocking, false)
    local function shown()
      return vim.trim(nvim:lua([[
        return vim.iter(vim.fn.range(1, vim.o.columns)):map(function(column)
          return vim.fn.screenstring(vim.o.lines, column)
        end):join("")
      ]]))
    end
    t:eq(shown(), "conv: There is no keyring. … :messages")
    -- A window of ours that opens now leaves it there.
    nvim:lua("_G.window = require('conv.ui.progress').open('Something')")
    nvim:lua("vim.cmd.redraw()")
    t:match(shown(), "^conv: There is no keyring%. … :messages")
    nvim:lua("_G.window:close()")
    t:eq(nvim:lua("return vim.o.messagesopt"), "hit-enter,history:500")
    nvim:lua("require('conv.notify').say(('one sentence without an end '):rep(9))")
    t:wait("the second message", function()
      return nvim:lua("return vim.fn.execute('messages')"):find("one sentence", 1, true)
    end)
    t:eq(vim.rpcrequest(nvim.channel, "nvim_get_mode").blocking, false)
  end)

  case("two messages at once stand beside each other, the answer first, and news is told once", function(t)
    local nvim = t:editor({ options = { binary = t:fake(SCRIPT) } })
    nvim:lua([[
      vim.notify = _G.builtin_notify
      local notify = require("conv.notify")
      notify.say("There is no keyring.", vim.log.levels.WARN)
      notify.answer("Logged in.")
      notify.say("There is no keyring.", vim.log.levels.WARN)
    ]])
    t:wait("the messages", function()
      return nvim:lua("return vim.trim(vim.fn.execute('messages'))")
        == "conv: Logged in. There is no keyring."
    end)
  end)

  case("a notifier that shows titles is not told ours twice", function(t)
    local nvim = t:editor({ options = { binary = t:fake(SCRIPT) } })
    nvim:lua([[
      vim.notify = function(text, _, opts) _G.got = { text, opts.title } end
      require("conv.notify").answer("Done.")
    ]])
    t:wait("the message", function()
      return nvim:lua("return _G.got ~= nil")
    end)
    t:eq(nvim:lua("return _G.got"), { "Done.", "Convocations" })
  end)

  case("a vim.notify that is a table, or that fails, loses no message", function(t)
    local nvim = t:editor({ options = { binary = t:fake(SCRIPT) } })
    vim.rpcrequest(nvim.channel, "nvim_ui_attach", 80, 24, vim.empty_dict())
    nvim:lua([[
      _G.got = {}
      vim.notify = setmetatable({}, { __call = function(_, text) table.insert(_G.got, text) end })
      require("conv.notify").say(("Too long for the line. "):rep(9))
    ]])
    t:wait("the message in the table", function()
      return #nvim:lua("return _G.got") == 1
    end)
    nvim:lua("vim.notify = function() error('no') end; require('conv.notify').say('Not lost.')")
    t:wait("the message, shown plainly", function()
      return nvim:lua("return vim.fn.execute('messages')"):find("conv: Not lost.", 1, true)
    end)
  end)

  case("the text is written on change only", function(t)
    local nvim = begin(t, "{" .. login({ state = "valid" }) .. "}")
    shows(t, nvim, "+ anthropic")
    nvim:cmd("function! Count(d, k, z)\n let g:writes = get(g:, 'writes', 0) + 1\n endfunction")
    nvim:cmd("call dictwatcheradd(g:, 'conv_status', 'Count')")
    change(nvim)
    change(nvim)
    set(t, "{}")
    change(nvim)
    shows(t, nvim, "- logged out")
    t:eq(nvim:lua("return vim.g.writes"), 1)
  end)

  case("events: login, refresh and logout by anybody, each once", function(t)
    local nvim = begin(t, "{" .. login({ state = "logged_out", revision = 0 }) .. "}")
    shows(t, nvim, "- logged out")
    local steps = {
      { state = "valid", revision = 1 },
      { state = "refreshing", revision = 1 },
      { state = "valid", revision = 2 },
      { state = "logged_out", revision = 0 },
    }
    for _, step in ipairs(steps) do
      set(t, "{" .. login(step) .. "}")
      change(nvim)
      t:wait("state " .. step.state, function()
        local seen = nvim:lua('return require("conv").status("anthropic")')
        return seen.state == step.state and seen.revision == step.revision
      end)
    end
    t:wait("the last event", function()
      return #nvim:events("ConvLogout") > 0
    end)
    local names = vim.tbl_map(
      function(event)
        return event.name
      end,
      vim.tbl_filter(function(event)
        return event.name ~= "ConvStatus"
      end, nvim:lua("return _G.events"))
    )
    t:eq(names, { "ConvLogin", "ConvRefresh", "ConvLogout" })
    t:ok(#nvim:events("ConvStatus") >= 4, "ConvStatus")
  end)

  case("older news does not overwrite newer", function(t)
    local nvim = begin(t, "{" .. login({ state = "valid" }) .. "}")
    shows(t, nvim, "+ anthropic")
    nvim:lua([[
      local on_event = require("conv.backend").on_event
      on_event("changed", { seq = 50, logins = { { login = "xai", provider = "xai", state = "valid", revision = 1 } } })
      on_event("changed", { seq = 49, logins = {} })
    ]])
    t:eq(nvim:lua('return require("conv").status("xai").state'), "valid")
    t:eq(nvim:lua("return vim.g.conv_status"), "+ xai")
  end)

  case("before the backend runs, the plain index answers, and shows changes by others", function(t)
    local nvim = t:editor({ options = { binary = "/nonexistent", icons = false } })
    t:eq(nvim:lua('return require("conv").is_logged_in("anthropic")'), false)
    t:eq(nvim:lua('return require("conv").status().text'), "- logged out")
    local index =
      'version = 1\n[logins.anthropic]\nbackend = "keyring"\nmethod = "subscription"\nkind = "oauth"\nidentity = "me@example.com"\nrevision = 3\n'
    t:file("convocations/credentials.toml", index)
    t:eq(nvim:lua('return require("conv").is_logged_in("anthropic")'), true)
    t:eq(nvim:lua('return require("conv").status("anthropic").identity'), "me@example.com")
    t:file(
      "convocations/credentials.toml",
      index .. '[logins."openai@work"]\nneeds_login = "refresh token revoked"\n'
    )
    t:wait("the statusline to follow", function()
      return nvim:lua("return vim.g.conv_status") == "! openai@work: log in again"
    end, 2000)
    t:eq(nvim:lua('return require("conv").is_logged_in("openai@work")'), false)
    t:eq(nvim:lua('return require("conv.backend").state()'), "stopped")
  end)

  case("a login made just when the watching begins is seen", function(t)
    local nvim = t:editor({ options = { binary = "/nonexistent", icons = false } })
    local path = t:file("convocations/credentials.toml", "version = 1\n")
    -- The watcher's first look waits behind whatever else has to be done off the main thread.
    nvim:lua(
      [[
      for _ = 1, 4 do
        vim.uv.new_work(function() os.execute("sleep 0.3") end, function() end):queue()
      end
      assert(require("conv").status().text == "- logged out")
      vim.fn.writefile({ "version = 1", "[logins.xai]", 'kind = "api-key"' }, (...))
      ]],
      path
    )
    t:wait("the statusline to follow", function()
      return nvim:lua("return vim.g.conv_status") == "+ xai"
    end)
  end)

  case("the index reader skips what it does not know, and never fails", function(t)
    local nvim = t:editor()
    local function parse(text)
      return nvim:lua('return require("conv.index").parse(...)', text)
    end
    t:eq(parse(""), vim.empty_dict())
    t:eq(parse("[[[\n=\n]"), vim.empty_dict())
    local seen = parse(
      '[notices]\nmethod = "x"\n[logins."a@b"] \r\nidentity = "a \\"b\\""\nexpires_at = 12 # end\nciphertext = "AAAA"\nscopes = ["x"]\n[logins.c]\n[other]\nmethod="no"'
    )
    t:eq(seen["a@b"].identity, 'a "b"')
    t:eq(seen["a@b"].expires_at, 12)
    t:eq(seen["a@b"].account, "b")
    t:eq(seen["c"].state, "stored")
    t:eq(seen["c"].method, nil)
    t:ok(not vim.inspect(seen):find("AAAA"), "the blob is kept")
  end)

  case(":ConvStatus shows every login, follows changes, and its keys act on the line", function(t)
    local nvim = begin(
      t,
      ("{ %s, %s }"):format(
        login({
          state = "valid",
          identity = "me@example.com",
          method = "subscription",
          store = "keyring",
          source = "login",
          expires_at = os.time() + 7400,
        }),
        login({
          login = "openrouter",
          state = "error",
          error = { code = "network", message = "No network.", hint = "Try later." },
        })
      )
    )
    nvim:cmd("ConvStatus")
    local text = t:wait("the window", function()
      local seen = nvim:window_text()
      return seen:find("me@example.com") and seen:find("local%-encrypted") and seen
    end)
    t:match(text, "subscription · keyring · me@example.com · 2 h 0%d min left")
    t:match(text, "No network. Try later.")
    t:match(nvim:head(), "l log in.*x log out.*r refresh.*? all keys.*q close")
    for _, line in ipairs(nvim:window()) do
      t:ok(vim.fn.strdisplaywidth(line) <= 76, "too wide: " .. line)
    end
    -- One x asks; another line is another login.
    nvim:type("x")
    t:wait("the question", function()
      return nvim:window_text():find("Press x again")
    end)
    nvim:type("G")
    t:wait("its end", function()
      return not nvim:window_text():find("Press x again")
    end)
    nvim:type("gg/anthropic\rxx")
    t:wait("the logout", function()
      return nvim:window_text():find("Logged out of anthropic")
    end)
    set(t, "{}")
    change(nvim)
    t:wait("the window to follow", function()
      return nvim:window_text():find("Nobody is logged in")
    end)
    nvim:type("q")
    t:wait("the end of the window", function()
      return nvim:window() == nil
    end)
  end)

  case(":ConvLogout with nothing but a key from a variable", function(t)
    local nvim = begin(t, "{" .. login({ state = "valid", source = "env:ANTHROPIC_API_KEY" }) .. "}")
    nvim:cmd("ConvLogout")
    t:wait("the message", function()
      return nvim:said("There is no login to log out of. `:ConvStatus` shows")
    end)
  end)

  case(":ConvStatus at 80×24 and at 40×10 stays on the screen, and its texts in the window", function(t)
    local nvim = begin(t, "{" .. login({ state = "needs_login", needs_login = ("word "):rep(40) }) .. "}")
    nvim:cmd("ConvStatus")
    for _, size in ipairs({ { 80, 24 }, { 40, 10 } }) do
      nvim:lua("vim.o.columns, vim.o.lines = ...; vim.cmd.doautocmd('VimResized')", size[1], size[2])
      local config =
        nvim:lua("local c = vim.api.nvim_win_get_config(0); return { c.row, c.col, c.width, c.height }")
      t:ok(config[1] >= 0 and config[1] + config[4] + 2 <= size[2], "rows " .. vim.inspect(config))
      t:ok(config[2] >= 0 and config[2] + config[3] + 2 <= size[1], "columns " .. vim.inspect(config))
      for _, line in ipairs(nvim:window()) do
        t:ok(vim.fn.strdisplaywidth(line) <= config[3], line)
      end
    end
  end)

  case("the lualine component shows the variable and loads nothing else", function(t)
    local nvim = t:editor({ options = { binary = "/nonexistent", icons = false } })
    local seen = nvim:lua([[
      package.loaded["lualine.component"] = { extend = function() return { super = { init = function() end } } end }
      local component = require("lualine.components.conv")
      local before = component.update_status()
      component.init({}, {})
      return { before = before, loaded = package.loaded["conv.backend"] ~= nil }
    ]])
    t:eq(seen, { before = "", loaded = false })
    t:wait("the first text", function()
      return nvim:lua('return require("lualine.components.conv").update_status()') == "- logged out"
    end)
    t:eq(nvim:lua('return package.loaded["conv.backend"] ~= nil and require("conv.backend").state()'), false)
  end)
end

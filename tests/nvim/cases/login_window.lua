-- The conversation, against a backend that does as told: what the person sees at each stage, and each way it
-- ends.

---Two providers; `login.start` runs what the case gives.
---@param methods string
---@return string
local function script(methods)
  return ([[
    local id = 0
    local function started(reply) id = id + 1; reply(nil, { id = id }) end
    local function event(stage, fields)
      backend.event("login", vim.tbl_extend("force", { id = id, login = "anthropic", method = "subscription", stage = stage }, fields or {}))
    end
    local function open_url(fields)
      event("open-url", vim.tbl_extend("force", { url = "http://127.0.0.1:9/authorize?state=planted-state-1234567890&" .. ("x"):rep(300),
        input = "code", loopback = true, port = 3000, expires_at = os.time() + 300 }, fields or {}))
    end
    local base = {
      status = function(_, reply) reply(nil, { logins = {
        backend.status({ state = "logged_out", revision = 0 }),
        backend.status({ login = "openai", provider = "openai", source = "env:OPENAI_API_KEY" }),
        backend.status({ login = "openrouter", provider = "openrouter", method = "browser", identity = "me@example.com" }) } }) end,
      providers = function(_, reply)
        reply(nil, { providers = {
          { id = "anthropic", name = "Anthropic", builtin = true, logins = {}, env = {}, methods = {
            { id = "subscription", label = "Claude subscription", grant = "authorization-code", default = true,
              notice = "These are the terms.", notice_confirmed = true },
            { id = "api-key", label = "API key", grant = "api-key" } } },
          { id = "openrouter", name = "OpenRouter", builtin = true, logins = { "openrouter" }, env = {}, methods = {
            { id = "browser", label = "Browser", grant = "mint-key", default = true, needs_browser = true } } } } })
      end,
      ["login.start"] = function(_, reply) started(reply) open_url() end,
      ["login.input"] = function(params, reply)
        if params.text == "good" then
          reply(nil, vim.empty_dict()) event("exchanging") event("done", { store = "keyring", identity = "me@example.com" })
        else
          reply({ code = "state_mismatch", message = "This code belongs to another login attempt." })
        end
      end,
      ["login.cancel"] = function(_, reply)
        reply(nil, vim.empty_dict()) event("failed", { error = { code = "cancelled", message = "Cancelled." } })
      end,
    }
    return vim.tbl_extend("force", base, %s)
  ]]):format(methods or "{}")
end

local RESULT = [[
  _G.result = nil
  require("conv").login(_G.wanted, _G.login_opts or { method = "subscription" }, function(err, status)
    _G.result = { code = err and err.code, login = status and status.login, state = status and status.state }
  end)
]]

---@return table
local function begin(t, methods, options)
  local nvim = t:editor({
    options = vim.tbl_extend("force", { binary = t:fake(script(methods)), browser = true }, options or {}),
  })
  nvim:lua("_G.wanted = 'anthropic'")
  nvim:lua(RESULT)
  return nvim
end

---@return table
local function result(t, nvim)
  return t:wait("the end of the login", function()
    local seen = nvim:lua("return _G.result")
    return seen ~= vim.NIL and seen
  end)
end

local function sees(t, nvim, pattern)
  return t:wait("the window to show " .. pattern, function()
    local text = nvim:window_text()
    return text:find(pattern) and text
  end)
end

return function(case)
  case("the browser opens, the address is on one line, and keys and time left are shown", function(t)
    local nvim = begin(t)
    local text = sees(t, nvim, "Waiting for the browser, or a pasted code")
    t:eq(#nvim:lua("return _G.opened"), 1)
    local urls = vim.tbl_filter(function(line)
      return line:find("http://127.0.0.1:9/authorize?", 1, true) ~= nil
    end, nvim:window())
    t:eq(#urls, 1)
    t:eq(vim.trim(urls[1]), nvim:lua("return _G.opened[1]"))
    t:match(text, "[45]:%d%d left")
    t:match(text, "q cancel")
    t:eq(nvim:lua("return vim.wo.wrap"), false)
    t:match(nvim:lua("return vim.g.conv_status"), "anthropic: logging in")
    t:eq(nvim:lua('return require("conv").status("anthropic").state'), "logging_in")
  end)

  case("the border is that of 'winborder', left to Neovim, else rounded", function(t)
    for option, wanted in pairs({ [""] = "rounded", bold = "the option's", none = "the option's" }) do
      local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
      nvim:lua(
        [[
        vim.o.winborder = ...
        local open = vim.api.nvim_open_win
        vim.api.nvim_open_win = function(buf, enter, config)
          _G.border = config.border or "the option's"
          return open(buf, enter, config)
        end
        _G.wanted = "anthropic"
      ]],
        option
      )
      nvim:lua(RESULT)
      sees(t, nvim, "Waiting")
      t:eq(nvim:lua("return _G.border"), wanted, option)
    end
  end)

  case("in a narrow terminal everything but the address is broken to fit, and follows its size", function(t)
    local nvim = begin(t)
    sees(t, nvim, "Waiting")
    for _, columns in ipairs({ 40, 24, 80 }) do
      nvim:lua("vim.o.columns, vim.o.lines = ..., 24; vim.cmd.doautocmd('VimResized')", columns)
      local width = nvim:lua("return vim.api.nvim_win_get_width(0)")
      t:ok(width <= columns - 2, "it is on the screen")
      for _, line in ipairs(nvim:window()) do
        t:ok(line:find("http", 1, true) or vim.fn.strdisplaywidth(line) <= width, line)
      end
      t:match(nvim:window_text(), "q cancel")
    end
    t:match(nvim:window_text(), "Approve in your browser, then come back. If none opens, go here:")
  end)

  case("done: the window closes, and all who listen hear it", function(t)
    local nvim = begin(
      t,
      "{ ['login.start'] = function(_, reply) started(reply) open_url() event('exchanging') event('done', { store = 'keyring', identity = 'me@example.com' }) end }"
    )
    t:eq(result(t, nvim), { login = "anthropic", state = "valid" })
    t:eq(nvim:window(), nil)
    t:eq(nvim:events("ConvAuthComplete"), { { login = "anthropic", ok = true } })
    t:eq(#nvim:events("ConvLogin"), 1)
    t:wait("the message", function()
      return nvim:said("Logged in to anthropic as me@example.com")
    end)
  end)

  case("a paste into the window is taken, line breaks and all, and stays out of the buffer", function(t)
    local nvim = begin(t)
    sees(t, nvim, "Waiting")
    nvim:paste("wrong\ncode")
    sees(t, nvim, "belongs to another login attempt")
    t:ok(not nvim:window_text():find("wrong"), "the paste is visible")
    nvim:paste("good")
    t:eq(result(t, nvim).state, "valid")
  end)

  case("p opens a hidden prompt, and what is typed is taken", function(t)
    local nvim = begin(t)
    sees(t, nvim, "Waiting")
    nvim:type("p")
    t:wait("the prompt", function()
      return nvim:mode() == "c"
    end)
    nvim:type("good<CR>")
    t:eq(result(t, nvim).state, "valid")
    for _, history in ipairs({ "cmd", "input", "search", "expr" }) do
      t:ok(not nvim:lua("return vim.fn.execute('history ' .. ...)", history):find("good"), history)
    end
  end)

  case("the browser wins while the prompt is open: the prompt goes away", function(t)
    local nvim = begin(
      t,
      "{ ['login.start'] = function(_, reply) started(reply) open_url() backend.after(400, function() event('exchanging') event('done', { store = 'keyring' }) end) end }"
    )
    sees(t, nvim, "Waiting")
    nvim:type("p")
    t:wait("the prompt", function()
      return nvim:mode() == "c"
    end)
    nvim:type("half a co")
    t:eq(result(t, nvim).state, "valid")
    t:wait("normal mode", function()
      return nvim:mode() == "n"
    end)
  end)

  case("a paste while the prompt is open is taken whole", function(t)
    local nvim = begin(t)
    sees(t, nvim, "Waiting")
    nvim:type("p")
    t:wait("the prompt", function()
      return nvim:mode() == "c"
    end)
    nvim:paste("good")
    t:eq(result(t, nvim).state, "valid")
    t:wait("normal mode", function()
      return nvim:mode() == "n"
    end)
  end)

  case("q cancels; so do conv.cancel() and closing the window", function(t)
    for _, how in ipairs({ "nvim_input('q')", "require('conv').cancel()", "vim.cmd.quit()" }) do
      local nvim = begin(t)
      sees(t, nvim, "Waiting")
      nvim:lua(how:gsub("^nvim_input", "vim.api.nvim_input"))
      t:eq(result(t, nvim), { code = "cancelled" }, how)
      t:eq(nvim:window(), nil)
      t:eq(nvim:events("ConvAuthComplete")[1].error.code, "cancelled")
      t:match(nvim:lua("return vim.g.conv_status"), "openrouter")
      nvim:kill()
    end
  end)

  case("cancelled before the backend has answered", function(t)
    local nvim = begin(
      t,
      "{ ['login.start'] = function(_, reply) backend.after(200, function() started(reply) end) end }"
    )
    sees(t, nvim, "Getting ready")
    nvim:type("q")
    t:eq(result(t, nvim), { code = "cancelled" })
  end)

  case("cancelled, and begun anew at once", function(t)
    local nvim = begin(
      t,
      "{ ['login.cancel'] = function(_, reply) backend.after(200, function() reply(nil, vim.empty_dict()) event('failed', { error = { code = 'cancelled', message = 'Cancelled.' } }) end) end }"
    )
    sees(t, nvim, "Waiting")
    nvim:type("q")
    nvim:lua("_G.first = nil")
    nvim:lua('require("conv").login("anthropic", { method = "subscription" }, function() end)')
    t:wait("the second login", function()
      return #nvim:lua("return _G.opened") == 2
    end)
    t:match(nvim:window_text(), "Waiting")
  end)

  case("a second :ConvLogin says that one is under way and goes to its window", function(t)
    local nvim = begin(t)
    sees(t, nvim, "Waiting")
    nvim:cmd("wincmd p")
    nvim:cmd("ConvLogin openrouter")
    t:wait("the message", function()
      return nvim:said("under way already")
    end)
    t:eq(nvim:lua("return vim.bo.filetype"), "conv")
    t:eq(#nvim:lua("return _G.opened"), 1)
  end)

  case("a failure stays on the screen with its hint; r tries again", function(t)
    local nvim = begin(
      t,
      "{ ['login.start'] = function(_, reply) started(reply) open_url() event('failed', { error = { code = 'login_denied', message = 'You said no.', hint = 'Say yes.' } }) end }"
    )
    t:eq(result(t, nvim), { code = "login_denied" })
    local text = sees(t, nvim, "You said no")
    t:match(text, "Say yes")
    t:match(text, "r try again")
    t:eq(nvim:events("ConvAuthComplete")[1].ok, false)
    nvim:type("r")
    t:wait("the second attempt", function()
      return #nvim:lua("return _G.opened") == 2
    end)
  end)

  case("the terms are shown first, and nothing happens before a yes", function(t)
    local nvim = begin(
      t,
      [[{
      providers = function(_, reply) reply(nil, { providers = { { id = "anthropic", name = "Anthropic", builtin = true, logins = {}, env = {},
        methods = { { id = "subscription", label = "Subscription", grant = "authorization-code", notice = "These are the terms, read them.", notice_confirmed = false } } } } }) end,
      ["login.start"] = function(params, reply)
        if not params.confirmed then return reply({ code = "invalid_argument", message = "Not confirmed." }) end
        started(reply) open_url()
      end }]]
    )
    sees(t, nvim, "These are the terms")
    t:eq(nvim:lua("return _G.opened"), {})
    nvim:type("y")
    sees(t, nvim, "Waiting")
  end)

  case("over SSH it leads with a pasted code and opens nothing", function(t)
    local fake = t:fake(
      script(
        "{ ['login.start'] = function(p, reply) started(reply) open_url({ loopback = false, notice = 'browser ' .. tostring(p.browser) }) end }"
      )
    )
    local nvim =
      t:editor({ options = { binary = fake }, env = { SSH_CONNECTION = "10.0.0.1 1 10.0.0.2 22" } })
    nvim:lua("_G.wanted = 'anthropic'")
    nvim:lua(RESULT)
    local text = sees(t, nvim, "connected over SSH")
    t:match(text, "browser false")
    t:match(text, "paste the code")
    t:eq(nvim:lua("return _G.opened"), {})
  end)

  case("over SSH a method that needs the browser comes last, and is tried if it is chosen", function(t)
    local methods = [[
      { id = "browser", label = "Browser", grant = "mint-key", default = true, needs_browser = true },
      { id = "code", label = "Code", grant = "mint-key", needs_browser = false },
    ]]
    local fake = t:fake(script(([[{
      providers = function(_, reply) reply(nil, { providers = { { id = "openrouter", name = "OpenRouter", builtin = true,
        logins = {}, env = {}, methods = { %s } } } }) end,
      ["login.start"] = function(p, reply) started(reply) open_url({ notice = p.method .. " " .. tostring(p.browser) }) end,
    }]]):format(methods)))
    local nvim =
      t:editor({ options = { binary = fake }, env = { SSH_CONNECTION = "10.0.0.1 1 10.0.0.2 22" } })
    nvim:lua([[
      vim.ui.select = function(items, opts, choose)
        _G.shown = vim.tbl_map(opts.format_item, items)
        choose(items[_G.choice or 1])
      end
    ]])
    nvim:cmd("ConvLogin openrouter")
    sees(t, nvim, "code false")
    t:eq(nvim:lua("return _G.shown"), { "Code", "Browser" })
    nvim:type("q")
    nvim:lua("_G.choice = 2")
    nvim:cmd("ConvLogin openrouter")
    sees(t, nvim, "browser true")
  end)

  case("an API key is asked for at once, hidden", function(t)
    local nvim = begin(
      t,
      "{ ['login.start'] = function(_, reply) started(reply) event('waiting', { input = 'api-key', label = 'OpenRouter key', page = 'https://example.com/keys', expires_at = os.time() + 300, ignored = 0 }) end }"
    )
    t:wait("the prompt", function()
      return nvim:mode() == "c"
    end)
    t:match(nvim:window_text(), "https://example.com/keys")
    nvim:type("good<CR>")
    t:eq(result(t, nvim).state, "valid")
  end)

  case("a device code is shown with its address; c and y copy only when asked", function(t)
    local nvim = begin(
      t,
      "{ ['login.start'] = function(_, reply) started(reply) event('device-code', { user_code = 'ABCD-1234', verification_uri = 'https://example.com/device', interval = 5, input = 'none', expires_at = os.time() + 900 }) end }"
    )
    local text = sees(t, nvim, "ABCD%-1234")
    t:match(text, "https://example.com/device")
    t:match(text, "1[45]:%d%d left")
    nvim:lua('package.loaded["conv.browser"].copy = function(x) _G.copied = x end')
    nvim:type("c")
    t:wait("the copy", function()
      return nvim:lua("return _G.copied") == "ABCD-1234"
    end)
    nvim:type("y")
    t:wait("the copy", function()
      return nvim:lua("return _G.copied") == "https://example.com/device"
    end)
  end)

  ---A code of the size that the address of a device login has: 37 columns, 19 rows.
  local DEVICE = [[{ ["login.start"] = function(_, reply)
    local qr = {}
    for row = 1, 19 do qr[row] = ("█"):rep(36) .. "▄" end
    started(reply)
    event("device-code", { user_code = "ABCD-1234", verification_uri = "https://example.com/device", qr = qr,
      interval = 5, input = "none", expires_at = os.time() + 900 })
  end }]]

  local function resize(nvim, columns, lines)
    nvim:lua("vim.o.columns, vim.o.lines = ...; vim.cmd.doautocmd('VimResized')", columns, lines)
    return nvim:lua([[
      local win = vim.api.nvim_win_get_config(0)
      return { height = win.height, width = win.width, row = win.row, col = win.col, lines = vim.fn.line("$") }
    ]])
  end

  ---All of it is on the screen, and nothing of it is cut.
  local function is_whole(t, nvim, columns, lines)
    local win = resize(nvim, columns, lines)
    local what = ("%d×%d: %s"):format(columns, lines, vim.inspect(win))
    t:ok(win.lines <= win.height, what)
    t:ok(win.row + win.height + 2 <= lines and win.col + win.width + 2 <= columns, what)
    for _, line in ipairs(nvim:window()) do
      t:ok(vim.fn.strdisplaywidth(line) <= win.width, what .. line)
    end
  end

  case("the QR code of a device login stands beside the code and the keys, also at 80×24", function(t)
    local nvim = begin(t, DEVICE)
    sees(t, nvim, "Q QR code")
    nvim:type("Q")
    for _, size in ipairs({ { 80, 24 }, { 140, 40 } }) do
      is_whole(t, nvim, size[1], size[2])
      local text = nvim:window_text()
      t:eq(select(2, text:gsub("█▄", "")), 19, "rows of the code")
      t:match(text, "ABCD%-1234")
      t:match(text, "Q hide QR")
      t:match(text, "q cancel")
      t:match(text, "1[45]:%d%d left")
    end
    for _, size in ipairs({ { 80, 20 }, { 60, 24 } }) do
      is_whole(t, nvim, size[1], size[2])
      local text = nvim:window_text()
      t:ok(not text:find("█"), "half a code is of no use")
      t:match(text:gsub("%s+", " "), "needs a terminal of %d+ lines and %d+ columns: make it larger")
      t:match(text, "ABCD%-1234")
    end
    local lines, columns = nvim:window_text():gsub("%s+", " "):match("of (%d+) lines and (%d+) columns")
    is_whole(t, nvim, tonumber(columns), tonumber(lines))
    t:match(nvim:window_text(), "█")
  end)

  case("the window is as wide as the address needs, and an address that is cut shows it", function(t)
    local nvim = begin(t)
    sees(t, nvim, "Waiting")
    resize(nvim, 500, 24)
    local url = nvim:lua("return _G.opened[1]")
    t:eq(resize(nvim, 500, 24).width, #url + 3)
    t:eq(resize(nvim, 140, 40).width, 136)
    t:match(nvim:lua("return vim.wo.listchars"), "extends:")
    t:eq(nvim:lua("return vim.wo.list and not vim.wo.wrap"), true)
  end)

  case("a paste after a failure, or into a window that takes none, is answered and no error", function(t)
    local nvim = begin(
      t,
      "{ ['login.input'] = function(_, reply) reply(nil, vim.empty_dict()) event('failed', { error = { code = 'provider_refused', message = 'It said no.' } }) end }"
    )
    sees(t, nvim, "Waiting")
    nvim:paste("wrong")
    sees(t, nvim, "It said no")
    nvim:paste("the-right-code")
    local text = sees(t, nvim, "This login is over")
    t:match(text, "Press r to try again")
    t:match(text, "It said no")
    t:ok(not text:find("the%-right"), "the paste is visible")
    nvim:type("q")
    nvim:cmd("ConvStatus")
    nvim:paste("something")
    t:wait("the answer", function()
      return nvim:said("nothing to paste into here")
    end)
    t:eq(nvim:lua("return vim.v.errmsg"), "")
    nvim:type("q")
    t:wait("the window to go", function()
      return nvim:window() == nil
    end)
    t:eq(nvim:lua("return debug.getinfo(vim.paste, 'S').source:find('conv/') ~= nil"), false)
  end)

  case("what was typed is answered each time", function(t)
    local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
    local answers = {
      ["ConvLogin nosuch"] = "no provider `nosuch`",
      ["ConvLogin anthropic nosuch"] = "no login method `nosuch`",
      ["ConvLogin a b c"] = "Too many arguments",
      ["ConvLogout nosuch"] = "does not know this method",
    }
    for command, pattern in pairs(answers) do
      for n = 1, 2 do
        nvim:cmd(command)
        t:wait("answer " .. n .. " to " .. command, function()
          return #vim.tbl_filter(function(note)
            return note.text:find(pattern) ~= nil
          end, nvim:notes()) == n
        end)
      end
    end
  end)

  case("the notice and the vendor's terms are two paragraphs, and a notice may have more", function(t)
    local nvim = begin(
      t,
      [[{ providers = function(_, reply) reply(nil, { providers = { { id = "anthropic", name = "Anthropic", builtin = true, logins = {}, env = {},
        methods = { { id = "subscription", label = "Subscription", grant = "authorization-code", notice = "One.\n\nTwo.", terms = "Three.", notice_confirmed = false } } } } }) end }]]
    )
    t:match(sees(t, nvim, "One"), "One%.\n\n  Two%.\n\n  Three%.")
  end)

  case("Q shows and hides the QR code", function(t)
    local nvim = begin(
      t,
      "{ ['login.start'] = function(_, reply) started(reply) event('device-code', { user_code = 'ABCD-1234', verification_uri = 'https://example.com/device', qr = { '█▀▄', '▄▀█' }, interval = 5, input = 'none', expires_at = os.time() + 900 }) end }"
    )
    sees(t, nvim, "Q QR code")
    nvim:type("Q")
    local text = sees(t, nvim, "█▀▄\n%s*▄▀█")
    t:match(text, "ABCD%-1234")
    t:match(text, "Q hide QR")
    nvim:cmd("hi clear | doautocmd ColorScheme")
    t:eq(nvim:lua("return vim.api.nvim_get_hl(0, { name = 'ConvQr' }).ctermfg"), 15, "the QR code's colours")
    nvim:type("Q")
    sees(t, nvim, "ABCD%-1234")
    nvim:type("Q")
    sees(t, nvim, "Q hide QR")
    nvim:lua(
      "require('conv.backend').on_event('login', { id = 1, stage = 'failed', error = { code = 'login_denied', message = 'You said no.' } })"
    )
    t:ok(not sees(t, nvim, "You said no%."):find("█▀▄"), "the code hides the reason")
  end)

  case("the backend dies in the middle: an error, and the next login works", function(t)
    local nvim = begin(
      t,
      "{ ['login.start'] = function(_, reply) started(reply) open_url() if not vim.uv.fs_stat('crashed') then io.open('crashed', 'w'):close() backend.after(100, backend.crash) end end }"
    )
    t:eq(result(t, nvim), { code = "backend_crashed" })
    sees(t, nvim, "ended unexpectedly")
    nvim:lua(RESULT)
    sees(t, nvim, "Waiting")
    nvim:paste("good")
    t:eq(result(t, nvim).state, "valid")
  end)

  case("without a name it picks by vim.ui.select, each provider with its state", function(t)
    local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
    nvim:lua([[
      _G.asked = {}
      vim.ui.select = function(items, opts, choose)
        table.insert(_G.asked, { prompt = opts.prompt, lines = vim.tbl_map(opts.format_item or tostring, items) })
        choose(items[#_G.asked == 1 and 2 or 1], 1)
      end
    ]])
    nvim:cmd("ConvLogin")
    sees(t, nvim, "Waiting")
    local asked = nvim:lua("return _G.asked")
    t:eq(asked[1].lines, { "OpenRouter  ● logged in   me@example.com", "Anthropic   ○ logged out" })
    t:eq(asked[2].lines, { "Claude subscription", "API key" })
  end)

  case("a picker that fails is said, and one that never answers blocks no other login", function(t)
    local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
    nvim:lua("vim.ui.select = function() error('my picker is broken') end")
    nvim:cmd("ConvLogin")
    t:wait("the failure", function()
      return nvim:said("`vim.ui.select` failed: .*my picker is broken")
    end)
    nvim:lua("vim.ui.select = function() _G.asked = true end")
    nvim:cmd("ConvLogin")
    t:wait("the picker", function()
      return nvim:lua("return _G.asked")
    end)
    nvim:lua([[vim.ui.select = function(items, _, answer)
      answer(vim.deepcopy(items[1]), 1)
      answer(items[2], 2)
    end]])
    nvim:cmd("ConvLogin")
    sees(t, nvim, "Waiting for the browser")
    t:ok(not nvim:said("under way"), vim.inspect(nvim:notes()))
    t:eq(nvim:lua("return vim.g.conv_status"):match("%S+: logging in"), "openrouter: logging in")
  end)

  case("nothing picked: cancelled, quietly", function(t)
    local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
    nvim:lua("vim.ui.select = function(_, _, choose) choose(nil) end")
    nvim:lua("_G.login_opts = {}")
    nvim:lua(RESULT)
    t:eq(result(t, nvim), { code = "cancelled" })
    t:eq(nvim:events("ConvAuthComplete"), {})
  end)

  case("a browser that does not open is said; only http addresses are opened", function(t)
    local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
    nvim:lua(
      'vim.g.conv = vim.tbl_extend("force", vim.g.conv, { open = function() return "no display" end })'
    )
    nvim:cmd("ConvLogin anthropic subscription")
    sees(t, nvim, "did not open %(no display%)")
    local why = nvim:lua([[
      local why
      require("conv.browser").open("file:///etc/passwd", function(reason) why = reason end)
      return why
    ]])
    t:match(why, "neither http nor https")
  end)

  case("a vim.ui.open that returns what it likes is believed, one that fails is said", function(t)
    local nvim = t:editor()
    local function why(source, ms)
      return nvim:lua(([[
        vim.v.errmsg = ""
        vim.ui.open = function() %s end
        require("conv.config").get().open = nil
        local why
        require("conv.browser").open("https://example.com", function(reason) why = reason end)
        vim.wait(%d, function() return why ~= nil or vim.v.errmsg ~= "" end)
        return (why or "opened") .. vim.v.errmsg
      ]]):format(source, ms or 700))
    end
    t:eq(why(""), "opened")
    t:eq(why("return 5"), "opened")
    t:eq(why("return true"), "opened")
    t:eq(why("error('no')"), "`vim.ui.open` failed")
    t:eq(why("return nil, 'no handler'"), "no program to open addresses was found")
    t:eq(why("return vim.system({ 'false' })", 5000), "the opener ended with status 1")
  end)

  case(
    "fidget and snacks, if loaded, and 0.12's messages are told how it goes; each report is ended",
    function(t)
      local stands = {
        fidget = [[
        package.loaded.fidget = {}
        package.loaded["fidget.notification"] = { notify = function(text, level, opts)
          if #_G.told == 0 then table.insert(_G.told, opts.annote) end
          table.insert(_G.told, text)
          if opts.ttl ~= math.huge then table.insert(_G.told, text == "Logged in." and "finish" or "cancel") end
        end }
      ]],
        snacks = [[
        package.loaded["snacks.notifier"] = {}
        _G.Snacks = { notifier = { notify = function(text, level, opts)
          table.insert(_G.told, text)
          if opts.timeout then table.insert(_G.told, level == "info" and "finish" or "cancel") end
        end } }
        table.insert(_G.told, "Log in to Anthropic · Claude subscription")
      ]],
        ["0.12"] = [[
        local has = vim.fn.has
        vim.fn.has = function(what) return what == "nvim-0.12" and 1 or has(what) end
        vim.api.nvim_echo = function(chunks, _, opts)
          table.insert(_G.told, chunks[1][1])
          if opts.status ~= "running" then table.insert(_G.told, opts.status == "success" and "finish" or "cancel") end
          return 7
        end
        table.insert(_G.told, "Log in to Anthropic · Claude subscription")
      ]],
      }
      for name, stand in pairs(stands) do
        for last, act in pairs({ finish = "good", cancel = "q" }) do
          local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
          nvim:lua("_G.told = {}; _G.wanted = 'anthropic'")
          nvim:lua(stand)
          nvim:lua(RESULT)
          sees(t, nvim, "Waiting")
          if act == "q" then
            nvim:type("q")
          else
            nvim:paste(act)
          end
          result(t, nvim)
          local told = nvim:lua("return _G.told")
          t:eq(told[1], "Log in to Anthropic · Claude subscription", name)
          t:ok(vim.list_contains(told, "Waiting for the browser, or a pasted code"), vim.inspect(told))
          t:eq(told[#told], last, name)
          nvim:kill()
        end
      end
    end
  )

  case("0.12's messages of progress fit the message line, title and all", function(t)
    local long = "The provider said no, and took its time to explain why that is so. "
    local nvim = begin(
      t,
      ("{ ['login.start'] = function(_, reply) started(reply) open_url() end, ['login.input'] = function(_, reply) reply(nil, {}) event('failed', { error = { code = 'login_denied', message = %q } }) end }"):format(
        long:rep(2)
      )
    )
    sees(t, nvim, "Waiting")
    nvim:type("q")
    nvim:lua([[
      local has = vim.fn.has
      vim.fn.has = function(what) return what == "nvim-0.12" and 1 or has(what) end
      _G.told, _G.widest = 0, 0
      vim.api.nvim_echo = function(chunks, _, opts)
        _G.told = _G.told + 1
        _G.widest = math.max(_G.widest, vim.fn.strdisplaywidth((opts.title or "") .. ": " .. chunks[1][1]))
        return 7
      end
    ]])
    nvim:lua(RESULT)
    sees(t, nvim, "Waiting")
    nvim:paste("code")
    sees(t, nvim, "The provider said no")
    t:ok(nvim:lua("return _G.told") >= 2, "it was told")
    t:ok(nvim:lua("return _G.widest <= vim.v.echospace"), nvim:lua("return _G.widest") .. " columns")
  end)

  case("a paste elsewhere is Neovim's own, during a login and after it", function(t)
    local nvim = begin(t)
    sees(t, nvim, "Waiting")
    nvim:cmd("wincmd p")
    nvim:paste("hello")
    t:eq(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, 1, true)[1]"), "hello")
    nvim:lua('require("conv").cancel()')
    t:eq(result(t, nvim).code, "cancelled")
    t:eq(nvim:lua("return debug.getinfo(vim.paste, 'S').source:find('conv') ~= nil"), false)
  end)

  case("a macro that is recorded ends at our window: it would keep what is pasted or typed", function(t)
    local nvim = begin(t)
    sees(t, nvim, "Waiting")
    -- `q` is taken in our window: a recording is begun outside and would go on here.
    nvim:cmd("wincmd p")
    nvim:type("qa<C-w>p")
    t:wait("the message", function()
      return nvim:said("macro's recording ended")
    end)
    t:eq(nvim:lua("return vim.bo.filetype .. vim.fn.reg_recording()"), "conv")
    nvim:paste("pasted-secret")
    sees(t, nvim, "belongs to another login attempt")
    nvim:type("ptyped-secret<CR>")
    sees(t, nvim, "belongs to another login attempt")
    t:eq(nvim:lua("return vim.fn.getreg('a')"), vim.keycode("<C-w>") .. "p")
    nvim:type("q<C-w>oqb")
    t:wait("a recording", function()
      return nvim:lua("return vim.fn.reg_recording()") == "b"
    end)
    nvim:cmd("ConvLogin anthropic subscription")
    sees(t, nvim, "Waiting")
    t:eq(nvim:lua("return vim.fn.reg_recording()"), "")
  end)

  case("in the command-line window it says why it cannot open, and the next one works", function(t)
    local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
    nvim:type("q:")
    t:wait("the command-line window", function()
      return nvim:lua("return vim.fn.getcmdwintype()") == ":"
    end)
    nvim:lua(
      'require("conv").login("anthropic", { method = "subscription" }, function(e) _G.code = e and e.code end)'
    )
    t:wait("the refusal", function()
      return nvim:lua("return _G.code") == "busy"
    end)
    nvim:cmd("ConvStatus")
    t:wait("the refusal", function()
      return nvim:said("The window cannot be opened here. Leave the command%-line window")
    end)
    nvim:type("<C-c><C-c><Esc>")
    t:wait("the command-line window to go", function()
      return nvim:lua("return vim.fn.getcmdwintype()") == ""
    end)
    nvim:cmd("ConvLogin anthropic subscription")
    sees(t, nvim, "Waiting")
  end)

  case("begun in insert mode, the keys of the window work", function(t)
    local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
    nvim:type("i")
    nvim:lua_later(
      'require("conv").login("anthropic", { method = "subscription" }, function(e) _G.code = e and e.code end)'
    )
    sees(t, nvim, "Waiting")
    nvim:type("q")
    t:wait("the end", function()
      return nvim:lua("return _G.code") == "cancelled"
    end)
  end)

  case("wrong arguments give one line each that says what is allowed", function(t)
    local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
    local wrong = {
      -- A key that went astray is not repeated.
      ["ConvLogin sk-or-v1-0123456789abcdef"] = "There is no provider `‹hidden›`",
      ["ConvLogin Bad/Name"] = "PROVIDER or PROVIDER@ACCOUNT",
      ["ConvLogin nobody"] = "Known are `anthropic`, `openrouter`",
      ["ConvLogin anthropic magic"] = "It has `api%-key`, `subscription`",
      ["ConvLogin a b c"] = "Usage: `:ConvLogin",
      ["ConvStatus all"] = "Usage: `:ConvStatus`",
    }
    for command, pattern in pairs(wrong) do
      nvim:cmd(command)
      t:wait(command, function()
        return nvim:said(pattern)
      end)
    end
    t:eq(nvim:window(), nil)
  end)

  case(
    "`organization=` is an argument by its name, which completes where there is one to ask for",
    function(t)
      local nvim = t:editor({
        options = {
          binary = t:fake([[
          return {
            providers = function(_, reply)
              local method = { id = "chatgpt", label = "ChatGPT", grant = "authorization-code", default = true }
              reply(nil, { providers = {
                { id = "openai", name = "OpenAI", builtin = true, logins = { "openai" }, env = {}, organization = "workspace",
                  methods = { method, { id = "api-key", label = "API key", grant = "api-key" } } },
                { id = "xai", name = "xAI", builtin = true, logins = {}, env = {}, methods = { method } } } })
            end,
            status = function(_, reply) reply(nil, { logins = {
              backend.status({ login = "openai", provider = "openai", organization = "team-1" }),
              backend.status({ login = "xai", provider = "xai", organization = "other" }) } }) end,
            ["login.start"] = function(params, reply)
              local message = ("%s by %s in %s."):format(params.login, params.method, params.organization)
              reply({ code = "login_denied", message = message })
            end,
          }
        ]]),
          browser = true,
        },
      })
      nvim:lua("require('conv').get('openai', nil, function() end)")
      t:wait("the states", function()
        return nvim:lua("return require('conv').is_logged_in('openai')")
      end)
      local function complete(line)
        return nvim:lua('return vim.fn.getcompletion(..., "cmdline")', line)
      end
      t:eq(complete("ConvLogin openai "), { "api-key", "chatgpt", "organization=", "organization=team-1" })
      t:eq(complete("ConvLogin openai chatgpt org"), { "organization=", "organization=team-1" })
      t:eq(complete("ConvLogin! openai organization=t"), { "organization=team-1" })
      t:eq(complete("ConvLogin openai organization=team-1 "), { "api-key", "chatgpt" })
      t:eq(complete("ConvLogin xai "), { "chatgpt" })
      t:eq(complete("ConvLogin org"), {})
      t:eq(complete("ConvLogout openai org"), {})
      for command, said in pairs({
        ["ConvLogin openai@team chatgpt organization=team-1"] = "openai@team by chatgpt in team%-1%.",
        ["ConvLogin openai organization=a=b chatgpt"] = "openai by chatgpt in a=b%.",
        ["ConvLogin xai"] = "xai by chatgpt in nil%.",
      }) do
        nvim:cmd(command)
        t:wait(command, function()
          return nvim:window_text():find(said)
        end)
        nvim:type("q")
      end
      nvim:cmd("ConvLogin a b c organization=d")
      t:wait("the limit", function()
        return nvim:said("Usage: `:ConvLogin")
      end)
    end
  )

  case("commands complete logins and methods", function(t)
    local nvim = t:editor({ options = { binary = t:fake(script()), browser = true } })
    local function complete(line)
      return nvim:lua('return vim.fn.getcompletion(..., "cmdline")', line)
    end
    t:eq(complete("ConvLogin "), { "anthropic", "openrouter" })
    t:eq(complete("ConvLogin an"), { "anthropic" })
    t:eq(complete("ConvLogin! anthropic "), { "api-key", "subscription" })
    t:eq(complete("ConvLogin anthropic s"), { "subscription" })
    t:eq(complete("ConvLogi "), { "anthropic", "openrouter" })
    t:eq(complete("silent! tab ConvLogin! anthropic s"), { "subscription" })
    nvim:cmd("ConvStatus")
    t:wait("the backend's word", function()
      return nvim:lua("return require('conv').is_logged_in('openai')")
    end)
    t:eq(complete("ConvLogout "), { "openrouter" })
    t:eq(complete("ConvStatus "), {})
  end)
end

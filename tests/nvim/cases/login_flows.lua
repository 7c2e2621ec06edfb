-- Whole logins: a child editor, the real backend, the pretend providers, and a person at the browser.

local flows = require("flows")
local http = require("http")
local person = require("person")
local processes = require("processes")

local BY_CALLBACK, BY_PASTE = flows.BY_CALLBACK, flows.BY_PASTE
local begin, begin_paste, sees, complete = flows.begin, flows.begin_paste, flows.sees, flows.complete
local at_prompt, token, works = flows.at_prompt, flows.token, flows.works

---The same address with another `state`, or another path.
local function spoilt(url)
  if url:find("state=") then
    return (url:gsub("state=[^&]*", "state=wrong"))
  end
  return (url:gsub("(http://[^/]+/)[^?]*", "%1callback/wrong"))
end

---Without `state` nothing that comes to OpenRouter's callback ends a login.
local function echo_state(sandbox)
  sandbox:control("switches", { openrouter = { echo_state = true } })
end

return function(case)
  for login, command in pairs(BY_CALLBACK) do
    case(login .. ": by the browser's callback", function(t)
      local sandbox = t:sandbox()
      local nvim = t:real()
      local url = begin(t, nvim, command)
      local page = person.visit(person.approve(url))
      t:eq(page.status, 200)
      t:eq(complete(t, nvim), { login = login, ok = true })
      t:ok(works(sandbox, nvim, login), "the token works")
      t:wait("the statusline", function()
        return nvim:lua("return vim.g.conv_status"):find("● " .. login)
      end)
      t:eq(nvim:window(), nil)
    end)
  end

  for login, command in pairs(BY_PASTE) do
    case(login .. ": by a pasted code", function(t)
      local sandbox = t:sandbox()
      local nvim = t:real()
      local code = person.copy_code(begin_paste(t, nvim, command))
      nvim:paste(" " .. code .. "\n")
      t:eq(complete(t, nvim), { login = login, ok = true })
      t:ok(works(sandbox, nvim, login), "the token works")
      t:eq(nvim:lua("return _G.opened"), {})
    end)

    case(login .. ": by a code typed into the hidden prompt", function(t)
      local sandbox = t:sandbox()
      local nvim = t:real()
      local code = person.copy_code(begin_paste(t, nvim, command))
      nvim:type("p")
      at_prompt(t, nvim)
      nvim:type(code:gsub("<", "<lt>") .. "<CR>")
      t:eq(complete(t, nvim), { login = login, ok = true })
      t:ok(works(sandbox, nvim, login), "the token works")
    end)
  end

  case("the callback wins while the person is at the hidden prompt", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real()
    local url = begin(t, nvim, BY_CALLBACK.anthropic)
    nvim:type("p")
    at_prompt(t, nvim)
    nvim:type("half")
    person.visit(person.approve(url))
    t:eq(complete(t, nvim).ok, true)
    t:wait("normal mode", function()
      return nvim:mode() == "n"
    end)
    t:ok(works(sandbox, nvim, "anthropic"))
  end)

  case("the paste wins while the listener waits, and the listener goes", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real()
    begin(t, nvim, BY_CALLBACK.anthropic)
    local text = nvim:window_text()
    local paste_url = t:ok(text:match("shows a code to paste:\n%s*(http://%S+)"), text)
    local callback = http.query(nvim:lua("return _G.opened[1]")).redirect_uri
    nvim:paste(person.copy_code(paste_url))
    t:eq(complete(t, nvim).ok, true)
    t:ok(works(sandbox, nvim, "anthropic"))
    t:wait("the listener to go", function()
      return not processes.listening()[tonumber(callback:match(":(%d+)"))]
    end)
  end)

  for login, command in pairs(BY_CALLBACK) do
    case(login .. ": a stranger's callback changes nothing, the right one ends it", function(t)
      t:sandbox()
      local nvim = t:real()
      local url = begin(t, nvim, command)
      local callback = person.approve(url)
      t:ok(person.visit(spoilt(callback)).status >= 400, "the stranger is refused")
      t:ok(person.visit(callback:match("^http://[^/]+") .. "/favicon.ico").status == 404)
      t:ok(nvim:window() ~= nil, "it still waits")
      t:eq(person.visit(callback).status, 200)
      t:eq(complete(t, nvim).ok, true)
    end)

    case(login .. ": denied", function(t)
      echo_state(t:sandbox())
      local nvim = t:real()
      person.visit(person.deny(begin(t, nvim, command)))
      local data = complete(t, nvim)
      t:eq({ data.ok, data.error.code }, { false, "login_denied" })
      local text = sees(t, nvim, "r try again")
      t:ok(not text:find("%?"), "no query in the message: " .. text)
      t:eq(select(2, token(nvim, login)), "not_logged_in")
    end)
  end

  case("a wrong state pasted, then the right one", function(t)
    t:sandbox()
    local nvim = t:real()
    local code = person.copy_code(begin_paste(t, nvim, BY_PASTE.anthropic))
    nvim:paste((code:gsub("#.*", "#another-login-0123456789")))
    sees(t, nvim, "another login")
    nvim:paste(code)
    t:eq(complete(t, nvim).ok, true)
  end)

  case("a code that has expired", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real()
    local url = begin_paste(t, nvim, BY_PASTE.openrouter)
    local code = person.copy_code(url)
    sandbox:control("clock", { advance = 700 })
    nvim:paste(code)
    sees(t, nvim, "does not accept.*still%s+waits")
    nvim:paste(person.copy_code(url))
    t:eq(complete(t, nvim), { login = "openrouter", ok = true })
  end)

  case("nobody comes: the time limit ends it", function(t)
    t:sandbox()
    local nvim = t:real({ options = { callback = { timeout = 1 } } })
    begin(t, nvim, BY_CALLBACK.openrouter)
    t:eq(complete(t, nvim).error.code, "login_timeout")
  end)

  case("cancelled at each stage, and each time nothing is left", function(t)
    local sandbox = t:sandbox()
    echo_state(sandbox)
    local nvim = t:real()
    local url = begin(t, nvim, BY_CALLBACK.openrouter)
    local port = tonumber(http.query(url).callback_url:match(":(%d+)"))
    t:ok(processes.listening()[port], "it listens")
    nvim:type("q")
    t:eq(complete(t, nvim, 1).error.code, "cancelled")
    t:wait("the listener to go", function()
      return not processes.listening()[port]
    end)
    -- At the notice, before anything was started.
    nvim:cmd("ConvLogin anthropic subscription")
    sees(t, nvim, "I have read this")
    nvim:type("q")
    t:eq(complete(t, nvim, 2).error.code, "cancelled")
    -- At the hidden prompt: first the prompt goes, then the login.
    begin(t, nvim, BY_CALLBACK.openrouter)
    nvim:type("p")
    at_prompt(t, nvim)
    nvim:lua('require("conv").cancel()')
    t:eq(complete(t, nvim, 3).error.code, "cancelled")
    -- While the provider is asked.
    sandbox:fault("openrouter.keys", { delay_ms = 2000 })
    url = begin(t, nvim, BY_CALLBACK.openrouter)
    local callback = person.approve(url)
    local visitor = vim.system({
      t.nvim,
      "-u",
      "NONE",
      "-i",
      "NONE",
      "-l",
      t.root .. "/tests/nvim/lib/visit.lua",
      callback,
    })
    sees(t, nvim, "Fetching the token")
    nvim:type("q")
    t:eq(complete(t, nvim, 4).error.code, "cancelled")
    visitor:kill("sigkill")
    t:eq(select(2, token(nvim, "openrouter")), "not_logged_in")
    t:eq(vim.fn.filereadable(t.dir .. "/convocations/credentials.toml"), 0)
  end)

  case("a second :ConvLogin while one runs: said, and the first goes on", function(t)
    t:sandbox()
    local nvim = t:real()
    local url = begin(t, nvim, BY_CALLBACK.openrouter)
    nvim:cmd("ConvLogin anthropic")
    t:wait("the message", function()
      return nvim:said("under way already")
    end)
    person.visit(person.approve(url))
    t:eq(complete(t, nvim), { login = "openrouter", ok = true })
  end)

  case("logout: gone everywhere, and the provider's page is named", function(t)
    t:sandbox()
    local nvim = t:real()
    person.visit(person.approve(begin(t, nvim, BY_CALLBACK.openrouter)))
    complete(t, nvim)
    t:ok(token(nvim, "openrouter"), "a token")
    nvim:cmd("ConvLogout openrouter")
    t:wait("the message", function()
      return nvim:said("Logged out of openrouter.*http://%S+/keys/%x+")
    end)
    t:eq(select(2, token(nvim, "openrouter")), "not_logged_in")
    t:wait("the event", function()
      return #nvim:events("ConvLogout") == 1
    end)
    t:wait("the statusline", function()
      return nvim:lua("return vim.g.conv_status") == "○ logged out"
    end)
    t:eq(nvim:lua('return require("conv").is_logged_in("openrouter")'), false)
  end)

  case("an API key of one's own", function(t)
    t:sandbox()
    local nvim = t:real()
    nvim:cmd("ConvLogin openrouter api-key")
    at_prompt(t, nvim)
    nvim:type("sk-or-v1-my-own-key<CR>")
    t:eq(complete(t, nvim).ok, true)
    t:eq(token(nvim, "openrouter"), "sk-or-v1-my-own-key")
  end)

  case("with no keyring to be had, the login goes to an encrypted file, and :ConvStatus says why", function(t)
    t:sandbox()
    local nvim = t:real({ options = { store = { backend = "auto" } } })
    person.visit(person.approve(begin(t, nvim, BY_CALLBACK.openrouter)))
    complete(t, nvim)
    t:wait("the notice", function()
      return nvim:said("is kept in the encrypted file")
    end)
    nvim:cmd("ConvStatus")
    local text = sees(t, nvim, "New logins are kept in: local%-encrypted%. %u")
    t:match(text, "openrouter.*local%-encrypted")
    t:ok(token(nvim, "openrouter"), "a token")
    t:eq(nvim:events("ConvError"), {}, "it was dealt with: no error for anybody")
  end)

  case("no network: said with what to do, and the login waits or ends, never a Lua trace", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real()
    sandbox:fault("openrouter.keys", { drop = "before" }, { times = 9 })
    local url = begin(t, nvim, BY_CALLBACK.openrouter)
    person.visit(person.approve(url))
    sees(t, nvim, "still%s+waits")
    nvim:type("q")
    t:eq(complete(t, nvim).error.code, "cancelled")
    echo_state(sandbox)
    person.visit(person.approve(begin(t, nvim, BY_CALLBACK.openrouter)))
    local data = complete(t, nvim, 2)
    t:eq({ data.ok, data.error.code }, { false, "network" })
    t:ok(data.error.hint, "a hint")
    sees(t, nvim, "r try again")
  end)

  case("a wrong key in config.toml is one message with its path", function(t)
    t:sandbox()
    t:file("convocations/config.toml", "[store]\nbackend = 'paper'\n")
    local nvim = t:real()
    nvim:cmd("ConvLogin openrouter")
    t:wait("the message", function()
      return nvim:said("store%.backend")
    end)
    t:eq(select(2, token(nvim, "openrouter")), "config_invalid")
  end)
end

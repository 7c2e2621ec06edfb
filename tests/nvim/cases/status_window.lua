-- The window of `:ConvStatus`: where the cursor is, what each key does, and that one which does nothing says
-- why.

---A backend with logins by name, which the case changes by `_G.tell`, and three providers.
local SCRIPT = [[
  local seq, gone = 0, {}
  local function logins()
    local all = {
      backend.status({ login = "anthropic", method = "subscription", source = "login", name = "Anthropic", expires_at = os.time() + 7200 }),
      backend.status({ login = "openai", provider = "openai", name = "OpenAI", source = "env:OPENAI_API_KEY" }),
      backend.status({ login = "openrouter", provider = "openrouter", name = "OpenRouter", method = "browser", source = "login" }),
      backend.status({ login = "xai", provider = "xai", name = "xAI", method = "api-key", source = "login" }),
    }
    return vim.tbl_filter(function(login) return not gone[login.login] end, all)
  end
  local function provider(id, name, method, revocable, ends_others)
    return { id = id, name = name, builtin = true, logins = {}, env = {}, methods = {
      { id = method, label = method, grant = "api-key", default = true, revocable = revocable,
        ends_others = ends_others } } }
  end
  local store = { backend = "local-encrypted", reason = "No keyring answers." }
  return {
    providers = function(_, reply) reply(nil, { providers = {
      provider("anthropic", "Anthropic", "subscription", true, true), provider("openai", "OpenAI", "api-key", false),
      provider("openrouter", "OpenRouter", "browser", false), provider("xai", "xAI", "other"),
      provider("gemini", "Google Gemini", "api-key", false), provider("groq", "Groq", "api-key", false) } }) end,
    status = function(_, reply) reply(nil, { logins = logins(), store = store }) end,
    get = function(params, reply) reply(nil, backend.credential({ login = params.login })) end,
    logout = function(params, reply)
      gone[params.login] = true
      seq = seq + 1
      backend.event("changed", { seq = seq, logins = logins() })
      reply(nil, { login = params.login, revoked = "unsupported", page = "https://example.com/keys/1",
        message = "Logged out of " .. params.login .. "." })
    end,
    shutdown = function(_, reply) reply(nil, vim.empty_dict()) end,
  }
]]

local function begin(t)
  local nvim = t:editor({ options = { binary = t:fake(SCRIPT), icons = false } })
  nvim:cmd("ConvStatus")
  t:wait("the whole window", function()
    local text = nvim:window_text()
    return text:find("Google Gemini") and text:find("New logins")
  end)
  return nvim
end

---@return string
local function under_cursor(nvim)
  return nvim:lua("return vim.api.nvim_get_current_line()")
end

local function go_to(t, nvim, login)
  nvim:type("gg/^  . " .. login .. " \r")
  t:wait("the cursor on " .. login, function()
    return under_cursor(nvim):find("^  . " .. login)
  end)
end

local function answers(t, nvim, pattern)
  t:wait("the answer " .. pattern, function()
    return nvim:said(pattern)
  end)
end

return function(case)
  case("it lists what is logged in, then what can be logged in to; the cursor is on the first", function(t)
    local nvim = begin(t)
    local names = {}
    for _, line in ipairs(nvim:window()) do
      table.insert(names, line:match("^  [-+] (%w+)"))
    end
    t:eq(names, { "anthropic", "openai", "openrouter", "xai", "gemini", "groq" })
    t:match(under_cursor(nvim), "^  %+ anthropic")
    go_to(t, nvim, "gemini")
    nvim:lua("require('conv').login = function(login) _G.wanted = login end")
    nvim:type("l")
    t:wait("the login", function()
      return nvim:lua("return _G.wanted") == "gemini"
    end)
    t:eq(nvim:window(), nil)
  end)

  case("the cursor follows its login, whatever comes above it or goes", function(t)
    local nvim = begin(t)
    go_to(t, nvim, "openrouter")
    nvim:lua([[
      local on_status = require("conv.status").on_status
      local logins = vim.tbl_values(require("conv.status").all().logins)
      table.insert(logins, { login = "aaa", provider = "aaa", state = "needs_login", revision = 1, needs_login = ("word "):rep(40) })
      _G.logins = logins
      on_status({ logins = logins, store = { backend = "keyring", reason = "", problem = {
        code = "keyring_locked", message = ("It is locked. "):rep(20) } } })
    ]])
    t:wait("the news", function()
      return nvim:window_text():find("It is locked")
    end)
    t:match(under_cursor(nvim), "^  %+ openrouter")
    nvim:lua([[
      local left = vim.tbl_filter(function(login) return login.login ~= "openrouter" end, _G.logins)
      require("conv.status").on_status({ logins = left })
    ]])
    t:wait("the end of it", function()
      return under_cursor(nvim):find("^  %- openrouter")
    end)
  end)

  case("a key that does nothing says why", function(t)
    local nvim = begin(t)
    go_to(t, nvim, "gemini")
    nvim:type("x")
    answers(t, nvim, "`gemini` is not logged in%.")
    nvim:type("r")
    answers(t, nvim, "`gemini` is not logged in: `l` logs in%.")
    nvim:type("o")
    answers(t, nvim, "There is no page to open")
    nvim:type("L")
    answers(t, nvim, "There is no log yet")
    go_to(t, nvim, "openai")
    nvim:type("x")
    answers(t, nvim, "comes from $OPENAI_API_KEY: unset that")
    nvim:type("r")
    answers(t, nvim, "The credential in use comes from $OPENAI_API_KEY")
    nvim:type("ggx")
    answers(t, nvim, "There is no login under the cursor")
    nvim:type("?")
    t:wait("the keys", function()
      return nvim:window_text():find("restart the backend")
    end)
    nvim:type("x")
    answers(t, nvim, "`%?` goes back")
    nvim:type("?")
    t:wait("the list", function()
      return nvim:window_text():find("Google Gemini")
    end)
    t:eq(nvim:lua("return vim.v.errmsg"), "")
  end)

  case("the question of a logout says what will happen to this login", function(t)
    local nvim = begin(t)
    local questions = {
      anthropic = "it is deleted here, and Anthropic revokes it, which may end other logins of yours there, "
        .. "those of other machines too%.",
      openrouter = "it is deleted here, and stays good at OpenRouter until you revoke it there%.",
      xai = "it is deleted here, and xAI revokes it if it can%.",
    }
    for login, question in pairs(questions) do
      go_to(t, nvim, login)
      nvim:type("x")
      t:wait("the question for " .. login, function()
        return nvim:window_text():gsub("%s+", " "):find(question)
      end)
    end
  end)

  case("the question ends with a restart of the backend, with ?, and when the cursor goes", function(t)
    local nvim = begin(t)
    for _, keys in ipairs({ "R", "??", "jjjjjjj" }) do
      go_to(t, nvim, "anthropic")
      nvim:type("x")
      t:wait("the question", function()
        return nvim:window_text():find("Press x again")
      end)
      nvim:type(keys)
      t:wait("its end by " .. keys, function()
        local text = nvim:window_text()
        local runs = nvim:lua("return require('conv.backend').state()") == "ready"
        return runs and not text:find("Press x again") and text:find("+ anthropic", 1, true)
      end)
    end
    t:ok(nvim:window_text():find("%+ anthropic"), "nobody was logged out")
  end)

  case("after a logout the window shows where the rest is done, and o opens it", function(t)
    local nvim = begin(t)
    go_to(t, nvim, "openrouter")
    nvim:type("xx")
    t:wait("the page", function()
      return nvim:window_text():find("https://example.com/keys/1")
    end)
    t:match(nvim:window_text(), "Logged out of openrouter%.")
    t:match(nvim:window_text(), "o opens it")
    nvim:type("o")
    t:wait("the browser", function()
      return nvim:lua("return _G.opened[1]") == "https://example.com/keys/1"
    end)
  end)

  case("L shows the backend's log in a tab of its own", function(t)
    local nvim = begin(t)
    t:file("state/convocations/convocations.log", "one\ntwo\n")
    nvim:type("L")
    t:wait("the log", function()
      return nvim:lua("return vim.api.nvim_buf_get_name(0)"):find("convocations.log", 1, true)
    end)
    t:eq(under_cursor(nvim), "two")
    t:eq(nvim:lua("return { vim.bo.readonly, vim.bo.modifiable, vim.bo.swapfile }"), { true, false, false })
    t:eq(nvim:window(), nil)
  end)

  case("at 80×24 and 40×10 nothing is wider than the window, and the keys stay in sight", function(t)
    local nvim = begin(t)
    for _, size in ipairs({ { 80, 24 }, { 40, 10 }, { 140, 40 } }) do
      nvim:lua("vim.o.columns, vim.o.lines = ...; vim.cmd.doautocmd('VimResized')", size[1], size[2])
      nvim:type("G")
      local seen = nvim:lua([[
        local win = vim.api.nvim_win_get_config(0)
        return { win.row, win.height, win.col, win.width, vim.wo.winbar ~= "" }
      ]])
      t:ok(seen[1] + seen[2] + 2 <= size[2] and seen[3] + seen[4] + 2 <= size[1], vim.inspect({ size, seen }))
      t:ok(seen[5], "the keys")
      for _, line in ipairs(nvim:window()) do
        t:ok(vim.fn.strdisplaywidth(line) <= seen[4], line)
      end
      nvim:type("gg")
    end
  end)
end

-- The list that is picked from where `vim.ui.select` is Neovim's own: arrows, j and k, typing, states in
-- columns.

local SCRIPT = [[
  local providers = {}
  for _, id in ipairs({ "anthropic", "gemini", "kimi", "openai", "openrouter", "xai" }) do
    table.insert(providers, { id = id, name = id:upper(), builtin = true, logins = {}, env = {}, methods = {
      { id = "api-key", label = "API key", grant = "api-key", default = true } } })
  end
  providers[4].logins = { "openai", "openai@work" }
  return {
    providers = function(_, reply) reply(nil, { providers = providers }) end,
    status = function(_, reply) reply(nil, { logins = {
      backend.status({ login = "openai", provider = "openai", identity = "me@example.com" }),
      backend.status({ login = "openai@work", provider = "openai", account = "work", state = "needs_login" }),
    } }) end,
    ["login.start"] = function(params, reply) reply({ code = "login_denied", message = "Asked for " .. params.login .. "." }) end,
  }
]]

local function begin(t, options)
  local nvim = t:editor({
    options = vim.tbl_extend("force", { binary = t:fake(SCRIPT), browser = false }, options or {}),
  })
  nvim:lua("require('conv').get('openai', nil, function() end)")
  t:wait("the states", function()
    return nvim:lua("return require('conv').is_logged_in('openai')")
  end)
  nvim:cmd("ConvLogin")
  t:wait("the list", function()
    return nvim:window_text():find("OPENROUTER")
  end)
  return nvim
end

local function names(nvim)
  local found = {}
  for _, line in ipairs(nvim:window()) do
    table.insert(found, line:match("^  (%u+[· %l]-)  "))
  end
  return found
end

local function asked_for(t, nvim, login)
  t:wait("the login to " .. login, function()
    return nvim:window_text():find("Asked for " .. login .. "%.")
  end)
end

return function(case)
  case("it shows name, state and identity in columns: yours first, then what is common", function(t)
    local nvim = begin(t, { icons = false })
    t:eq(names(nvim), { "OPENAI", "OPENROUTER", "ANTHROPIC", "OPENAI · work", "GEMINI", "KIMI", "XAI" })
    local text = nvim:window_text()
    t:match(text, "OPENAI         %+ logged in +me@example.com")
    t:match(text, "OPENAI · work  ! log in again")
    t:match(text, "GEMINI         %- logged out")
  end)

  case("a list that is higher than the screen says how much is hidden, and shows it", function(t)
    local nvim = begin(t)
    nvim:lua("vim.o.lines = 11")
    t:wait("the shorter list", function()
      return nvim:window_text():find("… and 5 more")
    end)
    t:ok(not nvim:window_text():find("XAI"), nvim:window_text())
    nvim:type("<Up>")
    t:wait("the end of the list", function()
      return nvim:window_text():find("XAI")
    end)
    t:match(nvim:window_text(), "… and 5 more")
    nvim:lua("vim.o.lines = 30")
    t:wait("the whole list", function()
      return not nvim:window_text():find("more")
    end)
  end)

  case("arrows, j and k move and go round, <CR> picks", function(t)
    local nvim = begin(t)
    nvim:type("<CR>")
    asked_for(t, nvim, "openai")
    for keys, login in pairs({
      ["<Down><CR>"] = "openrouter",
      ["jjk<CR>"] = "openrouter",
      ["<Up><CR>"] = "xai",
      ["k<C-n><Tab><Tab><Tab><CR>"] = "openai@work",
    }) do
      nvim:cmd("ConvLogin")
      t:wait("the list", function()
        return nvim:window_text():find("OPENROUTER")
      end)
      nvim:type(keys)
      asked_for(t, nvim, login)
    end
  end)

  case("typing narrows, <BS> widens, and what fits nothing picks nothing", function(t)
    local nvim = begin(t)
    nvim:type("open")
    t:wait("fewer", function()
      return #names(nvim) == 3
    end)
    nvim:type("r")
    t:eq(names(nvim), { "OPENROUTER" })
    nvim:type("kz")
    t:match(nvim:window_text(), "Nothing here has that")
    nvim:type("<CR>")
    t:match(nvim:window_text(), "Nothing here has that")
    nvim:type("<BS><BS><BS> work")
    t:eq(names(nvim), { "OPENAI · work" })
    nvim:type("<C-u>again")
    t:eq(names(nvim), { "OPENAI · work" }, "by its state")
    nvim:type("<CR>")
    asked_for(t, nvim, "openai@work")
  end)

  case("q, <Esc> and closing the window are a no; a second one replaces the first", function(t)
    local nvim = begin(t)
    for _, how in ipairs({ "q", "<Esc>", "x<Esc>", ":q<CR>" }) do
      nvim:cmd("ConvLogin")
      t:wait("the list", function()
        return nvim:window_text():find("OPENROUTER")
      end)
      nvim:cmd("ConvLogin")
      t:wait("one list", function()
        return nvim:lua("return #vim.api.nvim_list_wins()") == 2 and nvim:window_text():find("OPENROUTER")
      end)
      nvim:type(how)
      t:wait("the end by " .. how, function()
        return nvim:window() == nil
      end)
    end
    t:ok(not nvim:said("under way"), vim.inspect(nvim:notes()))
    t:eq(nvim:lua("return vim.v.errmsg"), "")
  end)

  case("in a terminal of ten lines the line that would be picked is in sight, and the keys", function(t)
    local nvim = begin(t)
    nvim:lua("vim.o.lines, vim.o.columns = 10, 40; vim.cmd.doautocmd('VimResized')")
    for _ = 1, 7 do
      nvim:type("j")
      local seen = nvim:lua([[
        local height = vim.api.nvim_win_get_height(0)
        return { vim.fn.line("w0"), vim.fn.line("."), vim.fn.line("w$"), vim.fn.line("$"), height }
      ]])
      t:eq({ seen[1], seen[3] }, { 1, seen[4] }, "all of it is in sight")
      t:match(nvim:window_text(), "cancel")
    end
  end)

  case("a vim.ui.select that the person has put there is asked instead", function(t)
    local nvim = begin(t)
    nvim:type("q")
    nvim:lua("vim.ui.select = function(items, opts, done) _G.kind = opts.kind; done(items[2], 2) end")
    nvim:cmd("ConvLogin")
    asked_for(t, nvim, "openrouter")
    t:eq(nvim:lua("return _G.kind"), "conv_provider")
  end)
end

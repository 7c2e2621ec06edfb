-- Options: one schema, mistakes named with their full path, never a Lua error.

return function(case)
  case("each mistake is named with its full key path and what is allowed", function(t)
    local wrong = {
      {
        { cold_wait = "x" },
        "`cold_wait` has a value that is not allowed. It takes integer from 0 to 10000%.",
      },
      { { cold_wait = -1 }, "`cold_wait`" },
      { { colt_wait = 1 }, "`colt_wait` is not an option. Allowed here: .*`cold_wait`" },
      {
        { store = { backend = "file" } },
        '`store.backend` .* It takes "auto" or "keyring" or "local%-encrypted"%.',
      },
      {
        { store = { backends = "auto" } },
        "`store.backends` is not an option. Allowed here: `backend`, `keyring_timeout`%.",
      },
      { { callback = { port = 70000 } }, "`callback.port`.*from 0 to 65535" },
      { { callback = 3000 }, "`callback` .* It takes table" },
      { { browser = "never" }, '`browser` .* It takes boolean or "auto"' },
      { { preload = { "a", 1 } }, "`preload` .* It takes list of strings" },
      { { open = "xdg-open" }, "`open` .* It takes function" },
      { { icons = { ok = "x" } }, "`icons.ok` is not an option. Allowed here: .*`valid`" },
      { { icons = { valid = { "x" } } }, "`icons.valid` .* It takes string" },
    }
    for _, each in ipairs(wrong) do
      local nvim = t:editor()
      nvim:lua("vim.g.conv = nil; require('conv').setup(...)", each[1])
      t:wait(each[2], function()
        return nvim:said(each[2])
      end, 1000)
      local code = nvim:lua('local _, e = require("conv").token("anthropic"); return e.code')
      t:eq(code, "config_invalid")
      nvim:cmd("ConvStatus")
      t:match(nvim:window_text():gsub("%s+", " "), each[2])
      nvim:kill()
    end
  end)

  case("vim.g.conv may be a table or a function, and setup() wins over it", function(t)
    local nvim = t:editor()
    nvim:lua('vim.g.conv = { cold_wait = 1, refresh = { margin = 5 } }; package.loaded["conv.config"] = nil')
    t:eq(nvim:lua('return require("conv.config").get().cold_wait'), 1)
    nvim:lua('vim.g.conv = function() return { cold_wait = 2 } end; package.loaded["conv.config"] = nil')
    t:eq(nvim:lua('return require("conv.config").get().cold_wait'), 2)
    nvim:lua('require("conv").setup({ cold_wait = 3 })')
    t:eq(nvim:lua('return require("conv.config").get().cold_wait'), 3)
    t:eq(nvim:lua('return require("conv.config").get().timeout'), 60000)
  end)

  case("a function that fails and a value of the wrong kind are mistakes, not errors", function(t)
    for _, source in ipairs({ "function() error('x') end", "'yes'", "function() return 1 end" }) do
      local nvim = t:editor()
      nvim:lua("vim.g.conv = " .. source .. "; package.loaded['conv.config'] = nil")
      t:eq(nvim:lua('local _, e = require("conv").token("anthropic"); return e.code'), "config_invalid")
      nvim:kill()
    end
    local nvim = t:editor()
    nvim:lua('require("conv").setup("x")')
    t:wait("the message", function()
      return nvim:said("takes a table")
    end)
  end)

  case("only what was set goes to the backend, so that config.toml keeps its say", function(t)
    local nvim = t:editor({
      options = { store = { backend = "keyring" }, cold_wait = 1, providers = { mine = { name = "Mine" } } },
    })
    t:eq(
      nvim:lua('return require("conv.config").shared()'),
      { store = { backend = "keyring" }, providers = { mine = { name = "Mine" } } }
    )
  end)

  case("preload fetches once the editor is idle, and only then", function(t)
    local script =
      "return { get = function(p, reply) reply(nil, backend.credential({ login = p.login })) end }"
    local nvim = t:editor({ options = { binary = t:fake(script), preload = { "anthropic" } } })
    t:eq(nvim:lua('return package.loaded["conv.backend"] == nil'), true)
    nvim:cmd("doautocmd CursorHold")
    t:wait("the token", function()
      return nvim:lua('return require("conv.credentials").held.anthropic ~= nil')
    end)
  end)

  case("a name in preload that is no login is told, and a login that nobody has is not", function(t)
    local nvim = t:real({ options = { preload = { "anthropic", "nosuch" } } })
    nvim:cmd("doautocmd CursorHold")
    t:wait("the message", function()
      return nvim:said("There is no provider `nosuch`")
    end)
    t:ok(not nvim:said("not logged in"), "nobody asked for a login")
  end)

  case("each code of the backend has a level here, and what ends it", function(t)
    local nvim = t:editor()
    local codes = nvim:lua([[
      local errors = require("conv.errors")
      return vim.tbl_map(function(code)
        return { code[1], code[2], code[3], errors.level({ code = code[1] }) == vim.log.levels[code[3]:upper()] }
      end, require("conv.protocol").codes)
    ]])
    t:ok(#codes > 20, "the codes are there")
    for _, code in ipairs(codes) do
      t:ok(vim.list_contains({ "passing", "lasting", "untold" }, code[2]), code[1])
      t:ok(vim.list_contains({ "info", "warn", "error" }, code[3]) and code[4], code[1])
    end
  end)

  case("texts from outside are redacted", function(t)
    local nvim = t:editor()
    local function redact(text)
      return nvim:lua('return require("conv.errors").redact(...)', text)
    end
    for _, secret in ipairs({
      "sk-or-v1-0123456789abcdef",
      "eyJhbGciOi.J9eyJzdWIi.4sflKxwRJ",
      "Bearer abc123def456ghi789",
    }) do
      t:ok(not redact("x " .. secret .. " y"):find("%d%d%d"), secret)
    end
    t:eq(
      redact("lua/conv/backend.lua:12: attempt to call a nil value"),
      "lua/conv/backend.lua:12: attempt to call a nil value"
    )
  end)

  case("the help says what the schema says, and has a tag for each option", function(t)
    local root = require("harness").root
    local job = vim
      .system({ t.nvim, "-u", "NONE", "-i", "NONE", "-l", root .. "/tests/tools/gen_doc.lua", "--check" })
      :wait(10000)
    t:eq({ job.code, job.stderr }, { 0, "" })
    vim.fn.mkdir(t.dir .. "/doc")
    vim.uv.fs_copyfile(root .. "/doc/conv.txt", t.dir .. "/doc/conv.txt")
    vim.cmd.helptags(t.dir .. "/doc")
    local tags = assert(io.open(t.dir .. "/doc/tags")):read("a")
    for _, tag in ipairs({
      "conv-option-store.backend",
      "conv.token()",
      ":ConvLogin",
      "g:conv_status",
      "conv-errors",
    }) do
      t:ok(tags:find(tag .. "\t", 1, true), tag)
    end
  end)

  case("the help names every highlight group, kind of picker and state", function(t)
    local function read(path)
      return table.concat(vim.fn.readfile(t.root .. path), "\n")
    end
    local help, names = read("/doc/conv.txt"), 0
    local function named(text, pattern)
      for name in text:gmatch(pattern) do
        names = names + 1
        t:ok(help:find('[`"]' .. name .. '[`"]'), name .. " is not in the help")
      end
    end
    named(read("/lua/conv/ui/float.lua"), "\n  (Conv%u%l+) =")
    named(read("/lua/conv/picker.lua") .. read("/lua/conv/binary.lua"), 'kind = "([%w_]+)"')
    named(read("/lua/conv/types.lua"), '\n%-%-%-| "([%w_]+)"')
    t:ok(names >= 20, names .. " names")
  end)
end

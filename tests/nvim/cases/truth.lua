-- What is shown of a login is what `conv.token()` would answer now: with a secret that cannot be read,
-- nothing is green.

local flows = require("flows")
local keyring = require("keyring")

---`sk-or-v1-app` as the app seals it: under a key of 32 times 7, with a nonce of 12 times 9.
local APP_KEY = [[
[runtime.openrouter_api_key]
backend = "local-encrypted"
nonce = "CQkJCQkJCQkJCQkJ"
ciphertext = "jxLWuJYj85TwCX5IYQ+cl4aSezf4iCAirONjWg=="
]]

---Every face names the trouble, and none says that all is well.
local function says(t, nvim, login, code, trouble)
  t:eq(select(2, flows.token(nvim, login)), code, "the answer of token()")
  nvim:cmd("ConvStatus")
  local text = t:wait("the trouble in the window", function()
    local seen = nvim:window_text():gsub("%s+", " ")
    return seen:find(login .. " error", 1, true) and seen
  end, 15000)
  t:match(text, trouble)
  nvim:lua("_G.notes = {}")
  nvim:type("r")
  t:wait("the answer to r", function()
    return nvim:said(trouble)
  end, 15000)
  nvim:type("q")
  t:match(nvim:lua("return vim.g.conv_status"), "^! " .. login .. ": error$")
  t:eq(nvim:lua("return require('conv').is_logged_in(...)", login), false)
  nvim:cmd("checkhealth conv")
  local page = table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
  t:match(page, "ERROR " .. login .. ": error")
  t:ok(not page:find("OK " .. login), page)
end

return function(case)
  case("with a lost secret.key", function(t)
    t:sandbox()
    local nvim = t:real({ options = { icons = false, browser = true } })
    flows.log_in(t, nvim, "openrouter")
    assert(vim.uv.fs_unlink(t.dir .. "/convocations/secret.key"))
    local other = t:real({ options = { icons = false, browser = true } })
    says(t, other, "openrouter", "store_unreadable", "secret.key")
  end)

  case("with a key of the app in plain text, which is no key for us", function(t)
    t:sandbox()
    local config = t.dir .. "/convocations/config.toml"
    local before = assert(io.open(config)):read("a")
    t:file("convocations/config.toml", before .. '[runtime]\nopenrouter_api_key = "sk-or-v1-app"\n')
    local nvim = t:real({ options = { icons = false } })
    t:eq(select(2, flows.token(nvim, "openrouter")), "not_logged_in")
    t:eq(nvim:lua("return require('conv').is_logged_in('openrouter')"), false)
    nvim:cmd("ConvStatus")
    flows.sees(t, nvim, "Nobody is logged in yet")
    nvim:type("q")
    nvim:cmd("ConvLogout openrouter")
    t:wait("the answer", function()
      return nvim:said("There is no stored login `openrouter`%. `:ConvStatus` lists the logins")
    end)
  end)

  case("with the app's sealed key: used, and a logout says in the editor's words whose it is", function(t)
    t:sandbox()
    local config = t.dir .. "/convocations/config.toml"
    local before = assert(io.open(config)):read("a")
    t:file("convocations/config.toml", before .. APP_KEY)
    t:file("convocations/secret.key", ("\7"):rep(32))
    local nvim = t:real({ options = { icons = false } })
    t:eq(flows.token(nvim, "openrouter"), "sk-or-v1-app")
    nvim:cmd("ConvStatus")
    flows.sees(t, nvim, "openrouter%s+logged in%s+key of the Convocations app")
    nvim:type("q")
    nvim:cmd("ConvLogout openrouter")
    t:wait("the answer", function()
      return nvim:said("key of the Convocations app; remove it there")
    end)
    for _, note in ipairs(nvim:notes()) do
      t:ok(not note.text:find("convocations %l+"), note.text)
    end
    t:eq(flows.token(nvim, "openrouter"), "sk-or-v1-app")
  end)

  case("with a keyring that was locked after the login", function(t)
    t:sandbox()
    local unlocked = keyring.start(t, "unlocked")
    local options = { icons = false, browser = true, store = { backend = "keyring", keyring_timeout = 2 } }
    local env = { DBUS_SESSION_BUS_ADDRESS = unlocked.address }
    local nvim = t:real({ options = options, env = env })
    flows.log_in(t, nvim, "openrouter")
    unlocked:lock(t)
    local other = t:real({ options = options, env = env })
    says(t, other, "openrouter", "keyring_locked", "The keyring is locked")
  end)

  ---Everything that a face says, in one line.
  local function flat(text)
    return (text:gsub("%s+", " "))
  end

  ---What the command line says, in this case's folders.
  local function command(t, address, args)
    local env = t:env({ DBUS_SESSION_BUS_ADDRESS = address })
    local ran = vim
      .system(vim.list_extend({ t.program() }, args), { env = env, clear_env = true, text = true })
      :wait(30000)
    return ran.stdout .. ran.stderr, ran
  end

  ---A login in a keyring, which is then brought into trouble: an editor that has not looked at it yet.
  local function in_keyring(t, timeout, trouble)
    t:sandbox()
    t:file(
      "convocations/convocations.toml",
      ('[store]\nbackend = "keyring"\nkeyring_timeout = %d\n'):format(timeout)
    )
    local ring = keyring.start(t, "unlocked")
    local env = { DBUS_SESSION_BUS_ADDRESS = ring.address }
    flows.log_in(t, t:real({ env = env }), "openrouter")
    trouble(ring)
    return t:real({ options = { icons = false }, env = env }), ring
  end

  local troubles = {
    ["that is gone"] = {
      "keyring_unavailable",
      function(t, ring)
        ring:stop(t)
      end,
    },
    ["that is locked"] = {
      "keyring_locked",
      function(t, ring)
        ring:lock(t)
      end,
    },
    ["that hangs"] = {
      "keyring_unavailable",
      function(_, ring)
        ring:freeze(true)
      end,
    },
  }
  for what, trouble in vim.spairs(troubles) do
    case("with a keyring " .. what .. ", five faces say the same trouble and the same remedy", function(t)
      local nvim, ring = in_keyring(t, 2, function(ring)
        trouble[2](t, ring)
      end)
      local status = vim.json.decode((command(t, ring.address, { "status", "--json" })))
      local told = status.logins[1].error
      t:eq({ status.logins[1].state, told.code }, { "error", trouble[1] })
      local function names(face, text)
        t:ok(flat(text):find(told.message, 1, true), face .. " names the trouble: " .. text)
        t:ok(flat(text):find(told.hint, 1, true), face .. " names the remedy: " .. text)
      end
      names("status", (command(t, ring.address, { "status" })))
      names("doctor", (command(t, ring.address, { "doctor" })))
      t:eq(select(2, flows.token(nvim, "openrouter")), trouble[1])
      nvim:cmd("ConvStatus")
      names(
        "the window",
        t:wait("the trouble in the window", function()
          local seen = nvim:window_text()
          return seen:find("openrouter +error") and seen
        end, 15000)
      )
      nvim:type("q")
      nvim:cmd("checkhealth conv")
      names(
        ":checkhealth",
        table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
      )
      t:eq(nvim:lua("return vim.g.conv_status"), "! openrouter: error")
      t:eq(nvim:lua("return vim.v.errmsg"), "")
    end)
  end

  case("with a keyring that answers after 4 s, five faces say that all is well", function(t)
    local nvim, ring = in_keyring(t, 8, function(ring)
      ring:freeze(true)
    end)
    local thaw = assert(vim.uv.new_timer())
    local function late(ask)
      ring:freeze(true)
      thaw:start(4000, 0, function()
        ring:freeze(false)
      end)
      return ask()
    end
    t:match(
      late(function()
        return (command(t, ring.address, { "status" }))
      end),
      "openrouter +logged in"
    )
    local doctor, ran = late(function()
      return command(t, ring.address, { "doctor" })
    end)
    t:eq(ran.code, 0, doctor)
    late(function()
      nvim:cmd("ConvStatus")
      t:wait("the login in the window", function()
        return nvim:window_text():find("openrouter +logged in")
      end, 15000)
      nvim:type("q")
    end)
    t:eq(nvim:lua("return vim.g.conv_status"), "+ openrouter")
    local page = late(function()
      nvim:cmd("checkhealth conv")
      return table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
    end)
    t:match(page, "OK openrouter: logged in")
    t:ok(not page:find("ERROR"), page)
    thaw:close()
    t:eq(nvim:lua("return vim.v.errmsg"), "")
  end)
end

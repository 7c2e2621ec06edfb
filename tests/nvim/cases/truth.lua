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
end

-- What is shown of a login is what `conv.token()` would answer now: with a secret that cannot be read, nothing is green.

local flows = require("flows")
local keyring = require("keyring")

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

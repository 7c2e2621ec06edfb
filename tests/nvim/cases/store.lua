-- Where logins are kept, as `:ConvStatus` and `:checkhealth conv` show it: also where the keyring gives no
-- answer.

local flows = require("flows")
local keyring = require("keyring")

local function health(nvim)
  nvim:cmd("checkhealth conv")
  return table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
end

---The window and the health page name the trouble and what to do about it, and nothing else happens.
local function names(t, nvim, trouble, remedy)
  nvim:cmd("ConvStatus")
  local text = t:wait("the trouble in the window: " .. trouble, function()
    local seen = nvim:window_text():gsub("%s+", " ")
    return seen:find(trouble) and seen
  end, 15000)
  t:match(text, remedy)
  t:match(nvim:head(), "q close")
  nvim:type("q")
  local page = health(nvim)
  t:match(page, "ERROR " .. trouble)
  t:match(page:gsub("%s+", " "), remedy)
  t:ok(not page:find("OK New logins go to"), page)
  t:match(page, "conv: browser", "the page goes on to its end")
  t:eq(nvim:lua("return vim.v.errmsg"), "")
end

local function editor(t, address, timeout)
  local store = { backend = "keyring", keyring_timeout = timeout }
  local env = { DBUS_SESSION_BUS_ADDRESS = address }
  return t:real({ options = { store = store, browser = false }, env = env })
end

return function(case)
  case("without a keyring, :ConvStatus and :checkhealth name that, and what to do", function(t)
    local nvim = editor(t, "unix:path=" .. t.dir .. "/nowhere")
    names(t, nvim, "There is no keyring in this session", "local%-encrypted")
  end)

  case("with a keyring that is locked, they name that, and what to do", function(t)
    local nvim = editor(t, keyring.start(t, "locked").address)
    names(t, nvim, "The keyring is locked", "Unlock it")
  end)

  case("with a keyring that hangs, they name that, and what to do", function(t)
    local hanging = keyring.start(t, "unlocked")
    hanging:freeze(true)
    names(t, editor(t, hanging.address, 1), "The keyring does not answer", "local%-encrypted")
  end)

  case("a login whose secret cannot be opened is shown as that, and as good once it can be", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    local key = t.dir .. "/convocations/secret.key"
    assert(vim.uv.fs_rename(key, t.dir .. "/aside"))
    local fresh = t:real()
    t:eq(fresh:lua('return require("conv").status().text'), "◎ openrouter", "no more than the index tells")
    t:eq({ flows.token(fresh, "openrouter") }, { nil, "store_unreadable" })
    t:wait("the statusline", function()
      return fresh:lua("return vim.g.conv_status") == "✗ openrouter: error"
    end)
    t:eq(fresh:lua('return require("conv").is_logged_in("openrouter")'), false)
    t:match(health(fresh), "ERROR openrouter: [^\n]*missing")
    fresh:cmd("ConvStatus")
    t:wait("the window", function()
      return fresh:window_text():find("✗ openrouter%s+error")
    end)
    assert(vim.uv.fs_rename(t.dir .. "/aside", key))
    fresh:type("/openrouter\r")
    fresh:type("r")
    t:wait("the window to follow", function()
      return fresh:window_text():find("● openrouter%s+logged in")
    end)
    t:ok(flows.works(sandbox, fresh, "openrouter"))
  end)
end

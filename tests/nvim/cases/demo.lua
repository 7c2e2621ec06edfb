-- The commands of `make demo`, in its own editor with the pretend providers.

local flows = require("flows")

---An editor as `make demo` opens it, without a browser.
local function begin(t)
  local sandbox = t:sandbox()
  local nvim = t:editor({
    args = { "-c", "luafile " .. t.root .. "/tests/demo/init.lua" },
    env = { CONV_DEMO_ROOT = t.root, CONV_DEMO_URL = sandbox.url, CONVOCATIONS = t.program() },
  })
  nvim:lua("dofile(...)", t.root .. "/tests/demo/init.lua")
  nvim:lua([[
    vim.ui.open = function() return nil, "no handler" end
    local options = vim.g.conv
    options.callback = { port = 0 }
    vim.g.conv = options
    require("conv").setup()
  ]])
  return nvim
end

local function said(t, nvim, text)
  t:wait("the message " .. text, function()
    return nvim:said(text) or nvim:lua("return vim.fn.execute('messages')"):find(text)
  end)
end

return function(case)
  case(":DemoApprove plays the person, at a page and with a device code", function(t)
    local nvim = begin(t)
    nvim:cmd("ConvLogin openrouter browser")
    flows.sees(t, nvim, "Waiting")
    nvim:cmd("DemoApprove")
    t:ok(flows.complete(t, nvim, 1).ok, "the login by callback")
    nvim:cmd("ConvLogin openai device")
    flows.sees(t, nvim, "type this code")
    nvim:cmd("DemoApprove")
    -- The provider is asked every few seconds.
    t:wait("the login by device code", function()
      local ended = nvim:events("ConvAuthComplete")[2]
      return ended and ended.ok
    end, 20000)
  end)

  case("where nothing waits, :DemoApprove says so, and no browser is promised where none opens", function(t)
    local nvim = begin(t)
    nvim:cmd("DemoApprove")
    said(t, nvim, "Begin with :ConvLogin")
    nvim:lua("vim.api.nvim_echo = function(chunks) _G.echoed = (_G.echoed or '') .. chunks[1][1] end")
    nvim:cmd("ConvLogin openrouter browser")
    flows.sees(t, nvim, "Waiting")
    t:wait("the way on", function()
      return tostring(nvim:lua("return _G.echoed")):find("^Type :DemoApprove")
    end)
    nvim:type("q")
    t:eq(flows.complete(t, nvim).ok, false)
    nvim:cmd("DemoApprove")
    said(t, nvim, "no longer waiting")
    t:eq(nvim:lua("return vim.v.errmsg"), "")
  end)
end

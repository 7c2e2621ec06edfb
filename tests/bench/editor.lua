-- The editor's rows of `make bench`: a token from memory against a table lookup, and startup with and without
-- the plugin. Run by `nvim -l`; exits with 1 if a budget is missed.

local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p")))
local root = vim.fs.dirname(vim.fs.dirname(here))
package.path = root .. "/tests/nvim/lib/?.lua;" .. package.path

local flows = require("flows")
local harness = require("harness")

local missed = 0

---@param text string
---@param good boolean
local function row(text, good)
  missed = missed + (good and 0 or 1)
  io.stdout:write(good and "met    " or "MISSED ", text, "\n")
end

---@param values number[]
local function median(values)
  table.sort(values)
  return values[math.ceil(#values / 2)]
end

local function token(t)
  t:sandbox()
  local nvim = t:real()
  flows.log_in(t, nvim, "anthropic")
  t:ok(flows.token(nvim, "anthropic"))
  local times = nvim:lua([[
    local conv, held, count = require("conv"), { anthropic = "x" }, 1000000
    local function time(work)
      local begun = vim.uv.hrtime()
      for _ = 1, count do work("anthropic") end
      return tonumber(vim.uv.hrtime() - begun) / count
    end
    local lookup = time(function(login) return held[login] end)
    return { time(conv.token), lookup }
  ]])
  row(
    ("conv.token() from memory: %.0f ns, a table lookup %.1f ns; budget 1000 ns"):format(times[1], times[2]),
    times[1] < 1000
  )
end

---The text is in a variable, and lualine's component reads it: a tenth more is what two measures of one thing
---differ by.
local function statusline(t)
  t:sandbox()
  local nvim = t:real()
  flows.log_in(t, nvim, "anthropic")
  local text, variable = unpack(nvim:lua([[
    local Component = { super = { init = function() end } }
    package.loaded["lualine.component"] = { extend = function() return Component end }
    local component = require("lualine.components.conv")
    assert(component.update_status() ~= "")
    local works = {
      component.update_status,
      function() return vim.g.conv_status or "" end,
    }
    local least = { math.huge, math.huge }
    for turn = 1, 40 do
      local which = turn % 2 + 1
      local begun = vim.uv.hrtime()
      for _ = 1, 20000 do works[which]() end
      least[which] = math.min(least[which], tonumber(vim.uv.hrtime() - begun) / 20000)
    end
    return least
  ]]))
  row(
    ("statusline text: %.0f ns, a `vim.g` variable %.0f ns; budget no more"):format(text, variable),
    text < variable * 1.1
  )
end

---Milliseconds of a start to its end.
local function start(args)
  local argv = vim.list_extend({ harness.nvim, "--headless", "--clean" }, args)
  local begun = vim.uv.hrtime()
  vim.system(vim.list_extend(argv, { "-c", "qa" })):wait()
  return tonumber(vim.uv.hrtime() - begun) / 1e6
end

local function startup()
  local with, without = {}, {}
  for _ = 1, 40 do
    table.insert(without, start({}))
    table.insert(with, start({ "--cmd", "set rtp^=" .. root }))
  end
  local added = median(with) - median(without)
  row(
    ("Neovim's startup: %+.2f ms (%.1f ms without); budget 0.5 ms"):format(added, median(without)),
    added < 0.5
  )
end

---`conv.gateway()` in a config: the key, and a port that is bound and listened on, which is also the floor.
---Each editor has one, so each is measured once, loading included.
local function gateway(t)
  t:sandbox()
  local opened, floor = {}, {}
  for _ = 1, 15 do
    local nvim = t:real()
    local times = nvim:lua([[
      local function time(work)
        local begun = vim.uv.hrtime()
        work()
        return tonumber(vim.uv.hrtime() - begun) / 1e6
      end
      local conv, held = require("conv"), { openrouter = "x" }
      local least = time(function()
        local tcp = vim.uv.new_tcp()
        tcp:bind("127.0.0.1", 0)
        tcp:listen(128, function() end)
        _G.found = held.openrouter
      end)
      require("conv.gateway"); require("conv.gateway.handover") -- found on disk once: startup's row has that
      return { time(function() assert(conv.gateway("openrouter")) end), least,
        require("conv.backend").state() == "stopped" and 1 or 0 }
    ]])
    assert(times[3] == 1, "a process was started")
    table.insert(opened, times[1])
    table.insert(floor, times[2])
  end
  local took = median(opened)
  row(
    ("conv.gateway() at setup: %.3f ms, a lookup and a bind %.3f ms; budget 0.3 ms"):format(
      took,
      median(floor)
    ),
    took < 0.3
  )
end

for name, run in pairs({ token = token, statusline = statusline, gateway = gateway }) do
  local outcome, why = harness.run({ name = name, run = run })
  if outcome ~= "passed" then
    row(tostring(why), false)
  end
end
startup()
harness.close()
os.exit(missed == 0 and 0 or 1)

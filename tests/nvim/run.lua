-- Runs the Neovim tests: `nvim -l tests/nvim/run.lua [FILTER…]`. Each case gets fresh child editors in
-- folders of its own; none sees the person's files, keyring or network. The last line says how many passed
-- and failed.

local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p")))
package.path = here .. "/lib/?.lua;" .. package.path

local harness = require("harness")

---@param text string
local function say(text)
  io.stdout:write(text, "\n")
  io.stdout:flush()
end

---@return { name: string, run: fun(t: table) }[]
local function collect()
  local cases = {}
  local files = vim.fn.readdir(here .. "/cases")
  table.sort(files)
  for _, name in ipairs(files) do
    local subject = name:match("^(.*)%.lua$")
    if subject then
      dofile(here .. "/cases/" .. name)(function(title, run)
        table.insert(cases, { name = subject .. ": " .. title, run = run })
      end)
    end
  end
  return cases
end

---@param name string
---@param filters string[]
---@return boolean
local function wanted(name, filters)
  return #filters == 0
    or vim.iter(filters):any(function(filter)
      return name:lower():find(filter:lower(), 1, true) ~= nil
    end)
end

local stale = require("built").stale(harness.root)
if stale then
  say(stale)
  os.exit(1)
end
local filters = vim.list_slice(_G.arg, 1)
local passed, skipped, failed = 0, 0, {}
local began = vim.uv.hrtime()
for _, case in ipairs(collect()) do
  if wanted(case.name, filters) then
    local start = vim.uv.hrtime()
    local outcome, why = harness.run(case)
    local ms = (vim.uv.hrtime() - start) / 1e6
    if outcome == "passed" then
      passed = passed + 1
      say(("ok    %s (%d ms)"):format(case.name, ms))
    elseif outcome == "skipped" then
      skipped = skipped + 1
      say(("skip  %s: %s"):format(case.name, why))
    else
      table.insert(failed, case.name)
      say(("FAIL  %s (%d ms)\n%s"):format(case.name, ms, why:gsub("^", "      "):gsub("\n", "\n      ")))
    end
  end
end
harness.close()
for _, name in ipairs(failed) do
  say("failed: " .. name)
end
say(
  ("%d passed, %d failed%s in %.1f s"):format(
    passed,
    #failed,
    skipped > 0 and (", " .. skipped .. " skipped") or "",
    (vim.uv.hrtime() - began) / 1e9
  )
)
os.exit((#failed > 0 or passed == 0) and 1 or 0)

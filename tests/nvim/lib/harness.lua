-- One test case: its folder, its child editors and servers, its time limit, and what it can assert.

local Editor = require("editor")

local M = {}

---Seconds for one case.
local LIMIT = 30

local here = vim.fs.dirname(
  vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p")))
)

M.root = vim.fs.dirname(vim.fs.dirname(here))
M.nvim = vim.env.NVIM and vim.fn.executable(vim.env.NVIM) == 1 and vim.env.NVIM or vim.v.progpath

---@class conv.Case
---@field dir string
---@field nvim string
---@field root string
---@field editors table[]
---@field cleanups fun()[]
local Case = {}
Case.__index = Case

---An isolated environment: nothing of the person's, no keyring, a plain terminal.
---@param extra? table<string, string>
---@return table<string, string>
function Case:env(extra)
  local dir = self.dir
  return vim.tbl_extend("force", {
    PATH = vim.env.PATH,
    HOME = dir .. "/home",
    XDG_CONFIG_HOME = dir .. "/config",
    XDG_DATA_HOME = dir .. "/data",
    XDG_STATE_HOME = dir .. "/state",
    XDG_CACHE_HOME = dir .. "/cache",
    XDG_RUNTIME_DIR = dir .. "/run",
    CONVOCATIONS_DIR = dir .. "/convocations",
    CONVOCATIONS_LOG = "debug",
    NVIM_LOG_FILE = dir .. "/nvim.log",
    TMPDIR = dir .. "/tmp",
    LANG = "C.UTF-8",
    TERM = "xterm-256color",
    NO_PROXY = "127.0.0.1,localhost",
  }, extra or {})
end

---@param name string
---@param text string
---@param mode? integer
---@return string path
function Case:file(name, text, mode)
  local path = self.dir .. "/" .. name
  vim.fn.mkdir(vim.fs.dirname(path), "p", "0700")
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  vim.uv.fs_chmod(path, mode or 384)
  return path
end

---A backend that does what `script` says: Lua that returns a table of functions by method.
---@param script string
---@param name? string where there are several
---@return string path of a program
function Case:fake(script, name)
  name = name or "fake"
  local path = self:file(name .. ".lua", script)
  local line = '#!/bin/sh\nexec "%s" -u NONE -i NONE -l "%s" "%s" "$@"\n'
  return self:file(name .. "-backend", line:format(M.nvim, here .. "/lib/fake_backend.lua", path), 448)
end

---A child editor with the plugin. `options` is its `vim.g.conv`, as Lua source or a table.
---@param opts? { options?: table, env?: table<string, string>, args?: string[] }
function Case:editor(opts)
  opts = opts or {}
  local editor = Editor.start({
    nvim = M.nvim,
    root = M.root,
    env = self:env(opts.env),
    args = opts.args or {},
    cwd = self.dir,
  })
  table.insert(self.editors, editor)
  editor:lua("_G.opened = {}; _G.options = ...", opts.options or {})
  editor:lua([[
    _G.options.open = _G.options.open or function(url) table.insert(_G.opened, url) end
    vim.g.conv = _G.options
    _G.events = {}
    vim.api.nvim_create_autocmd("User", { pattern = "Conv*", callback = function(event)
      table.insert(_G.events, { name = event.match, data = event.data })
    end })
    _G.notes = {}
    vim.notify = function(text, level) table.insert(_G.notes, { text = text, level = level }) end
  ]])
  return editor
end

---The program under test, as built for tests.
---@return string
function Case.program()
  return require("built").program(M.root)
end

---The pretend providers, with this case's config.toml pointing at them.
function Case:sandbox()
  local sandbox = require("sandbox").start(M.root)
  self:file("convocations/config.toml", sandbox:config_toml() .. '\n[store]\nbackend = "local-encrypted"\n')
  return sandbox
end

---A child editor with the real backend. `options` are added to those that a test needs.
---@param opts? { options?: table, env?: table<string, string>, args?: string[] }
function Case:real(opts)
  opts = vim.deepcopy(opts or {})
  local base = { binary = Case.program(), browser = true, cold_wait = 5000, callback = { port = 0 } }
  opts.options = vim.tbl_deep_extend("force", base, opts.options or {})
  return self:editor(opts)
end

---@param cleanup fun()
function Case:defer(cleanup)
  table.insert(self.cleanups, cleanup)
end

---@param reason string
function Case.skip(_, reason)
  error({ skip = reason }, 0)
end

local function show(value)
  return type(value) == "string" and value or vim.inspect(value)
end

function Case.eq(_, got, wanted, what)
  if not vim.deep_equal(got, wanted) then
    error(("%s: got %s, wanted %s"):format(what or "not equal", show(got), show(wanted)), 2)
  end
end

function Case.ok(_, value, what)
  if not value then
    error(what or "expected a true value", 2)
  end
  return value
end

function Case.match(_, text, pattern, what)
  if type(text) ~= "string" or not text:find(pattern) then
    error(("%s: %s does not match %q"):format(what or "no match", show(text), pattern), 2)
  end
end

---Waits until `probe` returns something true, and returns that.
---@param what string
---@param probe fun(): any
---@param ms? integer
function Case.wait(_, what, probe, ms)
  local found
  local ok = vim.wait(ms or 5000, function()
    found = probe()
    return found and true or false
  end, 10)
  if not ok then
    error("waited in vain: " .. what, 2)
  end
  return found
end

function Case:release()
  for index = #self.editors, 1, -1 do
    self.editors[index]:kill()
  end
  for index = #self.cleanups, 1, -1 do
    pcall(self.cleanups[index])
  end
  vim.fn.delete(self.dir, "rf")
end

---@return conv.Case
local function new_case()
  local dir = vim.fn.tempname()
  for _, name in ipairs({ "home", "config", "data", "state", "cache", "run", "tmp", "convocations" }) do
    vim.fn.mkdir(dir .. "/" .. name, "p", "0700")
  end
  return setmetatable({ dir = dir, nvim = M.nvim, root = M.root, editors = {}, cleanups = {} }, Case)
end

---@param case { name: string, run: fun(t: conv.Case) }
---@return "passed"|"skipped"|"failed" outcome, string? why
function M.run(case)
  local t = new_case()
  local late = false
  local timer = assert(vim.uv.new_timer())
  -- A child that hangs would keep a request of ours for ever: killing it ends the request.
  timer:start(LIMIT * 1000, 0, function()
    late = true
    for _, editor in ipairs(t.editors) do
      vim.uv.kill(editor.pid, "sigkill")
    end
  end)
  local ok, why = xpcall(case.run, function(problem)
    if type(problem) == "table" then
      return problem
    end
    return debug.traceback(tostring(problem), 2)
  end, t)
  timer:stop()
  timer:close()
  t:release()
  if late then
    return "failed", ("It took more than %d s.\n%s"):format(LIMIT, tostring(why))
  elseif ok then
    return "passed"
  elseif type(why) == "table" and why.skip then
    return "skipped", why.skip
  end
  return "failed", tostring(why)
end

---Ends what outlives single cases.
function M.close()
  if package.loaded.sandbox then
    require("sandbox").stop()
  end
end

return M

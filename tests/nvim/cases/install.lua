-- The ways a plugin gets into Neovim, each in an editor that has nothing else: by hand or packer.nvim (a
-- `start` package), vim.pack (an `opt` package and `:packadd`), lazy.nvim (plugins off, and the path put in
-- at first use).

local LOOK = [[
  local found = require("conv.binary").find() or {}
  vim.cmd.helptags({ args = { "ALL" } })
  local helped, problem = pcall(vim.cmd.help, "conv-api")
  -- The real backend answers, from the plugin's own folder.
  local answer
  require("conv").get("nobody", nil, function(err) answer = err.code end)
  vim.wait(10000, function() return answer ~= nil end, 10)
  return {
    commands = { vim.fn.exists(":ConvLogin"), vim.fn.exists(":ConvLogout"), vim.fn.exists(":ConvStatus") },
    how = found.how, path = found.path, helped = helped, problem = problem, answer = answer,
  }
]]

---The files that a plugin manager clones, and the program where `make build` puts it.
local function install(t, where)
  local target = t.dir .. "/" .. where
  vim.fn.mkdir(target .. "/target/release", "p")
  for _, part in ipairs({ "lua", "plugin", "doc" }) do
    assert(vim.uv.fs_symlink(t.root .. "/" .. part, target .. "/" .. part))
  end
  -- The help of this checkout stays without a tags file: the folder is a copy.
  assert(vim.uv.fs_unlink(target .. "/doc"))
  vim.fn.mkdir(target .. "/doc")
  assert(vim.uv.fs_copyfile(t.root .. "/doc/conv.txt", target .. "/doc/conv.txt"))
  assert(vim.uv.fs_symlink(t.program(), target .. "/target/release/convocations"))
  return target
end

---Runs an editor to its end and returns what the plugin looks like in it.
---@param args string[]
---@param setup string Lua before the look, once everything has started
local function look(t, args, setup)
  local script = t:file(
    "look.lua",
    ([[
    local ok, result = pcall(function() %s
      return (function() %s end)()
    end)
    io.stdout:write(vim.json.encode({ ok = ok, result = result }))
  ]]):format(setup, LOOK)
  )
  local argv = vim.list_extend({ t.nvim, "--headless", "-i", "NONE", "-n" }, args)
  vim.list_extend(argv, { "-c", "luafile " .. script, "-c", "qa!" })
  local ran = vim.system(argv, { env = t:env(), clear_env = true, text = true, cwd = t.dir }):wait(20000)
  local json = assert(ran.stdout:match("%b{}"), ran.stdout .. ran.stderr)
  local said = vim.json.decode(json)
  assert(said.ok, said.result)
  return said.result
end

local function works(t, seen)
  t:eq(seen.commands, { 2, 2, 2 })
  t:ok(seen.helped, seen.problem)
  t:eq(seen.how, "built in the plugin's folder")
  t:eq(seen.answer, "unknown_login", "the backend's answer")
end

return function(case)
  case("a start package: by hand, packer.nvim", function(t)
    install(t, "data/nvim/site/pack/conv/start/convocations")
    works(t, look(t, {}, ""))
  end)

  case("an opt package: vim.pack, :packadd", function(t)
    install(t, "data/nvim/site/pack/core/opt/convocations")
    works(t, look(t, {}, "vim.cmd.packadd('convocations')"))
  end)

  case("by hand: make build makes the help tags, which git ignores", function(t)
    local dir = t.dir .. "/data/nvim/site/pack/conv/start/convocations"
    install(t, "data/nvim/site/pack/conv/start/convocations")
    for _, file in ipairs({ "Makefile", ".gitignore" }) do
      assert(vim.uv.fs_copyfile(t.root .. "/" .. file, dir .. "/" .. file))
    end
    t:file("bin/cargo", "#!/bin/sh\nexit 0\n", 448)
    assert(vim.uv.fs_symlink(t.nvim, t.dir .. "/bin/nvim"))
    local env = t:env({ PATH = t.dir .. "/bin:/usr/bin:/bin" })
    local made = vim
      .system({ "make", "build" }, { cwd = dir, env = env, clear_env = true, text = true })
      :wait(20000)
    t:eq({ made.code, made.stderr }, { 0, "" })
    local script = t:file("help.lua", "vim.cmd.help('conv') io.stdout:write(vim.fn.expand('%:t'))")
    local argv = { t.nvim, "--headless", "-i", "NONE", "-n", "-c", "luafile " .. script, "-c", "qa!" }
    local ran = vim.system(argv, { env = env, clear_env = true, text = true }):wait(20000)
    t:match(ran.stdout, "conv%.txt")
    vim.system({ "git", "init", "-q" }, { cwd = dir }):wait()
    local ignored = vim.system({ "git", "check-ignore", "doc/tags" }, { cwd = dir, text = true }):wait()
    t:eq(ignored.stdout, "doc/tags\n")
  end)

  case("lazy.nvim: the path at first use, and the command again", function(t)
    local dir = install(t, "lazy/convocations")
    local setup = ([[
      vim.api.nvim_create_user_command("ConvLogin", function(stub)
        vim.api.nvim_del_user_command("ConvLogin")
        vim.opt.runtimepath:prepend(%q)
        vim.cmd.runtime("plugin/conv.lua")
        _G.again = vim.fn.exists(":ConvLogin") == 2
      end, { nargs = "*", bang = true })
      vim.cmd.ConvLogin("nobody")
      assert(_G.again)
    ]]):format(dir)
    works(t, look(t, { "-u", "NONE", "--noplugin" }, setup))
  end)

  case("require('conv').setup() before and after the plugin's file is read", function(t)
    local dir = install(t, "lazy/convocations")
    local setup = ([[
      vim.opt.runtimepath:prepend(%q)
      require("conv").setup({ icons = false })
      vim.cmd.runtime("plugin/conv.lua")
      require("conv").setup({ icons = false })
    ]]):format(dir)
    works(t, look(t, { "-u", "NONE", "--noplugin" }, setup))
  end)
end

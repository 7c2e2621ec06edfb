-- The settings of an editor on a machine that a login is lent to, with gp.nvim's stand-in for a companion
-- plugin. It asks, waits until there is a file `go`, asks again, and says in the file `said` what a person
-- and other plugins would see.

local root, home = "/opt/repository", assert(os.getenv("HOME"))
local login, endpoint = "mycorp", os.getenv("FAR_ENDPOINT")

package.path = root .. "/tests/nvim/lib/?.lua;" .. package.path
vim.opt.runtimepath:prepend({ root, root .. "/tests/nvim/hosts/gp" })
vim.g.conv = { binary = "/opt/convocations" }

local said = {}
local function say(name, value)
  said[name] = value == nil and vim.NIL or value
  local file = assert(io.open(home .. "/said.new", "w"))
  file:write(vim.json.encode(said))
  file:close()
  assert(os.rename(home .. "/said.new", home .. "/said"))
end

local function ask(text)
  local dispatcher = require("gp.dispatcher")
  dispatcher.query("mine", text)
  vim.wait(20000, function()
    return dispatcher.answer ~= nil
  end, 5)
  return dispatcher.answer
end

local function run()
  require("gp").setup({ providers = { mine = { endpoint = endpoint, secret = "convocations" } } })
  require("conv.integrations.gp").follow({ mine = login })
  say("first", ask("one"))
  vim.wait(30000, function()
    return vim.uv.fs_stat(home .. "/go") ~= nil
  end, 5)
  say("second", ask("two"))

  local conv = require("conv")
  local token, err = conv.token(login)
  say("token", { value = token, code = err and err.code, message = err and err.message })
  say("status", conv.status(login))
  say("statusline", vim.g.conv_status)
  say("gateway", conv.gateway(login) ~= nil)
  local done = false
  conv.login(login, {}, function(failed)
    done = true
    say("login", failed and failed.message)
  end)
  vim.wait(10000, function()
    return done
  end, 5)
  vim.cmd("ConvStatus")
  vim.wait(10000, function()
    return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n"):find("lends logins here", 1, true)
  end, 5)
  say("window", table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n"))
  vim.cmd("qall!")
end

vim.api.nvim_create_autocmd("VimEnter", {
  callback = vim.schedule_wrap(function()
    local ok, problem = xpcall(run, debug.traceback)
    if not ok then
      say("problem", problem)
      vim.cmd("cquit")
    end
  end),
})

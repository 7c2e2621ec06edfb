-- Builds the program in the plugin's folder, with Rust and what cargo downloads. It asks nothing.

local errors = require("conv.errors")

local M = {}

---@return string[]? argv
function M.command()
  local binary = require("conv.binary")
  local cargo, make = binary.in_path("cargo"), binary.in_path("make")
  if cargo and make then
    return { make, "build" }
  end
  return cargo and { cargo, "build", "--release", "--locked", "--target-dir", "target" }
end

---@param window conv.Progress
---@param result vim.SystemCompleted
---@return ConvError?
local function outcome(window, result)
  local root = require("conv.binary").root()
  if result.code == 0 and require("conv.binary").find() then
    window:close()
    pcall(vim.cmd.helptags, vim.fs.joinpath(root, "doc"))
    return nil
  elseif result.signal ~= 0 then
    window:close()
    return errors.new("cancelled", "The build was cancelled.")
  end
  window:fail()
  local hint = ("The window shows why; `make build` in %s does the same."):format(root)
  return errors.new("backend_missing", "The backend could not be built.", hint)
end

local function nothing() end

---@param done fun(err?: ConvError)
---@return fun() stop
function M.run(done)
  local argv = M.command()
  if not argv then
    local hint = "Install Rust from https://rustup.rs, then run `:ConvLogin` again."
    done(errors.new("backend_missing", "The backend cannot be built: there is no `cargo`.", hint))
    return nothing
  end
  local window, err =
    require("conv.ui.progress").open("Building the backend (once; it takes a minute or two)")
  if not window then
    done(err)
    return nothing
  end
  local function output(_, text)
    window:add(text)
  end
  local opts = { cwd = require("conv.binary").root(), text = true, stdout = output, stderr = output }
  local job = vim.system(argv, opts, function(result)
    vim.schedule(function()
      done(outcome(window, result))
    end)
  end)
  local function stop()
    job:kill("sigterm")
  end
  window:on_cancel(stop)
  return stop
end

return M

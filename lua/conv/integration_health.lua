-- Which companion plugins are installed, and which are wired, for `:checkhealth conv`. The plugins are the
-- files in lua/conv/integrations, wherever they are on the runtime path: there is no other list.

local integration = require("conv.integration")

local M = {}

local health = vim.health

---@class (exact) conv.Host
---@field id string name of the integration's file
---@field info conv.HostInfo

---@return conv.Host[] hosts by name
function M.list()
  local hosts = {} ---@type conv.Host[]
  for _, path in ipairs(vim.api.nvim_get_runtime_file("lua/conv/integrations/*.lua", true)) do
    local id = vim.fn.fnamemodify(path, ":t:r")
    local ok, module = pcall(require, "conv.integrations." .. id)
    if ok and type(module) == "table" and type(module.host) == "table" then
      table.insert(hosts, { id = id, info = module.host })
    end
  end
  table.sort(hosts, function(a, b)
    return a.id < b.id
  end)
  return hosts
end

---Folders of plugins that a plugin manager has not put on the runtime path yet.
---@return string[]
local function sleeping()
  local folders = vim.fn.globpath(vim.o.packpath, "pack/*/opt/*", true, true) --[[@as string[] ]]
  local lazy = package.loaded["lazy.core.config"]
  for _, plugin in pairs(type(lazy) == "table" and lazy.plugins or {}) do
    if type(plugin) == "table" and plugin.dir then
      table.insert(folders, plugin.dir)
    end
  end
  return folders
end

---@param info conv.HostInfo
---@return boolean
function M.installed(info)
  return #vim.api.nvim_get_runtime_file(info.marker, false) > 0
    or vim.iter(sleeping()):any(function(folder)
      return vim.uv.fs_stat(vim.fs.joinpath(folder, info.marker)) ~= nil
    end)
end

---@param info conv.HostInfo
---@param login string
local function check_login(info, login)
  local state = require("conv").status(login).state
  local works = state ~= "logged_out" and state ~= "needs_login" and state ~= "error"
  local credential, err = nil, nil
  if not works then
    credential, err = integration.peek(login, integration.OWN) -- says what is wrong; a login from a variable is found by it too
  end
  if works or credential then
    health.ok(("%s is wired to `%s`"):format(info.name, login))
  else
    local why = err and err.message or "There is no login."
    local advice = err and err.hint or ("Run `:ConvLogin %s`."):format(login)
    health.warn(("%s is wired to `%s`. %s"):format(info.name, login, why), { advice })
  end
end

---@param found conv.Host
local function check_host(found)
  local info, logins = found.info, integration.wired(found.id)
  local loaded = package.loaded[info.module] ~= nil
  for _, login in ipairs(logins) do
    check_login(info, login)
  end
  if #logins == 0 and info.outside then
    health.info(("%s is wired in its %s: see :h conv-%s"):format(info.name, info.outside, found.id))
  elseif #logins == 0 and loaded then
    health.info(("%s is not wired: see :h conv-%s"):format(info.name, found.id))
  elseif #logins == 0 then
    health.info(
      ("%s is not loaded yet, so this cannot tell whether it is wired: see :h conv-%s"):format(
        info.name,
        found.id
      )
    )
  end
  if loaded and info.check then
    local ok, problem = pcall(info.check, function(text, advice)
      health.warn(text, { advice })
    end)
    if not ok then
      health.warn(
        ("%s is of a version that this plugin does not know"):format(info.name),
        { require("conv.errors").redact(tostring(problem)) }
      )
    end
  end
end

function M.check()
  health.start("conv: companion plugins")
  local missing = {} ---@type string[]
  for _, found in ipairs(M.list()) do
    if M.installed(found.info) or #integration.wired(found.id) > 0 then
      check_host(found)
    else
      table.insert(missing, found.info.name)
    end
  end
  if #missing > 0 then
    health.info("Not installed: " .. table.concat(missing, ", "))
  end
end

return M

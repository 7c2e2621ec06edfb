-- The commands: what each does and what completes. A bad argument gives one line that says what is allowed.

local errors = require("conv.errors")
local notify = require("conv.notify")

local M = {}

---@class (exact) conv.Command
---@field run fun(args: string[], bang: boolean)
---@field max integer how many arguments it takes
---@field usage string
---@field complete (fun(): string[])[] one per argument, given those before it

---@param done fun(providers: conv.Provider[])
local function providers(done)
  require("conv")
  require("conv.backend").call("providers", {}, function(err, result)
    done(not err and result.providers or {})
  end)
end

---What completes comes from the backend, for which a key press may wait a little.
---@return conv.Provider[]
local function known_providers()
  local found ---@type conv.Provider[]?
  providers(function(list)
    found = list
  end)
  vim.wait(1000, function()
    return found ~= nil
  end, 5)
  return found or {}
end

---@return string[]
local function stored_logins()
  require("conv")
  return require("conv.picker").stored()
end

---@return string[]
local function all_logins()
  local names = {} ---@type table<string, true>
  for _, provider in ipairs(known_providers()) do
    names[provider.id] = true
    for _, login in ipairs(provider.logins) do
      names[login] = true
    end
  end
  return vim.tbl_keys(names)
end

---@param login string
---@return string[]
local function methods(login)
  local id = login:match("^[^@]+")
  for _, provider in ipairs(known_providers()) do
    if provider.id == id then
      return vim.tbl_map(function(method)
        return method.id
      end, provider.methods)
    end
  end
  return {}
end

---Tells what came of a logout.
---@param err? ConvError
---@param result? ConvLogoutResult
function M.tell_logout(err, result)
  if err then
    notify.answer(err)
  elseif result then
    notify.answer(result.page and (result.message .. " " .. result.page) or result.message)
  end
end

---@param login string
local function logout(login)
  require("conv").logout(login, nil, M.tell_logout)
end

---@type table<string, conv.Command>
local commands = {
  ConvLogin = {
    usage = ":ConvLogin[!] [LOGIN] [METHOD]",
    max = 2,
    run = function(args, bang)
      local opts = { method = args[2] } ---@type ConvLoginOpts
      if bang then
        opts.browser = false
      end
      require("conv").login(args[1], opts)
    end,
    complete = { all_logins, methods },
  },
  ConvLogout = {
    usage = ":ConvLogout [LOGIN]",
    max = 1,
    run = function(args)
      if args[1] then
        return logout(args[1])
      end
      require("conv")
      require("conv.picker").login(function(login, err)
        if err then
          notify.answer(err)
        elseif login then
          logout(login)
        end
      end)
    end,
    complete = { stored_logins },
  },
  ConvStatus = {
    usage = ":ConvStatus",
    max = 0,
    run = function()
      require("conv")
      require("conv.ui.status").open()
    end,
    complete = {},
  },
}

---@param name string
---@param args vim.api.keyset.create_user_command.command_args
function M.run(name, args)
  local command = commands[name]
  if #args.fargs > command.max then
    return notify.answer(
      errors.new("invalid_argument", "Too many arguments.", "Usage: `" .. command.usage .. "`.")
    )
  end
  command.run(args.fargs, args.bang)
end

---@param name string
---@param lead string
---@param line string
---@param position integer
---@return string[]
function M.complete(name, lead, line, position)
  -- The name may be abbreviated, and have modifiers before it.
  local words = vim.split(line:sub(1, position):gsub("^.-%f[%w]Conv%a+!?%s+", ""), "%s+")
  local source = commands[name].complete[#words]
  local found = source and source(words[1]) or {}
  table.sort(found)
  return vim.tbl_filter(function(item)
    return vim.startswith(item, lead)
  end, found)
end

---What is wrong with a name and not with its login: an option that is mistaken is told.
local MISTAKES = { unknown_login = true, invalid_argument = true, config_invalid = true }

---The editor is idle: fetch what the option `preload` names.
function M.preload()
  for _, login in ipairs(require("conv.config").get().preload) do
    require("conv").get(login, nil, function(err)
      if err and MISTAKES[err.code] then
        require("conv.notify").error(err)
      end
    end)
  end
end

return M

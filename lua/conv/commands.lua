-- The commands: what each does and what completes. A bad argument gives one line that says what is allowed.

local errors = require("conv.errors")
local notify = require("conv.notify")

local M = {}

---@class (exact) conv.Command
---@field run fun(args: string[], bang: boolean, organization?: string)
---@field max integer how many arguments it takes
---@field usage string
---@field complete (fun(login: string): string[])[] one per argument, given the first
---@field named? fun(login: string): string[] what may stand behind the first beside those, as `NAME=VALUE`

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

---What names one of a person's organizations.
local ORGANIZATION = "organization="

---Those that logins of the provider are of, if it can be asked for one.
---@param login string
---@return string[]
local function organizations(login)
  local id, found = login:match("^[^@]+"), {} ---@type string?, table<string, true>
  local can = vim.iter(known_providers()):any(function(provider)
    return provider.id == id and provider.organization ~= nil
  end)
  for _, state in pairs(can and require("conv.status").all().logins or {}) do
    if state.provider == id and state.organization then
      found[ORGANIZATION .. state.organization] = true
    end
  end
  return can and vim.list_extend({ ORGANIZATION }, vim.tbl_keys(found)) or {}
end

---Takes the organization out of the arguments.
---@param args string[]
---@return string[] others, string? organization
local function without_organization(args)
  local others, organization = {}, nil ---@type string[], string?
  for _, arg in ipairs(args) do
    if vim.startswith(arg, ORGANIZATION) then
      organization = arg:sub(#ORGANIZATION + 1)
    else
      table.insert(others, arg)
    end
  end
  return others, organization
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
    usage = ":ConvLogin[!] [LOGIN] [METHOD] [organization=ID]",
    max = 2,
    run = function(args, bang, organization)
      local opts = { method = args[2], organization = organization } ---@type ConvLoginOpts
      if bang then
        opts.browser = false
      end
      require("conv").login(args[1], opts)
    end,
    complete = { all_logins, methods },
    named = organizations,
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
  local fargs, organization = args.fargs, nil ---@type string[], string?
  if command.named then
    fargs, organization = without_organization(fargs)
  end
  if #fargs > command.max then
    return notify.answer(
      errors.new("invalid_argument", "Too many arguments.", "Usage: `" .. command.usage .. "`.")
    )
  end
  command.run(fargs, args.bang, organization)
end

---@param name string
---@param lead string
---@param line string
---@param position integer
---@return string[]
function M.complete(name, lead, line, position)
  -- The name may be abbreviated, and have modifiers before it.
  local words = vim.split(line:sub(1, position):gsub("^.-%f[%w]Conv%a+!?%s+", ""), "%s+")
  local command = commands[name]
  local before = { unpack(words, 1, #words - 1) }
  local others, organization = before, nil ---@type string[], string?
  if command.named then
    others, organization = without_organization(before)
  end
  local first = words[1] or ""
  local source = command.complete[#others + 1]
  local found = source and source(first) or {}
  if command.named and #before > 0 and not organization then
    vim.list_extend(found, command.named(first))
  end
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

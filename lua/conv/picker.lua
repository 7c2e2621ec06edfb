-- Lets the person pick: a provider, a method, a login; each with its state, those that are used first.

local errors = require("conv.errors")
local select = require("conv.ui.select").select
local states = require("conv.states")
local status = require("conv.status")

local M = {}

---@param names string[]
---@return string
local function quoted(names)
  table.sort(names)
  return "`" .. table.concat(names, "`, `") .. "`"
end

---What people log in to most, before those that are rarer; logins that are there come before all.
local COMMON = { "openrouter", "anthropic", "openai", "github-copilot" }

---A login in columns: what it is called, how it is, and who or what it comes from.
---@param name string
---@param login string
---@return conv.Chunk[]
local function row(name, login)
  local now = status.of(login)
  local group = states.group(now.state)
  return {
    { name, "ConvTitle" },
    { states.sign(now.state) .. " " .. states.word(now.state), group },
    { now.identity or states.source(now.source) or "", "ConvMuted" },
  }
end

---@class (exact) conv.Pickable
---@field name string
---@field login string

---A line for each provider, and one for each account of it.
---@param providers conv.Provider[]
---@return conv.Pickable[]
local function pickable(providers)
  local ranks, items = {}, {} ---@type table<conv.Pickable, integer>, conv.Pickable[]
  local function add(name, login, rank)
    local item = { name = name, login = login }
    ranks[item] = (states.usable(status.of(login).state) and 0 or 1000) + rank
    table.insert(items, item)
  end
  for position, provider in ipairs(providers) do
    local common = vim.iter(ipairs(COMMON)):find(function(_, id)
      return id == provider.id
    end)
    local rank = common or (#COMMON + position)
    add(provider.name, provider.id, rank)
    for _, login in ipairs(provider.logins) do
      if login ~= provider.id then
        add(provider.name .. " · " .. login:match("@(.*)$"), login, rank)
      end
    end
  end
  table.sort(items, function(a, b)
    if ranks[a] ~= ranks[b] then
      return ranks[a] < ranks[b]
    end
    return a.login < b.login
  end)
  return items
end

---@param providers conv.Provider[]
---@param done fun(login?: string)
function M.provider(providers, done)
  local opts = {
    prompt = "Log in to",
    kind = "conv_provider",
    columns = function(item)
      return row(item.name, item.login)
    end,
  }
  select(pickable(providers), opts, function(item)
    done(item and item.login)
  end)
end

---@param providers conv.Provider[]
---@param login string
---@return conv.Provider? provider, ConvError? err
function M.find(providers, login)
  local id = login:match("^[^@]+") or login
  local names = {} ---@type string[]
  for _, provider in ipairs(providers) do
    if provider.id == id then
      return provider
    end
    table.insert(names, provider.id)
  end
  local hint = "Known are " .. quoted(names) .. "; `:h conv-providers` says how to add one."
  return nil, errors.new("unknown_login", ("There is no provider `%s`."):format(errors.redact(id)), hint)
end

---Whether a method works only where the browser can reach this machine.
---@param method conv.Method
---@return boolean
function M.needs_browser(method)
  return method.needs_browser == true
end

---The methods as they are offered: the default first, and where no browser is, those that need none.
---@param provider conv.Provider
---@param browser boolean
---@return conv.Method[]
local function ordered(provider, browser)
  local first, others, last = {}, {}, {} ---@type conv.Method[], conv.Method[], conv.Method[]
  for _, method in ipairs(provider.methods) do
    local hard = not browser and M.needs_browser(method)
    table.insert(hard and last or method.default and first or others, method)
  end
  vim.list_extend(first, others)
  return vim.list_extend(first, last)
end

---@param provider conv.Provider
---@param wanted? string
---@param browser boolean
---@param done fun(method?: conv.Method, err?: ConvError)
function M.method(provider, wanted, browser, done)
  local ids = {} ---@type string[]
  for _, method in ipairs(provider.methods) do
    if method.id == wanted then
      return done(method)
    end
    table.insert(ids, method.id)
  end
  if wanted then
    local message = ("%s has no login method `%s`."):format(provider.name, errors.redact(wanted))
    return done(nil, errors.new("invalid_argument", message, "It has " .. quoted(ids) .. "."))
  elseif #provider.methods <= 1 then
    return done(provider.methods[1])
  end
  local opts = {
    prompt = "Log in to " .. provider.name .. " by",
    kind = "conv_method",
    columns = function(method)
      return { { method.label } }
    end,
  }
  select(ordered(provider, browser), opts, done)
end

---The logins that can be logged out of: not those that a variable or another program's key makes.
---@return string[] names in order
function M.stored()
  local names = {} ---@type string[]
  for name, state in pairs(status.all().logins) do
    if state.state ~= "logged_out" and state.method then
      table.insert(names, name)
    end
  end
  table.sort(names)
  return names
end

---Picks among the logins that are there.
---@param done fun(login?: string, err?: ConvError)
function M.login(done)
  local names = M.stored()
  if #names == 0 then
    local hint = "`:ConvStatus` shows what comes from elsewhere."
    return done(nil, errors.new("not_logged_in", "There is no login to log out of.", hint))
  end
  local opts = {
    prompt = "Log out of",
    kind = "conv_login",
    columns = function(name)
      return row(name, name)
    end,
  }
  select(names, opts, done)
end

return M

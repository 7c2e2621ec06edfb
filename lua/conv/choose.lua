-- Lets the person pick: a provider, a method, a login. Through `vim.ui.select`, which they may have replaced.

local errors = require("conv.errors")
local status = require("conv.status")

local M = {}

---Asks, from the main loop and not from inside an answer of the backend. Leaving it by whatever key is a nil.
---The answer is taken up a turn later, when a picker has closed its own windows; of several the first counts.
---@generic T
---@param items T[]
---@param opts table
---@param done fun(choice?: T)
function M.select(items, opts, done)
  local answered = false
  local function answer(choice, index)
    if not answered then
      answered = true
      vim.schedule(function()
        -- A picker may hand back a copy of its own.
        done(vim.list_contains(items, choice) and choice or choice and items[index])
      end)
    end
  end
  vim.schedule(function()
    local ok, problem = pcall(vim.ui.select, items, opts, answer)
    if not ok and not answered then
      require("conv.notify").internal("vim.ui.select", problem)
      answer(nil)
    end
  end)
end

---@param names string[]
---@return string
local function quoted(names)
  table.sort(names)
  return "`" .. table.concat(names, "`, `") .. "`"
end

---One line about a login: its sign, and who or what.
---@param login string
---@return string
local function about(login)
  local state = status.of(login)
  local words = { logged_out = "logged out", needs_login = "log in again", error = "error" }
  local text = words[state.state] or state.identity or state.source or "logged in"
  local account = state.account and (state.account .. ": ") or ""
  return require("conv.statusline").sign(state.state) .. " " .. account .. text
end

---@param provider conv.Provider
---@return string
local function provider_line(provider)
  local logins = #provider.logins > 0 and provider.logins or { provider.id }
  return ("%-20s %s"):format(provider.name, table.concat(vim.tbl_map(about, logins), "   "))
end

---@param providers conv.Provider[]
---@param done fun(login?: string)
function M.provider(providers, done)
  local opts = { prompt = "Log in to", kind = "conv_provider", format_item = provider_line }
  M.select(providers, opts, function(provider)
    done(provider and provider.id)
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
    format_item = function(method)
      return method.label
    end,
  }
  M.select(ordered(provider, browser), opts, done)
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
    format_item = function(name)
      return ("%-24s %s"):format(name, about(name))
    end,
  }
  M.select(names, opts, done)
end

return M

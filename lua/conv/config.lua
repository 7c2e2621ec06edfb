-- What the person set: `vim.g.conv` (a table, or a function that returns one) with `setup()` over it, checked
-- against the schema. A mistake never throws: it is remembered, named with its full key path, and everything
-- that needs the backend answers with it.

local errors = require("conv.errors")
local schema = require("conv.schema")

local M = {}

---@class (exact) conv.Options
---@field binary? string
---@field install boolean|"ask"|"download"|"build"
---@field release_url? string
---@field browser boolean|"auto"
---@field gateway boolean|"auto"
---@field cold_wait integer
---@field timeout integer
---@field open? fun(url: string): any
---@field notify? fun(text: string, level: integer, opts: table)
---@field login? fun(login: string): string?
---@field preload string[]
---@field icons boolean|table<string, string>
---@field statusline_usage boolean
---@field store? table
---@field callback? table
---@field refresh? table
---@field http? table
---@field providers? table

---@type table?
local from_setup
---@type conv.Options?
local options
---@type ConvError[]
local problems = {}

---@param value any
---@param wanted string
---@return boolean
local function is_a(value, wanted)
  if wanted == "integer" then
    return type(value) == "number" and value == math.floor(value)
  elseif wanted == "list" then
    return type(value) == "table" and (vim.islist(value) or next(value) == nil)
  end
  return type(value) == wanted or (wanted == "function" and vim.is_callable(value))
end

---@param entry conv.SchemaEntry
---@return string
local function allowed(entry)
  local names = type(entry.type) == "table" and entry.type or { entry.type } --[[@as string[] ]]
  if entry.enum then
    local values = vim.tbl_map(function(value)
      return ("%q"):format(value)
    end, entry.enum)
    names = vim.tbl_filter(function(name)
      return name ~= "string"
    end, names)
    vim.list_extend(names, values)
  end
  local text = table.concat(names, " or ")
  if entry.items then
    text = text .. " of " .. entry.items .. "s"
  elseif entry.min and entry.max then
    text = ("%s from %d to %d"):format(text, entry.min, entry.max)
  elseif entry.min then
    text = ("%s, at least %d"):format(text, entry.min)
  end
  return text
end

---@param entry conv.SchemaEntry
---@param value any
---@return boolean
local function fits(entry, value)
  local names = type(entry.type) == "table" and entry.type or { entry.type } --[[@as string[] ]]
  local typed = vim.iter(names):any(function(name)
    return is_a(value, name)
  end)
  if not typed then
    return false
  elseif type(value) == "string" and entry.enum then
    return vim.list_contains(entry.enum, value)
  elseif type(value) == "number" then
    return value >= (entry.min or value) and value <= (entry.max or value)
  elseif entry.items then
    return vim.iter(value):all(function(item)
      return is_a(item, entry.items)
    end)
  end
  return true
end

---@param entries conv.SchemaEntry[]
---@return string
local function names(entries)
  local list = vim.tbl_map(function(entry)
    return "`" .. entry.name .. "`"
  end, entries)
  table.sort(list)
  return table.concat(list, ", ")
end

---@param entries conv.SchemaEntry[]
---@param given table
---@param path string
---@param report fun(message: string, hint: string)
local function check(entries, given, path, report)
  local known = {} ---@type table<string, conv.SchemaEntry>
  for _, entry in ipairs(entries) do
    known[entry.name] = entry
  end
  for key, value in pairs(given) do
    local entry, full = known[key], path .. tostring(key)
    if not entry then
      report(("`%s` is not an option."):format(full), "Allowed here: " .. names(entries) .. ".")
    elseif not fits(entry, value) then
      report(("`%s` has a value that is not allowed."):format(full), "It takes " .. allowed(entry) .. ".")
    elseif entry.fields then
      check(entry.fields, value, full .. ".", report)
    elseif entry.keys and type(value) == "table" then
      local texts = vim.tbl_map(function(name)
        return { name = name, type = "string" }
      end, entry.keys)
      check(texts, value, full .. ".", report)
    end
  end
end

---The settings of `vim.g.conv`, or nil and what is wrong with it.
---@return table? given, string? problem
local function from_global()
  local given = vim.g.conv
  if vim.is_callable(given) then
    local ok, result = pcall(given)
    if not ok then
      return nil, "The function in `vim.g.conv` failed."
    end
    given = result
  end
  if given ~= nil and type(given) ~= "table" then
    return nil, "`vim.g.conv` is neither a table nor a function that returns one."
  end
  return given or {}
end

---@return conv.Options
local function load()
  problems = {}
  local function report(message, hint)
    table.insert(problems, errors.new("config_invalid", message, hint))
  end
  local global, problem = from_global()
  if problem then
    report(problem, "See `:h conv-options`.")
  end
  local given = vim.tbl_deep_extend("force", global or {}, from_setup or {}) --[[@as table]]
  check(schema, given, "", report)
  local result = {}
  for _, entry in ipairs(schema) do
    local value = given[entry.name]
    if value == nil or not fits(entry, value) then
      value = entry.default
      value = type(value) == "table" and vim.deepcopy(value) or value
    end
    result[entry.name] = value
  end
  return result --[[@as conv.Options]]
end

---Everything set, with defaults. What is wrong is left at its default and told by |problems()|.
---@return conv.Options
function M.get()
  options = options or load()
  return options
end

---@return ConvError[] every mistake in the settings, in no order
function M.problems()
  M.get()
  return problems
end

---What goes to the backend: the shape of convocations.toml, only what the person set.
---@return table
function M.shared()
  local all, result = M.get(), vim.empty_dict()
  for _, entry in ipairs(schema) do
    local value = all[entry.name]
    if entry.shared and type(value) == "table" and next(value) ~= nil then
      result[entry.name] = value
    end
  end
  return result
end

---Takes settings that win over `vim.g.conv`; called again, they replace those of the last call.
---@param opts? table
function M.set(opts)
  if opts ~= nil and type(opts) ~= "table" then
    from_setup, options = nil, nil
    M.get()
    table.insert(
      problems,
      errors.new("config_invalid", "`conv.setup()` takes a table.", "See `:h conv-options`.")
    )
    return
  end
  from_setup, options = opts, nil
end

return M

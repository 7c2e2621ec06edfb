-- Writes what Lua and the reader know of the wire from where it is declared, src/protocol: the wire's part of
-- lua/conv/types.lua, lua/conv/protocol.lua, and the tables of doc/rpc.md. Also holds the samples that serde
-- wrote against the declarations. Part of tests/tools/gen_doc.lua, which gives it `update`.

local source = require("protocol_source")

local M = {}

---Names that people write in their own code; all others are `conv.NAME`.
local PUBLIC = {
  Error = "ConvError",
  Credential = "ConvCredential",
  LoginStatus = "ConvLoginStatus",
  LogoutResult = "ConvLogoutResult",
}

---@param types table<string, source.Type>
---@return fun(name: string): string
local function classes(types)
  return function(name)
    local type = types[name]
    if not type then
      error("src/protocol names a type that is not declared there: " .. name)
    elseif type.is_enum then
      return table.concat(
        vim.tbl_map(function(variant)
          return ("%q"):format(variant.name)
        end, type.variants),
        "|"
      )
    end
    return PUBLIC[name] or ("conv." .. name)
  end
end

---A type's fields with those of what is flattened into it.
---@param types table<string, source.Type>
---@param fields source.Field[]
---@return source.Field[]
local function flat(types, fields)
  local result = {}
  for _, field in ipairs(fields) do
    local inner = field.flatten and types[field.type]
    if inner and not inner.is_enum then
      vim.list_extend(result, flat(types, inner.fields))
    elseif not inner then
      table.insert(result, field)
    end
  end
  return result
end

---Every field of an event of a login: those of all stages, each optional.
---@param types table<string, source.Type>
---@return source.Field[]
local function event_fields(types)
  local result = flat(types, types.LoginEvent.fields)
  local seen = {} ---@type table<string, true>
  table.insert(
    result,
    { name = "stage", type = "Stage", optional = false, flatten = false, doc = "Where it is." }
  )
  for _, variant in ipairs(types.Stage.variants) do
    for _, field in ipairs(variant.fields) do
      if not seen[field.name] then
        seen[field.name] = true
        table.insert(result, vim.tbl_extend("force", field, { optional = true }))
      end
    end
  end
  return result
end

---@param types table<string, source.Type>
---@return string[] names of the types that are sent, sorted
local function sent(types)
  local names = vim.tbl_filter(function(name)
    return not types[name].is_enum and not types[name].takes
  end, vim.tbl_keys(types))
  table.sort(names)
  return names
end

---@param types table<string, source.Type>
---@param states source.Row[]
---@return string[]
local function types_section(types, states)
  local class, lines = classes(types), { "" }
  table.insert(lines, "---@alias ConvState")
  for _, state in ipairs(states) do
    table.insert(lines, ('---| "%s" # %s'):format(state[2], state[6]))
  end
  for _, name in ipairs(sent(types)) do
    local fields = name == "LoginEvent" and event_fields(types) or flat(types, types[name].fields)
    vim.list_extend(lines, { "", "---" .. types[name].doc, "---@class (exact) " .. class(name) })
    for _, field in ipairs(fields) do
      local kind = source.lua_type(field.type, class)
      local mark = field.optional and "?" or ""
      table.insert(lines, ("---@field %s%s %s %s"):format(field.name, mark, kind, field.doc))
    end
  end
  table.insert(lines, "")
  return lines
end

---@param root string
---@param calls source.Row[]
---@param states source.Row[]
---@param codes source.Row[]
---@return string
local function protocol_lua(root, calls, states, codes)
  local version = assert(io.open(root .. "/src/protocol.rs")):read("a"):match("PROTOCOL: u64 = (%d+);")
  local lines = {
    "-- What both sides must know the same way: written by `make doc` from src/protocol and src/error.rs.",
    "",
    "-- stylua: ignore",
    "return {",
    ("  VERSION = %s,"):format(version),
    "",
    "  ---Milliseconds after which a call is given up, by method.",
    "  ---@type table<string, integer>",
    "  deadlines = {",
  }
  for _, call in ipairs(calls) do
    table.insert(lines, ("    [%q] = %d,"):format(call[1], call[4] * 1000))
  end
  vim.list_extend(lines, {
    "  },",
    "",
    "  ---Every code in the order of the help's table: name, what ends it, how loud it is, meaning.",
    '  ---@type [string, "passing"|"lasting"|"untold", "info"|"warn"|"error", string][]',
    "  codes = {",
  })
  for _, code in ipairs(codes) do
    local row = ("    { %q, %q, %q, %q },"):format(code[2], code[4]:lower(), code[5]:lower(), code[7])
    table.insert(lines, row)
  end
  vim.list_extend(lines, {
    "  },",
    "",
    "  ---Every state, the one that speaks for several logins first: its name, its word, how much it matters, its sentence.",
    '  ---@type { name: ConvState, word: string, weight: "none"|"ok"|"info"|"warn"|"error", sentence: string }[]',
    "  states = {",
  })
  for _, state in ipairs(states) do
    local row = ("    { name = %q, word = %q, weight = %q, sentence = %q },"):format(
      state[2],
      state[3],
      state[4]:lower(),
      state[5]
    )
    table.insert(lines, row)
  end
  vim.list_extend(lines, { "  },", "}", "" })
  return table.concat(lines, "\n")
end

---@param fields source.Field[]
---@return string
local function names(fields)
  local list = vim.tbl_map(function(field)
    return ("`%s%s`"):format(field.name, field.optional and "?" or "")
  end, fields)
  return #list > 0 and table.concat(list, ", ") or "–"
end

---@param lines string[]
---@param class fun(name: string): string
---@param fields source.Field[]
local function field_rows(lines, class, fields)
  vim.list_extend(lines, { "", "| field | type | meaning |", "|---|---|---|" })
  for _, field in ipairs(fields) do
    local kind = source.lua_type(field.type, class):gsub("|", "\\|")
    local mark = field.optional and "?" or ""
    table.insert(lines, ("| `%s%s` | `%s` | %s |"):format(field.name, mark, kind, field.doc))
  end
end

---@param types table<string, source.Type>
---@param calls source.Row[]
---@return string[]
local function methods_section(types, calls)
  local lines = { "", "| method | parameters | answer | given up after | |", "|---|---|---|---|---|" }
  for _, call in ipairs(calls) do
    local params = types[call[2]]
    local row =
      { "`" .. call[1] .. "`", names(params.fields), ("[%s](#%s)"):format(call[3], call[3]:lower()) }
    vim.list_extend(row, { call[4] .. " s", params.doc })
    table.insert(lines, "| " .. table.concat(row, " | ") .. " |")
  end
  local class = classes(types)
  for _, call in ipairs(calls) do
    local fields = types[call[2]].fields
    if #fields > 0 then
      vim.list_extend(lines, { "", ("Parameters of `%s`:"):format(call[1]) })
      field_rows(lines, class, fields)
    end
  end
  table.insert(lines, "")
  return lines
end

---@param types table<string, source.Type>
---@param events source.Row[]
---@return string[]
local function events_section(types, events)
  local lines = { "", "| event | data | |", "|---|---|---|" }
  for _, event in ipairs(events) do
    local name = event[3]:match("^Box<(.+)>$") or event[3]
    table.insert(lines, ("| `%s` | [%s](#%s) | %s |"):format(event[2], name, name:lower(), types[name].doc))
  end
  vim.list_extend(lines, { "", "The stages of a login:", "", "| stage | fields | |", "|---|---|---|" })
  for _, variant in ipairs(types.Stage.variants) do
    table.insert(lines, ("| `%s` | %s | %s |"):format(variant.name, names(variant.fields), variant.doc))
  end
  table.insert(lines, "")
  return lines
end

---@param types table<string, source.Type>
---@param states source.Row[]
---@return string[]
local function shapes_section(types, states)
  local class, lines = classes(types), { "" }
  for _, name in ipairs(sent(types)) do
    local fields = name == "LoginEvent" and event_fields(types) or flat(types, types[name].fields)
    vim.list_extend(lines, { "### " .. name, "", types[name].doc })
    if #fields > 0 then
      field_rows(lines, class, fields)
    end
    table.insert(lines, "")
  end
  vim.list_extend(lines, { "### States", "", "| state | word | matters | |", "|---|---|---|---|" })
  for _, state in ipairs(states) do
    table.insert(lines, ("| `%s` | %s | %s | %s |"):format(state[2], state[3], state[4]:lower(), state[6]))
  end
  table.insert(lines, "")
  return lines
end

---@param text string
---@param mark string what the line before and after the part begins with
---@param name string
---@param section string[]
---@return string
local function between(text, mark, name, section)
  local first, last = mark .. " begin: " .. name, mark .. " end: " .. name
  local result, inside, found = {}, false, false
  for _, line in ipairs(vim.split(text, "\n")) do
    inside = inside and not vim.startswith(line, last)
    if not inside then
      table.insert(result, line)
    end
    if vim.startswith(line, first) then
      inside, found = true, true
      vim.list_extend(result, section)
    end
  end
  assert(found, "no part called " .. name)
  return table.concat(result, "\n")
end

---@param what string
---@param sample { full: table, least: table }?
---@param fields source.Field[]
local function hold(what, sample, fields)
  local trouble ---@type string?
  if not sample then
    trouble = "has no sample in src/protocol/samples.rs"
  else
    local known = {} ---@type table<string, true>
    for _, field in ipairs(fields) do
      known[field.name] = true
      if sample.full[field.name] == nil then
        trouble = ("declares `%s`, which its full sample does not have"):format(field.name)
      elseif (sample.least[field.name] == nil) ~= field.optional then
        trouble = ("says otherwise than its least sample whether `%s` is always there"):format(field.name)
      end
    end
    for name in pairs(sample.full) do
      trouble = not known[name] and ("sends `%s`, which is not declared"):format(name) or trouble
    end
  end
  if trouble then
    io.stderr:write(("src/protocol: %s %s.\n"):format(what, trouble))
    os.exit(1)
  end
end

---@param root string
---@param types table<string, source.Type>
---@param calls source.Row[]
local function hold_samples(root, types, calls)
  local file = assert(io.open(root .. "/tests/nvim/lib/samples.json"))
  local samples = vim.json.decode(file:read("a") --[[@as string]])
  file:close()
  for _, name in ipairs(sent(types)) do
    if name ~= "LoginEvent" then
      hold(name, samples.shapes[name], flat(types, types[name].fields))
    end
  end
  for _, variant in ipairs(types.Stage.variants) do
    local fields = flat(types, types.LoginEvent.fields)
    table.insert(fields, { name = "stage", type = "Stage", optional = false, flatten = false, doc = "" })
    hold("the stage " .. variant.name, samples.stages[variant.name], vim.list_extend(fields, variant.fields))
  end
  for _, call in ipairs(calls) do
    hold(("the call `%s`"):format(call[1]), samples.params[call[1]], types[call[2]].fields)
  end
end

---The rows of the error codes: variant, name, exit status, what ends it, how loud, about us, meaning.
---@param root string
---@return source.Row[]
function M.codes(root)
  local pattern = '^(%w+) = "([%w_]+)", (%d+), (%w+), (%w+), (%w+), "(.+)";$'
  return source.rows(root, "src/error.rs", "codes", pattern)
end

---@param root string
---@param update fun(file: string, make: fun(old: string): string)
function M.run(root, update)
  local types = source.types(root)
  local calls = source.rows(root, "src/protocol.rs", "calls", '^"(%S+)" => (%w+) %-> (%w+), (%d+);$')
  local events = source.rows(root, "src/protocol.rs", "events", '^(%w+) = "(%w+)" => (.+);$')
  local states =
    source.rows(root, "src/protocol/status.rs", "states", '^(%w+) = "([%w_]+)", "(.-)", (%w+), "(.+)";$')
  local codes = M.codes(root)
  hold_samples(root, types, calls)
  update(root .. "/lua/conv/types.lua", function(old)
    return between(old, "--", "the wire", types_section(types, states))
  end)
  update(root .. "/lua/conv/protocol.lua", function()
    return protocol_lua(root, calls, states, codes)
  end)
  update(root .. "/doc/rpc.md", function(old)
    local new = between(old, "<!--", "methods", methods_section(types, calls))
    new = between(new, "<!--", "events", events_section(types, events))
    return between(new, "<!--", "shapes", shapes_section(types, states))
  end)
end

return M

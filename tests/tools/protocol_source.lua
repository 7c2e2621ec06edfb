-- Reads src/protocol, where the shapes of the wire are declared: plain Rust, one field a line, each with a
-- comment. A line that it cannot read is an error, so nothing is left out unseen.

local M = {}

---@class (exact) source.Field
---@field name string
---@field type string as Rust has it
---@field optional boolean
---@field flatten boolean
---@field doc string

---@class (exact) source.Type
---@field name string
---@field doc string
---@field fields source.Field[] of a struct
---@field variants { name: string, doc: string, fields: source.Field[] }[] of an enum
---@field is_enum boolean
---@field takes boolean whether it is read and not written

---@alias source.Row table<integer, string> what the pattern caught, and the comment before it

local FILES = {
  "src/protocol.rs",
  "src/protocol/agent.rs",
  "src/protocol/call.rs",
  "src/protocol/credential.rs",
  "src/protocol/doctor.rs",
  "src/protocol/login.rs",
  "src/protocol/mcp.rs",
  "src/protocol/status.rs",
  "src/protocol/usage.rs",
  "src/error.rs",
  "src/credential.rs",
}
---What these two hold beside is never sent.
local ONLY = {
  ["src/error.rs"] = { Error = true, Level = true },
  ["src/credential.rs"] = { BackendKind = true, Kind = true, Share = true },
}
---What is written by hand, and how it looks to Lua.
local BY_HAND = { Qr = "string[]", State = "ConvState", Code = "string" }
M.BY_HAND = BY_HAND

local CASES = {
  lowercase = string.lower,
  ["kebab-case"] = function(name)
    return name:gsub("(%l)(%u)", "%1-%2"):lower()
  end,
}

---@param place string
---@param line string
local function unreadable(place, line)
  io.stderr:write(place, ": cannot be read by tests/tools/protocol_source.lua: ", line, "\n")
  os.exit(1)
end

---@param text string
---@param into { doc: string, serde: string }
---@return boolean
local function beside(text, into)
  local doc, serde = text:match("^/// ?(.*)"), text:match("^#%[serde%((.*)%)%]$")
  if doc then
    into.doc = into.doc == "" and doc or (into.doc .. " " .. doc)
  elseif serde then
    into.serde = into.serde .. " " .. serde
  end
  return doc ~= nil or serde ~= nil or text == "#[default]" or text:find("^#%[derive%(.*%)%]$") ~= nil
end

---@param text string
---@param about { doc: string, serde: string }
---@return source.Field?
local function field(text, about)
  local name, kind = text:match("^([%w_]+): (.+),$")
  if not name then
    return nil
  end
  return {
    name = name,
    type = kind --[[@as string]],
    optional = about.serde:find("skip_serializing_if") ~= nil or about.serde:find("default") ~= nil,
    flatten = about.serde:find("flatten") ~= nil,
    doc = about.doc,
  }
end

---@param root string
---@param file string
---@param types table<string, source.Type>
local function read(root, file, types)
  local about, open, variant = { doc = "", serde = "" }, nil, nil
  local rename = nil ---@type (fun(name: string): string)?
  for line in io.lines(root .. "/" .. file) do
    local text = vim.trim(line)
    local start, name = line:match("^pub (%l+) (%w+) {")
    if not open and line:find("^#%[cfg%(test%)%]") then
      break
    elseif not open and start and not BY_HAND[name] and (not ONLY[file] or ONLY[file][name]) then
      open = { name = name, doc = about.doc, is_enum = start == "enum", fields = {}, variants = {} }
      rename = CASES[about.serde:match('rename_all = "([%l-]+)"') or ""]
      open.takes = about.serde:find("deny_unknown_fields") ~= nil
      types[name] = open
      about = { doc = "", serde = "" }
      open = not line:find("}$") and open or nil
    elseif open and line == "}" then
      open = nil
    elseif open and variant and text == "}," then
      variant = nil
    elseif beside(text, about) then
      goto continue
    elseif open then
      local plain = text:gsub("^pub ", "")
      local found = field(plain, about)
      local case, tail = text:match("^(%u%w*)(.*)$")
      if found and not about.serde:find("skip%)") and about.serde ~= " skip" then
        table.insert(variant and variant.fields or open.fields, found)
      elseif not found and case and open.is_enum and (tail == "," or tail == " {") then
        local entry = { name = rename and rename(case) or case, doc = about.doc, fields = {} }
        table.insert(open.variants, entry)
        variant = tail == " {" and entry or nil
      elseif not found then
        unreadable(file, line)
      end
      about = { doc = "", serde = "" }
    else
      about = { doc = "", serde = "" }
    end
    ::continue::
  end
end

---@param root string
---@return table<string, source.Type>
function M.types(root)
  local types = {}
  for _, file in ipairs(FILES) do
    read(root, file, types)
  end
  return types
end

---The rows of a table that a macro is called with.
---@param root string
---@param file string
---@param macro string
---@param pattern string
---@return source.Row[]
function M.rows(root, file, macro, pattern)
  local rows, inside, doc = {}, false, ""
  for line in io.lines(root .. "/" .. file) do
    local text = vim.trim(line)
    if line == macro .. "! {" then
      inside = true
    elseif inside and line == "}" then
      return rows
    elseif inside and text:find("^///") then
      doc = doc .. " " .. text:sub(5)
    elseif inside and text ~= "" then
      local row = { text:match(pattern) }
      if #row == 0 then
        unreadable(file, line)
      end
      table.insert(row, vim.trim(doc))
      table.insert(rows, row)
      doc = ""
    end
  end
  return rows
end

---A Rust type as Lua has it.
---@param kind string
---@param class fun(name: string): string
---@return string
function M.lua_type(kind, class)
  local plain = {
    String = "string",
    Secret = "string",
    LoginId = "string",
    ["&'static str"] = "string",
    bool = "boolean",
    Value = "table",
    f64 = "number",
    i64 = "integer",
    u16 = "integer",
    u32 = "integer",
    u64 = "integer",
  }
  local inner = kind:match("^Option<(.+)>$") or kind:match("^Box<(.+)>$")
  local item, value = kind:match("^Vec<(.+)>$"), kind:match("^BTreeMap<String, (.+)>$")
  if inner then
    return M.lua_type(inner, class)
  elseif item then
    return M.lua_type(item, class) .. "[]"
  elseif value then
    return ("table<string, %s>"):format(M.lua_type(value, class))
  end
  return plain[kind] or BY_HAND[kind] or class(kind)
end

return M

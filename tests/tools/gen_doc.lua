-- Writes the option table, a provider's fields, the companion plugins and the error codes into doc/conv.txt,
-- from where the code has them, the companion plugins into README.md, the map into doc/developing.md
-- (gen_map.lua), lua/conv/builtin.lua from the built-in providers, and what src/protocol declares
-- (gen_protocol.lua). `nvim -l tests/tools/gen_doc.lua` writes; with `--check` it fails if a file is not what
-- it would write.

local here =
  vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(assert(debug.getinfo(1, "S")).source:sub(2), ":p")))
local root = vim.fs.dirname(vim.fs.dirname(here))
vim.opt.runtimepath:prepend(root)
package.path = here .. "/?.lua;" .. package.path

local protocol = require("gen_protocol")
local path = root .. "/doc/conv.txt"
local RULE = ("="):rep(78)

---@param lines string[]
---@param indent integer
---@param text string
local function wrapped(lines, indent, text)
  for _, line in ipairs(require("conv.ui.page").wrap(text, 78 - indent)) do
    table.insert(lines, (" "):rep(indent) .. line)
  end
end

---@param entry conv.SchemaEntry
---@return string
local function kind(entry)
  local names = type(entry.type) == "table" and vim.deepcopy(entry.type) or { entry.type }
  if entry.enum then
    names = vim.tbl_filter(function(name)
      return name ~= "string"
    end, names)
    for _, value in ipairs(entry.enum) do
      table.insert(names, ("%q"):format(value))
    end
  end
  return table.concat(names, " | ")
end

---@param entry conv.SchemaEntry
---@return string
local function default(entry)
  return entry.shown_default or vim.inspect(entry.default)
end

---@param lines string[]
---@param entries conv.SchemaEntry[]
---@param prefix string
local function options(lines, entries, prefix)
  for _, entry in ipairs(entries) do
    local name = prefix .. entry.name
    local tag = "*conv-option-" .. name .. "*"
    table.insert(lines, name .. (" "):rep(math.max(1, 78 - #name - #tag)) .. tag)
    if not entry.fields then
      local text = kind(entry)
        .. ((entry.default ~= nil or entry.shown_default) and ", default " .. default(entry) or "")
      wrapped(lines, 4, text)
    end
    wrapped(lines, 4, entry.description)
    table.insert(lines, "")
    if entry.fields then
      options(lines, entry.fields, name .. ".")
    end
  end
end

---@return string[]
local function options_section()
  local lines = {
    "",
    "In `vim.g.conv`, a table or a function that returns one, or in |conv.setup()|,",
    "which wins: >lua",
  }
  vim.list_extend(lines, { '    vim.g.conv = { icons = false, store = { backend = "keyring" } }', "<" })
  wrapped(
    lines,
    0,
    "An option that does not exist or has a wrong value is one message with its full name, and what is allowed."
  )
  table.insert(lines, "")
  options(lines, require("conv.schema"), "")
  return lines
end

---@param codes source.Row[]
---@return string[]
local function errors_section(codes)
  local lines = { "" }
  for _, entry in ipairs(codes) do
    table.insert(lines, ("    %-20s %s"):format(entry[2], entry[7]))
  end
  table.insert(lines, "")
  return lines
end

-- The fields of a provider stand in the Rust source alone, where serde reads them: name and comment come from
-- there.
---@return string[]
local function fields_section()
  local titles = {
    Description = "[providers.NAME]",
    CommandDescription = "[providers.NAME.command]",
    ProgramDescription = "[providers.NAME.client_secret_command]",
    WorkloadDescription = "[providers.NAME.workload]",
    UseDescription = "[providers.NAME.use.KIND]",
    MethodDescription = "[providers.NAME.login.METHOD]",
    RedirectDescription = "redirect of a method",
    CodeDescription = "code of a method",
  }
  local lines, comment, renamed = { "" }, nil, nil
  for line in io.lines(root .. "/src/provider/describe.rs") do
    local title = titles[line:match("^pub struct (%w+)")]
    local field = line:match("^    pub ([%w_]+):")
    if title then
      vim.list_extend(lines, { title .. " ~" })
    elseif field and comment then
      local text = {}
      wrapped(text, 32, comment)
      text[1] = ("    %-27s "):format(renamed or field) .. vim.trim(text[1])
      vim.list_extend(lines, text)
      comment, renamed = nil, nil
    elseif line == "}" and lines[#lines] ~= "" then
      table.insert(lines, "")
    elseif line:find("^    /// ") then
      comment = (comment and comment .. " " or "") .. line:match("^    /// (.*)")
    else
      renamed = line:match('rename = "(.-)"') or renamed
    end
  end
  return lines
end

---What each integration does about the gateway: for the help, and for the README's table.
---@type table<string, [string, string]>
local GATEWAY = {
  default = { "It gets the gateway's key in place of a token: |conv-gateway-hosts|.", "by default" },
  asked = { "It gets the gateway's key with `gateway = true`.", "`gateway = true`" },
  none = { "It always gets the token itself.", "–" },
}

---What each companion plugin does with a token, from the integrations.
---@return string[]
local function companions()
  local lines = { "" }
  for _, found in ipairs(require("conv.integration_health").list()) do
    local info, tag = found.info, "|conv-" .. found.id .. "|"
    table.insert(lines, info.name .. (" "):rep(math.max(1, 78 - #info.name - #tag)) .. tag)
    wrapped(lines, 4, ("Fresh: %s. After a 401: %s."):format(info.fresh, info.refused))
    wrapped(lines, 4, ("On its way it is in %s. %s"):format(info.shown, GATEWAY[info.gateway][1]))
  end
  table.insert(lines, "")
  return lines
end

---The same as rows of the README's table.
---@return string[]
local function companion_rows()
  return vim.tbl_map(function(found)
    local info = found.info
    local use = info.use:find("^%.") and ("`%s` `%s`"):format(found.id, info.use) or ("`%s`"):format(info.use)
    local gateway = GATEWAY[info.gateway][2]
    return ("| %s | %s | %s | %s | `:h conv-%s` |"):format(info.name, use, info.fresh, gateway, found.id)
  end, require("conv.integration_health").list())
end

---Replaces what stands between two lines.
---@param text string
---@param first string a pattern of the line before
---@param last string a pattern of the line after
---@param section string[]
---@return string
local function replace_between(text, first, last, section)
  local result, inside = {}, false
  for _, line in ipairs(vim.split(text, "\n")) do
    inside = inside and not line:find(last)
    if not inside then
      table.insert(result, line)
    end
    if line:find(first) then
      inside = true
      vim.list_extend(result, section)
    end
  end
  assert(not inside, "no line " .. last)
  return table.concat(result, "\n")
end

---@param text string
---@param tag string
---@param section string[]
---@return string
local function replace(text, tag, section)
  local lines, result, inside = vim.split(text, "\n"), {}, false
  for _, line in ipairs(lines) do
    if inside and line == RULE then
      inside = false
    end
    if not inside then
      table.insert(result, line)
    end
    if line:match("^%d+%..*%*" .. vim.pesc(tag) .. "%*$") then
      inside = true
      vim.list_extend(result, section)
    end
  end
  return table.concat(result, "\n")
end

---The first value of a key at the top of a TOML file.
---@param lines string[]
---@param key string
---@return string?
local function top_value(lines, key)
  for _, line in ipairs(lines) do
    if line:find("^%[") then
      return nil
    end
    local value = line:match("^" .. key .. ' = "(.-)"')
    if value then
      return value
    end
  end
end

---What points a program at the gateway, by variable: a provider's `[exec_gateway]`, and for an API of
---OpenAI's form what OpenAI's SDKs read (src/provider/share.rs).
---@param lines string[]
---@return string
local function gateway_variables(lines)
  local found, inside = {}, false ---@type table<string, string>, boolean
  if not top_value(lines, "api") then
    found = {
      OPENAI_BASE_URL = "{gateway_url}/v1",
      OPENAI_API_BASE = "{gateway_url}/v1",
      OPENAI_API_KEY = "{gateway_key}",
    }
  end
  for _, line in ipairs(lines) do
    local name, value = line:match('^([%u_]+) = "(.-)"')
    inside = line == "[exec_gateway]" or (inside and not line:find("^%["))
    if inside and name then
      found[name] = value
    end
  end
  local names = vim.tbl_keys(found)
  table.sort(names)
  return table.concat(
    vim.tbl_map(function(name)
      return ("%s = %q"):format(name, found[name])
    end, names),
    ", "
  )
end

---What is known of each built-in provider before anybody is logged in, as a Lua table.
---@return string
local function builtin()
  local lines = {
    "-- The built-in providers: what people call them, and where their API is, for hosts that must know it before anybody is",
    "-- logged in; and the variables that point a program at the gateway. Written by `make doc` from src/provider/builtin; a",
    "-- credential's own `base_url` wins.",
    "",
    "---@type table<string, { name: string, base_url: string?, gateway: table<string, string>? }>",
    "-- stylua: ignore",
    "return {",
  }
  local folder = root .. "/src/provider/builtin"
  local files = vim.fn.readdir(folder)
  table.sort(files)
  for _, file in ipairs(files) do
    local text = vim.fn.readfile(folder .. "/" .. file)
    local url = top_value(text, "base_url")
    local id, name = file:match("^[^.]+"), top_value(text, "name")
    local fields = ("name = %q"):format(name) .. (url and (", base_url = %q"):format(url) or "")
    local key = id:find("^%l+$") and id or ("[%q]"):format(id)
    if vim.list_contains(text, "[exec_gateway]") then
      fields = ("%s, gateway = { %s }"):format(fields, gateway_variables(text))
    end
    table.insert(lines, ("  %s = { %s },"):format(key, fields))
  end
  vim.list_extend(lines, { "}", "" })
  return table.concat(lines, "\n")
end

---@param file string
---@param make fun(old: string): string
local function update(file, make)
  local handle = io.open(file)
  local old = handle and handle:read("a") or ""
  if handle then
    handle:close()
  end
  local new = make(old)
  if new == old then
    return
  elseif vim.list_contains(_G.arg, "--check") then
    io.stderr:write(file, " is not what the code says: run `make doc`.\n")
    os.exit(1)
  end
  handle = assert(io.open(file, "w"))
  handle:write(new)
  handle:close()
end

update(path, function(old)
  local new = replace(old, "conv-options", options_section())
  new = replace(new, "conv-provider-fields", fields_section())
  new = replace_between(new, "%*conv%-companions%*$", "^Beside them:", companions())
  return replace(new, "conv-errors", errors_section(protocol.codes(root)))
end)
update(root .. "/README.md", function(old)
  return replace_between(
    old,
    "^|%-%-%-|%-%-%-|%-%-%-|%-%-%-|%-%-%-|$",
    "^| Claude Code, Codex",
    companion_rows()
  )
end)
update(root .. "/doc/developing.md", function(old)
  for _, part in ipairs({ { "src", ".rs", "//!" }, { "lua", ".lua", "--" } }) do
    local folder, ending, mark = unpack(part)
    local rows = require("gen_map").rows(root, folder, ending, mark)
    old = replace_between(old, "^<!%-%- begin: map of " .. folder, "^<!%-%- end: map of " .. folder, rows)
  end
  return old
end)
update(root .. "/lua/conv/builtin.lua", builtin)
protocol.run(root, update)

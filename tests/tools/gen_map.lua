-- The map of doc/developing.md: each file of src and lua with the first sentence of its own comment, so that
-- the map cannot say anything else than the file. Part of tests/tools/gen_doc.lua.

local M = {}

---The first sentence of the comment that a file begins with.
---@param path string
---@param mark string what each line of it begins with
---@return string
local function first_sentence(path, mark)
  local text = ""
  for line in io.lines(path) do
    line = line:gsub("^%-%-%-@meta$", mark .. " ") -- a comment to a program
    local more = vim.startswith(line, mark) and vim.trim(line:sub(#mark + 1))
    if not more or (more == "" and text ~= "") then
      break
    end
    text = vim.trim(text .. " " .. more)
    local sentence = text:match("^(.-[^%.]%.)%s+%u") or text:match("^(.-[^%.]%.)$")
    if sentence then
      return sentence
    end
  end
  return text
end

---A link of rustdoc is plain code here, and a bar would end the cell.
---@param text string
---@return string
local function plain(text)
  text = text:gsub("%[(`[^`]+`)%]%([^)]*%)", "%1"):gsub("%[(`[^`]+`)%]", "%1")
  return (text:gsub("|", "\\|"))
end

---@param root string
---@param folder string
---@param ending string
---@param mark string
---@return string[]
function M.rows(root, folder, ending, mark)
  local files = {} ---@type string[]
  for name, kind in vim.fs.dir(root .. "/" .. folder, { depth = 9 }) do
    if kind == "file" and vim.endswith(name, ending) then
      table.insert(files, name)
    end
  end
  -- What a folder is about comes before what is in it.
  local function order(name)
    return (name:gsub("mod%.rs$", " "):gsub("init%.lua$", " "))
  end
  table.sort(files, function(a, b)
    return order(a) < order(b)
  end)
  local rows = { "", "| file | |", "|---|---|" }
  for _, name in ipairs(files) do
    local sentence = first_sentence(root .. "/" .. folder .. "/" .. name, mark)
    assert(sentence ~= "", folder .. "/" .. name .. " does not begin with a comment that says what it is for")
    table.insert(rows, ("| `%s/%s` | %s |"):format(folder, name, plain(sentence)))
  end
  table.insert(rows, "")
  return rows
end

return M

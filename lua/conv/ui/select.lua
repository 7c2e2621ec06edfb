-- Lets the person pick one of several: by `vim.ui.select` where they have replaced it, else by a list of ours
-- with arrows and narrowing. It knows nothing of what is picked.

local M = {}

---@class (exact) conv.SelectOpts
---@field prompt string
---@field kind string for a replaced `vim.ui.select`
---@field columns fun(item: any): conv.Chunk[] what is shown of an item, column by column

---Lines whose columns are each as wide as their widest.
---@param rows conv.Line[]
---@return conv.Line[]
local function aligned(rows)
  local widths = {} ---@type table<integer, integer>
  for _, row in ipairs(rows) do
    for index, chunk in ipairs(row) do
      widths[index] = math.max(widths[index] or 0, vim.fn.strdisplaywidth(chunk[1]))
    end
  end
  return vim.tbl_map(function(row)
    local line = {} ---@type conv.Line
    for index, chunk in ipairs(row) do
      local missing = (widths[index] or 0) - vim.fn.strdisplaywidth(chunk[1]) + 2
      vim.list_extend(line, { chunk, index < #row and { (" "):rep(missing) } or nil })
    end
    return line
  end, rows)
end

---@param line conv.Line
---@return string
local function text(line)
  return vim.trim(table.concat(vim.tbl_map(function(chunk)
    return chunk[1]
  end, line)))
end

---By the function that the person has put there. It may hand back a copy of its own, or call back more than
---once.
---@param items any[]
---@param lines conv.Line[]
---@param opts conv.SelectOpts
---@param answer fun(index?: integer)
local function by_theirs(items, lines, opts, answer)
  local texts = {} ---@type table<any, string>
  for index, line in ipairs(lines) do
    texts[items[index]] = text(line)
  end
  local function format_item(item)
    return texts[item] or text(opts.columns(item))
  end
  local theirs = { prompt = opts.prompt, kind = opts.kind, format_item = format_item }
  local ok, problem = pcall(vim.ui.select, items, theirs, function(choice, index)
    for position, item in ipairs(items) do
      if choice ~= nil and item == choice then
        index = position
      end
    end
    answer(choice ~= nil and index or nil)
  end)
  if not ok then
    require("conv.notify").internal("vim.ui.select", problem)
    answer(nil)
  end
end

---What is asked is no longer of interest: our list goes. One of theirs stays, and its answer does nothing.
function M.dismiss()
  require("conv.ui.menu").close()
end

---Asks, from the main loop and not from inside an answer of the backend. Leaving it by whatever key is a nil.
---The answer is taken up a turn later, when a picker has closed its own windows; of several the first counts.
---@generic T
---@param items T[]
---@param opts conv.SelectOpts
---@param done fun(choice?: T)
function M.select(items, opts, done)
  local answered = false
  local function answer(index)
    if not answered then
      answered = true
      vim.schedule(function()
        done(index and items[index])
      end)
    end
  end
  vim.schedule(function()
    local lines = aligned(vim.tbl_map(opts.columns, items))
    if require("conv.stock").is_stock(vim.ui.select) then
      require("conv.ui.menu").open(lines, opts.prompt, answer)
    else
      by_theirs(items, lines, opts, answer)
    end
  end)
end

return M

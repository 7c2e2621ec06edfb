-- A list to pick one line of: arrows, j and k move, typing narrows, <CR> picks. It knows nothing of what the
-- lines say.

local float = require("conv.ui.float")
local pages = require("conv.ui.page")

local M = {}

local WIDTH = 56

---@class conv.Menu
---@field lines conv.Line[]
---@field texts string[] of the lines, in small letters
---@field filter string
---@field matches integer[] the lines that fit the filter
---@field at integer position in `matches`
---@field row integer of the line that would be picked
---@field last integer row of the last line that can be picked
---@field window conv.Float
---@field answer fun(index?: integer)
local Menu = {}
Menu.__index = Menu

---@type conv.Menu? at most one is open
local open

---@param index? integer the line that was picked
function Menu:finish(index)
  if open == self then
    open = nil
  end
  self.window:close()
  self.answer(index)
end

---Keeps the lines that have every word of the filter.
---@param filter string
function Menu:narrow(filter)
  self.filter, self.matches, self.at = filter, {}, 1
  local words = vim.split(filter:lower(), " ", { trimempty = true })
  for index, text in ipairs(self.texts) do
    local fits = vim.iter(words):all(function(word)
      return text:find(word, 1, true) ~= nil
    end)
    if fits then
      table.insert(self.matches, index)
    end
  end
  self:render()
end

---@param step integer
function Menu:move(step)
  local count = #self.matches
  if count > 0 then
    self.at = (self.at - 1 + step) % count + 1
    self:render()
  end
end

---@param page conv.Page
---@param rows integer how many lines have room
---@return integer row of the line that would be picked
---@return integer last row of the lines that can be picked
function Menu:_list(page, rows)
  local hidden = #self.matches - rows
  if hidden > 0 then
    rows, hidden = math.max(1, rows - 1), hidden + 1
  end
  local first = math.max(1, math.min(self.at - math.floor(rows / 2), #self.matches - rows + 1))
  local row = #page.lines + 1 + self.at - first
  for position = first, math.min(#self.matches, first + rows - 1) do
    local index = self.matches[position] --[[@as integer]]
    local line = vim.list_extend({ { "  " } }, self.lines[index] or {}) --[[@as conv.Line]]
    table.insert(page.lines, line)
  end
  local last = #page.lines
  if hidden > 0 then
    page:line({ ("  … and %d more"):format(hidden), "ConvMuted" })
  end
  return row, last
end

---@param columns integer
---@param room conv.Room
---@return conv.Line[]
function Menu:_view(columns, room)
  local page = pages.new(columns)
  if self.filter ~= "" then
    page:line({ "  with " }, { self.filter, "ConvCode" })
    page:gap()
  end
  local keys = { { "<CR>", "pick" }, { "j k", "move" }, { "a-z", "narrow" }, { "q", "cancel" } }
  if self.filter ~= "" then
    keys = { { "<CR>", "pick" }, { "<Up> <Down>", "move" }, { "<BS>", "widen" }, { "<Esc>", "cancel" } }
  end
  self.row = 1
  if #self.matches == 0 then
    page:para("Nothing here has that.", "ConvWarn")
  else
    self.row, self.last = self:_list(page, math.max(1, room.rows - #page.lines - 3))
  end
  page:keys(keys)
  return page.lines
end

function Menu:render()
  self.window:set(function(columns, room)
    return self:_view(columns, room)
  end)
  if self.window:is_open() then
    vim.wo[self.window.win].cursorline = #self.matches > 0
    pcall(vim.api.nvim_win_set_cursor, self.window.win, { self.row, 0 })
  end
end

function Menu:pick()
  local index = self.matches[self.at]
  if index then
    self:finish(index)
  end
end

---Picks the line that is clicked.
function Menu:click()
  local mouse = vim.fn.getmousepos()
  local at = self.at + mouse.line - self.row
  if mouse.winid == self.window.win and mouse.line <= self.last and self.matches[at] then
    self:finish(self.matches[at])
  end
end

---What a letter does: some are keys as long as nothing is typed.
---@param letter string
---@return fun()
function Menu:_letter(letter)
  return function()
    local is_key = self.filter == ""
    if is_key and letter == "j" then
      self:move(1)
    elseif is_key and letter == "k" then
      self:move(-1)
    elseif is_key and letter == "q" then
      self:finish(nil)
    elseif not (is_key and letter == " ") then
      self:narrow(self.filter .. letter)
    end
  end
end

---@return table<string, fun()>
function Menu:_keys()
  local keys = {} ---@type table<string, fun()>
  for byte = 32, 126 do
    local letter = string.char(byte)
    local named = { [" "] = "<Space>", ["<"] = "<lt>", ["|"] = "<Bar>", ["\\"] = "<Bslash>" }
    if letter ~= ":" then -- commands stay within reach
      keys[named[letter] or letter] = self:_letter(letter)
    end
  end
  local function by(step)
    return function()
      self:move(step)
    end
  end
  for key, step in pairs({
    ["<Down>"] = 1,
    ["<C-n>"] = 1,
    ["<Tab>"] = 1,
    ["<Up>"] = -1,
    ["<C-p>"] = -1,
    ["<S-Tab>"] = -1,
  }) do
    keys[key] = by(step)
  end
  local function leave()
    self:finish(nil)
  end
  local function shorter()
    self:narrow(self.filter:sub(1, -2))
  end
  local function pick()
    self:pick()
  end
  keys["<CR>"], keys["<Esc>"], keys["<C-c>"] = pick, leave, leave
  keys["<BS>"], keys["<C-h>"] = shorter, shorter
  keys["<C-u>"] = function()
    self:narrow("")
  end
  keys["<LeftRelease>"] = function()
    self:click()
  end
  return keys
end

---Closes the list, if one is open; nothing is picked.
function M.close()
  if open then
    open:finish(nil)
  end
end

---Shows the lines, and answers with the number of the one that is picked; nil if none is.
---@param lines conv.Line[]
---@param prompt string
---@param answer fun(index?: integer)
function M.open(lines, prompt, answer)
  M.close()
  local self = setmetatable(
    { lines = lines, answer = answer, filter = "", matches = {}, at = 1, row = 1, last = 0 },
    Menu
  )
  self.texts = vim.tbl_map(function(line)
    return table
      .concat(vim.tbl_map(function(chunk)
        return chunk[1]
      end, line))
      :lower()
  end, lines)
  local window, err = float.open({
    title = prompt,
    width = WIDTH,
    filetype = "conv",
    keys = self:_keys(),
    on_paste = function(text)
      self:narrow(self.filter .. vim.trim(text:match("[^\n]*") or ""))
    end,
    on_close = function()
      self:finish(nil)
    end,
  })
  if not window then
    if err then
      require("conv.notify").answer(err)
    end
    return answer(nil)
  end
  self.window, open = window, self
  self:narrow("")
end

return M

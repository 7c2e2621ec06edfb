-- A window of ours: a scratch buffer that leaves nothing behind (no file, swap, undo or name), never wraps,
-- keeps inside the screen, and closes with one key. It knows nothing of what it shows.

local M = {}

local namespace = vim.api.nvim_create_namespace("conv.float")

local LINKS = {
  ConvTitle = "Title",
  ConvUrl = "Underlined",
  ConvCode = "Constant",
  ConvKey = "Special",
  ConvMuted = "Comment",
  ConvOk = "DiagnosticOk",
  ConvInfo = "DiagnosticInfo",
  ConvWarn = "DiagnosticWarn",
  ConvError = "DiagnosticError",
}

---@class conv.Float
---@field buf integer
---@field win integer
---@field private opts conv.FloatOpts
---@field private source conv.FloatSource
local Float = {}
Float.__index = Float

---What is shown: texts fit `columns`; what cannot be broken may be as wide as the screen, which is `room`.
---@alias conv.FloatSource fun(columns: integer, room: conv.Room): conv.Line[]

---@class (exact) conv.Room the most that a window can show
---@field columns integer
---@field rows integer

---@class (exact) conv.FloatOpts
---@field title string
---@field width integer columns of its texts; the window is wider where a line needs it
---@field keys table<string, fun()> normal-mode keys
---@field head? conv.Line stays above what is shown, however it is scrolled
---@field on_close? fun() the window is gone, by whatever hand
---@field on_paste? fun(text: string) what was pasted into it
---@field filetype string

---@return integer buf
local function scratch(filetype)
  local buf = vim.api.nvim_create_buf(false, true)
  local bo = vim.bo[buf]
  bo.buftype, bo.bufhidden, bo.swapfile, bo.undolevels, bo.modeline = "nofile", "wipe", false, -1, false
  bo.filetype, bo.modifiable = filetype, false
  return buf
end

---@return conv.Room of a window without a head
local function room()
  local below = vim.o.cmdheight + (vim.o.laststatus > 0 and 1 or 0)
  return { columns = math.max(10, vim.o.columns - 4), rows = math.max(2, vim.o.lines - below - 2) }
end

---@param width integer
---@param height integer
---@return vim.api.keyset.win_config
local function geometry(width, height)
  local most = room()
  width = math.max(10, math.min(width, most.columns))
  height = math.max(1, math.min(height, most.rows))
  return {
    relative = "editor",
    width = width,
    height = height,
    row = math.max(0, math.floor((vim.o.lines - vim.o.cmdheight - height) / 2) - 1),
    col = math.max(0, math.floor((vim.o.columns - width) / 2) - 1),
  }
end

local function set_highlights()
  for group, link in pairs(LINKS) do
    vim.api.nvim_set_hl(0, group, { link = link, default = true })
  end
  -- Not linked: a camera needs light on dark, whatever the colours are.
  local qr = { fg = "#ffffff", bg = "#000000", ctermfg = 15, ctermbg = 0, default = true }
  vim.api.nvim_set_hl(0, "ConvQr", qr)
end

---As 'winbar' wants it.
---@param head conv.Line
---@return string
local function winbar(head)
  local text = vim.iter(head):map(function(chunk)
    return ("%%#%s#%s"):format(chunk[2] or "ConvMuted", (chunk[1]:gsub("%%", "%%%%")))
  end)
  return text:join("") .. "%<"
end

---@param title string
---@param width integer
---@return string
local function fitting(title, width)
  if vim.fn.strdisplaywidth(title) > width - 2 then
    title = vim.fn.strcharpart(title, 0, width - 3) .. "…"
  end
  return " " .. title .. " "
end

---Opens a window and goes there.
---@param opts conv.FloatOpts
---@return conv.Float? window, ConvError? err Neovim allows none now, as in the command-line window
function M.open(opts)
  set_highlights()
  local buf = scratch(opts.filetype)
  local config = vim.tbl_extend("force", geometry(opts.width, opts.head and 2 or 1), {
    style = "minimal",
    -- Left out, it is that of the option, whose lists of characters are not allowed here.
    border = vim.o.winborder == "" and "rounded" or nil,
    title = " " .. opts.title .. " ",
    title_pos = "center",
    noautocmd = true,
  })
  local ok, win = pcall(vim.api.nvim_open_win, buf, true, config)
  if not ok then
    pcall(vim.api.nvim_buf_delete, buf, { force = true })
    local hint = "Leave the command-line window, if you are in it, and try again."
    return nil, require("conv.errors").new("busy", "The window cannot be opened here.", hint)
  end
  -- In normal mode it would do no more than wipe the message line.
  if vim.api.nvim_get_mode().mode ~= "n" then
    vim.cmd.stopinsert()
  end
  vim.wo[win].wrap = false
  -- An address that is wider than the screen shows that it goes on.
  vim.wo[win].list = true
  vim.wo[win].listchars = "extends:…"
  vim.wo[win].spell = false
  vim.wo[win].sidescrolloff = 0
  vim.wo[win].winfixbuf = true
  if opts.head then
    vim.wo[win].winbar = winbar(opts.head)
  end
  local function nothing()
    return {}
  end
  local self = setmetatable({ buf = buf, win = win, opts = opts, source = nothing }, Float)
  self:_map_keys()
  self:_watch(require("conv.ui.paste").catch(buf, function(text)
    self:_pasted(text)
  end, require("conv.ui.secret").is_open))
  return self
end

function Float:_map_keys()
  for key, action in pairs(self.opts.keys) do
    vim.keymap.set("n", key, action, { buffer = self.buf, nowait = true, silent = true })
  end
end

---@param text string
function Float:_pasted(text)
  if self.opts.on_paste then
    self.opts.on_paste(text)
  else
    require("conv.notify").answer("There is nothing to paste into here.")
  end
end

---@param stop_paste fun()
function Float:_watch(stop_paste)
  local group = vim.api.nvim_create_augroup("conv.float." .. self.buf, { clear = true })
  vim.api.nvim_create_autocmd("VimResized", {
    group = group,
    callback = function()
      self:set(self.source)
    end,
  })
  vim.api.nvim_create_autocmd("ColorScheme", { group = group, callback = set_highlights })
  vim.api.nvim_create_autocmd("BufWipeout", {
    group = group,
    buffer = self.buf,
    once = true,
    callback = function()
      vim.api.nvim_del_augroup_by_id(group)
      stop_paste()
      if self.opts.on_close then
        vim.schedule(self.opts.on_close)
      end
    end,
  })
end

---@return boolean
function Float:is_open()
  return vim.api.nvim_win_is_valid(self.win) and vim.api.nvim_buf_is_valid(self.buf)
end

---@return integer columns that text may take
function Float:columns()
  return math.min(self.opts.width, room().columns)
end

---Shows these lines, and asks for them anew when the terminal's size changes. An address becomes a link in
---terminals that know links.
---@param source conv.FloatSource
function Float:set(source)
  if not self:is_open() then
    return
  end
  self.source = source
  local head = self.opts.head and 1 or 0
  local most = room()
  local lines = source(self:columns(), { columns = most.columns, rows = most.rows - head })
  local width = math.max(self.opts.width, vim.fn.strdisplaywidth(self.opts.title) + 4)
  local texts = {} ---@type string[]
  for _, line in ipairs(lines) do
    local text = table.concat(vim.tbl_map(function(chunk)
      return (chunk[1]:gsub("[%c]", " "))
    end, line))
    width = math.max(width, vim.fn.strdisplaywidth(text) + 1)
    table.insert(texts, text)
  end
  vim.bo[self.buf].modifiable = true
  vim.api.nvim_buf_set_lines(self.buf, 0, -1, false, texts)
  vim.bo[self.buf].modifiable = false
  vim.bo[self.buf].modified = false
  self:_highlight(lines)
  local config = geometry(width, #lines + head)
  if vim.api.nvim_win_get_config(self.win).border ~= "none" then
    config.title = fitting(self.opts.title, config.width --[[@as integer]])
  end
  vim.api.nvim_win_set_config(self.win, config)
end

---@private
---@param lines conv.Line[]
function Float:_highlight(lines)
  vim.api.nvim_buf_clear_namespace(self.buf, namespace, 0, -1)
  for row, line in ipairs(lines) do
    local col = 0
    for _, chunk in ipairs(line) do
      local text, group = chunk[1], chunk[2]
      if group then
        local opts = { end_col = col + #text, hl_group = group }
        if group == "ConvUrl" and text:match("^https?://") then
          opts.url = text
        end
        vim.api.nvim_buf_set_extmark(self.buf, namespace, row - 1, col, opts)
      end
      col = col + #text
    end
  end
end

function Float:focus()
  if self:is_open() then
    vim.api.nvim_set_current_win(self.win)
  end
end

---Closes without telling `on_close`.
function Float:close()
  self.opts.on_close = nil
  if vim.api.nvim_win_is_valid(self.win) then
    pcall(vim.api.nvim_win_close, self.win, true)
  end
end

return M

-- A small window that shows the last lines of a long command's output, and all of them if it fails.

local float = require("conv.ui.float")

local M = {}

local WIDTH = 76

---Lines shown while it runs, and kept.
local SHOWN, KEPT = 6, 1000

---@class conv.Progress
---@field lines string[]
---@field begun string a line whose end has not come yet
---@field at? string how far it is, under the lines
---@field since integer nanoseconds
---@field timer uv.uv_timer_t
---@field window conv.Float
---@field cancel fun()
---@field failed boolean
local Progress = {}
Progress.__index = Progress

---@param columns integer
---@param room conv.Room
---@return conv.Line[]
function Progress:_view(columns, room)
  local page = require("conv.ui.page").new(columns)
  for index = math.max(1, #self.lines - (self.failed and KEPT or SHOWN) + 1), #self.lines do
    local text = self.lines[index] --[[@as string]]
    local width = self.failed and room.columns or columns
    page:line({ " " .. vim.fn.strcharpart(text, 0, width - 2), not self.failed and "ConvMuted" or nil })
  end
  if self.at and not self.failed then
    page:line({ " " .. self.at })
  end
  if self.failed then
    page:keys({ { "q", "close" } })
  else
    page:keys({ { "q", ("cancel · %d s"):format((vim.uv.hrtime() - self.since) / 1e9) } })
  end
  return page.lines
end

function Progress:render()
  self.window:set(function(columns, room)
    return self:_view(columns, room)
  end)
end

---Takes what the command wrote, in pieces of any size.
---@param text? string nil at its end
function Progress:add(text)
  local pieces = vim.split(self.begun .. (text or "\n"), "[\r\n]+")
  self.begun = table.remove(pieces) or ""
  for _, line in ipairs(pieces) do
    if line ~= "" then
      table.insert(self.lines, (line:gsub("\27%[[%d;]*m", "")))
    end
  end
  vim.schedule(function()
    self:render()
  end)
end

---Says how far it is, in place of what was said before.
---@param text? string
function Progress:now(text)
  self.at = text
  vim.schedule(function()
    self:render()
  end)
end

function Progress:_stop()
  if not self.timer:is_closing() then
    self.timer:close()
  end
end

function Progress:close()
  self:_stop()
  self.window:close()
end

---The command failed: the window stays, with all that was written, at the first error.
function Progress:fail()
  self:_stop()
  self.failed, self.cancel = true, function() end
  self:render()
  if self.window:is_open() then
    vim.api.nvim_win_call(self.window.win, function()
      vim.fn.cursor(vim.fn.line("$"), 1)
      vim.fn.search([[\c^ \?error]], "cw")
    end)
  end
end

---@param cancel fun() called if the person does not want it any more
function Progress:on_cancel(cancel)
  self.cancel = cancel
end

---@param title string
---@return conv.Progress? window, ConvError? err
function M.open(title)
  -- A linker says nothing for a minute: the seconds show that it is still at work.
  local self = setmetatable({
    lines = {},
    begun = "",
    since = vim.uv.hrtime(),
    timer = assert(vim.uv.new_timer()),
    cancel = function() end,
    failed = false,
  }, Progress)
  local function leave()
    self:close()
    self.cancel()
  end
  local window, err = float.open({
    title = title,
    width = WIDTH,
    filetype = "conv",
    on_close = leave,
    keys = { q = leave, ["<Esc>"] = leave },
  })
  if not window then
    self:_stop()
    return nil, err
  end
  self.window = window
  self:render()
  self.timer:start(
    1000,
    1000,
    vim.schedule_wrap(function()
      self:render()
    end)
  )
  return self
end

return M

-- A small window that shows the last lines of a long command's output.

local float = require("conv.ui.float")

local M = {}

local SHOWN = 6

---@param title string
---@return { output: fun(problem?: string, text?: string), close: fun(), on_cancel: fun(cancel: fun()) }? window
---@return ConvError? err
function M.open(title)
  local cancel = function() end
  local lines = {} ---@type string[]
  local begun = "" -- a line whose end has not come yet
  local since = vim.uv.hrtime()
  -- A linker says nothing for a minute: the seconds show that it is still at work.
  local timer = assert(vim.uv.new_timer())
  local window, err ---@type conv.Float?, ConvError?
  local function close()
    if not timer:is_closing() then
      timer:close()
    end
    if window then
      window:close()
    end
  end
  local function leave()
    close()
    cancel()
  end
  window, err = float.open({
    title = title,
    width = 76,
    filetype = "conv",
    on_close = leave,
    keys = { q = leave, ["<Esc>"] = leave },
  })
  if not window then
    close()
    return nil, err
  end
  local function show()
    window:set(function(columns)
      local page = require("conv.ui.page").new(columns)
      for index = math.max(1, #lines - SHOWN + 1), #lines do
        page:line({ " " .. lines[index]:sub(1, columns - 2), "ConvMuted" })
      end
      page:keys({ { "q", ("cancel · %d s"):format((vim.uv.hrtime() - since) / 1e9) } })
      return page.lines
    end)
  end
  show()
  timer:start(1000, 1000, vim.schedule_wrap(show))
  return {
    output = function(_, text)
      local pieces = vim.split(begun .. (text or "\n"), "[\r\n]+")
      begun = table.remove(pieces) or ""
      for _, line in ipairs(pieces) do
        if line ~= "" then
          table.insert(lines, line)
        end
      end
      vim.schedule(show)
    end,
    close = close,
    on_cancel = function(action)
      cancel = action
    end,
  }
end

return M

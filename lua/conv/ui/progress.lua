-- A small window that shows the last lines of a long command's output.

local float = require("conv.ui.float")

local M = {}

local SHOWN = 6

---@param title string
---@return { output: fun(problem?: string, text?: string), close: fun(), on_cancel: fun(cancel: fun()) }
function M.open(title)
  local cancel = function() end
  local lines = {} ---@type string[]
  local begun = "" -- a line whose end has not come yet
  local window ---@type conv.Float
  window = float.open({
    title = title,
    width = 76,
    filetype = "conv",
    keys = {
      q = function()
        window:close()
        cancel()
      end,
    },
  })
  local function show()
    local view = { { { "" } } } ---@type conv.Line[]
    for index = math.max(1, #lines - SHOWN + 1), #lines do
      table.insert(view, { { " " .. lines[index]:sub(1, 74), "ConvMuted" } })
    end
    table.insert(view, { { "" } })
    table.insert(view, { { " q", "ConvKey" }, { " cancel", "ConvMuted" } })
    window:set(view)
  end
  show()
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
    close = function()
      window:close()
    end,
    on_cancel = function(action)
      cancel = action
    end,
  }
end

return M

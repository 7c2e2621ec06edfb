-- lualine finds this component as "conv". It reads a variable and nothing else; our own text is written on
-- change.

---@diagnostic disable-next-line: unresolved-require
local component = require("lualine.component"):extend()

function component:init(options)
  component.super.init(self, options)
  vim.schedule(function()
    require("conv.status").text()
  end)
end

function component.update_status()
  return vim.g.conv_status or ""
end

return component

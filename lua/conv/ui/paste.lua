-- Takes a terminal's paste into one of our buffers, instead of Neovim, which would raise an error in a buffer
-- that cannot be changed. What is pasted goes to the buffer's window and nowhere else.

local M = {}

---Takes pastes while `buf` is current, with a prompt of ours open over it (`in_prompt`) too: whole, line
---breaks included, which the prompt would cut.
---@param buf integer
---@param take fun(text: string)
---@param in_prompt fun(): boolean
---@return fun() stop
function M.catch(buf, take, in_prompt)
  local original = vim.paste
  local parts = {} ---@type string[]
  local function ours(lines, phase)
    local mode = vim.api.nvim_get_mode().mode
    if vim.api.nvim_get_current_buf() ~= buf or (mode:sub(1, 1) == "c" and not in_prompt()) then
      return original(lines, phase)
    end
    if phase == -1 or phase == 1 then
      parts = {}
    end
    -- Chunks are cut anywhere: only the breaks inside one are line breaks.
    table.insert(parts, table.concat(lines, "\n"))
    if phase == -1 or phase == 3 then
      local text = table.concat(parts)
      parts = {}
      vim.schedule(function()
        take(text)
      end)
    end
    return true
  end
  vim.paste = ours
  return function()
    if vim.paste == ours then
      vim.paste = original
    else
      buf = -1
    end
  end
end

return M

-- Takes what the person pastes or types and nobody else may see: by a hidden prompt, or by a paste straight into our
-- window. Neither goes through a buffer, register, history or undo.

local M = {}

local prompting = false

---@return boolean whether the hidden prompt is open now
function M.is_open()
  return prompting
end

---A macro that is being recorded would keep what is pasted or typed, in a register and then in shada: it ends here.
local function end_recording()
  if vim.fn.reg_recording() ~= "" then
    vim.cmd.normal({ "q", bang = true })
    require("conv.notify").say("The macro's recording ended: it would keep the secret.", vim.log.levels.WARN)
  end
end

---Asks with hidden input. Neovim goes on running events meanwhile; |M.dismiss()| ends it from outside.
---@param label string
---@param done fun(text?: string) nil: left without an answer
function M.ask(label, done)
  if prompting then
    return
  end
  end_recording()
  prompting = true
  vim.cmd.redraw()
  local ok, text = pcall(vim.fn.inputsecret, label)
  prompting = false
  vim.cmd("echo ''")
  done(ok and text ~= "" and text or nil)
end

---Closes the hidden prompt, if it is open: the browser was quicker.
function M.dismiss()
  if prompting then
    vim.api.nvim_input("<C-c>")
  end
end

---Takes a terminal's paste while `buf` is current, instead of Neovim. With the hidden prompt open it takes the whole
---text too, line breaks included, which the prompt would cut. No macro is recorded in there.
---@param buf integer
---@param take fun(text: string)
---@return fun() stop
function M.catch_paste(buf, take)
  end_recording()
  vim.api.nvim_create_autocmd("BufEnter", { buffer = buf, callback = end_recording })
  local original = vim.paste
  local parts = {} ---@type string[]
  local function ours(lines, phase)
    local mode = vim.api.nvim_get_mode().mode
    if vim.api.nvim_get_current_buf() ~= buf or (mode:sub(1, 1) == "c" and not prompting) then
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

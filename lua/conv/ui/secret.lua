-- Takes what the person types and nobody else may see: by a hidden prompt, which goes through no buffer,
-- register, history or undo.

local M = {}

local prompting = false

---@return boolean whether the hidden prompt is open now
function M.is_open()
  return prompting
end

---A macro that is being recorded would keep what is pasted or typed, in a register and then in shada: it ends
---here.
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

---Keeps macros from being recorded in `buf`.
---@param buf integer
function M.guard(buf)
  end_recording()
  vim.api.nvim_create_autocmd("BufEnter", { buffer = buf, callback = end_recording })
end

return M

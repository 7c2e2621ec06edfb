-- Whether a function that a person may replace is still Neovim's own.

local M = {}

---@param found any a plugin may put a callable table there
---@return boolean
function M.is_stock(found)
  if type(found) ~= "function" then
    return false
  end
  local source = assert(debug.getinfo(found, "S")).source:sub(2)
  return vim.startswith(source, "vim/") -- compiled in
    or vim.startswith(vim.fs.normalize(source), vim.fs.normalize(vim.env.VIMRUNTIME or "?") .. "/lua/vim/")
end

return M

-- Commands and <Plug> mappings. Requires nothing until one of them is used.
if vim.g.loaded_conv then
  return
end
vim.g.loaded_conv = true

if vim.fn.has("nvim-0.11") == 0 then
  vim.notify("conv: Neovim 0.11 or newer is needed.", vim.log.levels.ERROR)
  return
end

---@param name string
---@param opts table
local function command(name, opts)
  vim.api.nvim_create_user_command(name, function(args)
    require("conv.commands").run(name, args)
  end, vim.tbl_extend("error", opts, {
    complete = function(...)
      return require("conv.commands").complete(name, ...)
    end,
  }))
  vim.keymap.set("n", "<Plug>(" .. name .. ")", "<Cmd>" .. name .. "<CR>")
end

command("ConvLogin", { nargs = "*", bang = true, desc = "Log in to an AI provider" })
command("ConvLogout", { nargs = "*", desc = "Log out of an AI provider" })
command("ConvStatus", { nargs = "*", desc = "Show every login" })

vim.api.nvim_create_autocmd("CursorHold", {
  once = true,
  callback = function()
    if vim.g.conv or package.loaded["conv.config"] then
      require("conv.commands").preload()
    end
  end,
})

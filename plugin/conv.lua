-- Commands and <Plug> mappings. Requires nothing until one of them is used.
if vim.g.loaded_conv then
  return
end
vim.g.loaded_conv = true
if vim.fn.has("nvim-0.11") == 0 then
  return vim.notify("conv: Neovim 0.11 or newer is needed.", vim.log.levels.ERROR)
end

local function command(name, desc, bang)
  local function run(args)
    require("conv.commands").run(name, args)
  end
  local function complete(...)
    return require("conv.commands").complete(name, ...)
  end
  local opts = { nargs = "*", bang = bang, desc = desc, complete = complete }
  vim.api.nvim_create_user_command(name, run, opts)
  vim.keymap.set("n", "<Plug>(" .. name .. ")", "<Cmd>" .. name .. "<CR>")
end
command("ConvLogin", "Log in to an AI provider", true)
command("ConvLogout", "Log out of an AI provider", false)
command("ConvStatus", "Show every login", false)

-- For the option `preload`: nothing happens before the editor is idle, and then only if something is set.
vim.api.nvim_create_autocmd("CursorHold", {
  once = true,
  callback = function()
    if vim.g.conv or package.loaded["conv.config"] then
      require("conv.commands").preload()
    end
  end,
})

-- The editor in the pictures of README: logins made with pretend providers, shown with the real addresses.

local root = assert(vim.env.CONV_DEMO_ROOT)
vim.opt.runtimepath:prepend(root)
package.path = root .. "/tests/nvim/lib/?.lua;" .. package.path

vim.o.termguicolors = true
vim.o.laststatus = 3
vim.o.swapfile = false
vim.o.number = true
vim.o.ruler = false
vim.o.showcmd = false
vim.o.statusline = " init.lua%=%{get(g:, 'conv_status', '')} "
vim.o.fillchars = "eob: "

vim.g.conv = {
  binary = vim.env.CONVOCATIONS,
  browser = true,
  -- The person at the pretend provider's page. What is not pretended is only shown.
  open = function(url)
    if vim.startswith(url, "http://127.0.0.1") then
      vim.schedule(function()
        local person = require("person")
        person.visit(person.approve(url))
      end)
    end
  end,
}

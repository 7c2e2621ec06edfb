-- A Neovim that asks for a token through the plugin, prints what it got, and quits. Run by `crowd.rs`.
vim.g.conv = { binary = vim.env.ASK_BINARY }
local conv = require("conv")

conv.get(vim.env.ASK_LOGIN, { timeout = 60000 }, function(err, credential)
  -- What came is in memory then, for whoever asks next.
  local held = not err and conv.token(vim.env.ASK_LOGIN)
  io.stdout:write(
    credential and credential.token or ("error " .. (err and err.code or "")),
    "\n",
    held or "nothing",
    "\n"
  )
  vim.cmd("qall!")
end)

-- A stand-in for gp.nvim: its setup.

local M = { config = {} }

function M.setup(opts)
  M.config = opts
  require("gp.dispatcher").providers = opts.providers
  for name, provider in pairs(opts.providers) do
    require("gp.vault").add_secret(name, provider.secret)
  end
end

return M

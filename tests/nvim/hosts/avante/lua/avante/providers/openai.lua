-- A stand-in for a provider of avante.nvim that leaves errors to avante.

return {}

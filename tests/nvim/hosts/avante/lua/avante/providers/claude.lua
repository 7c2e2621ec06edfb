-- A stand-in for a provider of avante.nvim: what it does with an answer that is an error.

return {
  on_error = function(result)
    vim.notify("API request failed with status " .. result.status, vim.log.levels.ERROR)
  end,
}

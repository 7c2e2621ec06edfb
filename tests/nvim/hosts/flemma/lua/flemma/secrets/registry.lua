-- A stand-in for flemma.nvim's registry of resolvers.

local M = { resolvers = {} }

function M.register(name, resolver)
  assert(name:match("^[%w_]+$"), "a bad name")
  M.resolvers[name] = resolver
end

function M.sorted()
  local list = vim.tbl_values(M.resolvers)
  table.sort(list, function(a, b)
    return a.priority > b.priority
  end)
  return list
end

return M

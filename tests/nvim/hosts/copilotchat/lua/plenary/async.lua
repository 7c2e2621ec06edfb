-- A stand-in for plenary's coroutines: a wrapped function yields itself and its arguments, and goes on when
-- it calls back.

local M = {}

function M.wrap(func, argc)
  return function(...)
    if select("#", ...) == argc then
      return func(...)
    end
    return coroutine.yield(func, argc, ...)
  end
end

function M.run(func, callback)
  local thread = coroutine.create(func)
  local function step(...)
    local results = { coroutine.resume(thread, ...) }
    if not results[1] then
      return callback(false, results[2])
    elseif coroutine.status(thread) == "dead" then
      return callback(true, results[2])
    end
    local leaf, argc = results[2], results[3]
    assert(type(leaf) == "function" and type(argc) == "number", "somebody else yielded here")
    local arguments = vim.list_slice(results, 4)
    arguments[argc] = step
    leaf(unpack(arguments, 1, argc))
  end
  step()
end

return M

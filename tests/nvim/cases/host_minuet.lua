-- minuet-ai.nvim: a key tested when a backend is loaded and before each completion, and asked for again after the test.

local hosts = require("hosts")

local SETUP = [[
  local login, url, backend = ...
  local options = require("conv.integrations.minuet").options(login, { model = "m" })
  require("minuet.backends.common").options = { [backend] = options }
]]

local function complete(nvim, backend, text)
  local answer = nvim:lua('return require("minuet.backends.common").complete(...)', backend, text)
  return answer ~= vim.NIL and answer or nil
end

return function(case)
  case("each completion has the token of its moment", function(t)
    for login, backend in pairs({ anthropic = "claude", kimi = "openai_compatible" }) do
      local sandbox, nvim = hosts.editor(t, "minuet")
      hosts.log_in(t, nvim, login)
      nvim:lua(SETUP, login, nil, backend)
      hosts.answered(t, complete(nvim, backend, "one"), "one")
      hosts.rotate(t, sandbox, nvim, login)
      hosts.answered(t, complete(nvim, backend, "two"), "two")
      hosts.no_error(t, nvim)
    end
  end)

  case("a cold start: the first test finds the key", function(t)
    local _, first = hosts.editor(t, "minuet")
    hosts.log_in(t, first, "openrouter")
    local nvim = t:real()
    hosts.install(t, nvim, "minuet")
    nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
    t:eq(nvim:lua('return package.loaded["conv"] ~= nil'), false)
    nvim:lua('require("minuet.backends.common").load("openai_compatible")')
    hosts.answered(t, complete(nvim, "openai_compatible", "hello"), "hello")
    t:eq(nvim:notes(), {})
  end)

  case("a first call that comes too early is nil and no message, and the next one has the key", function(t)
    local _, first = hosts.editor(t, "minuet")
    hosts.log_in(t, first, "openrouter")
    local nvim = t:real({ options = { cold_wait = 0 } })
    hosts.install(t, nvim, "minuet")
    nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
    t:eq(complete(nvim, "openai_compatible", "early"), nil)
    local answer = t:wait("the key", function()
      return complete(nvim, "openai_compatible", "later")
    end)
    hosts.answered(t, answer, "later")
    t:eq(nvim:notes(), {})
    hosts.no_error(t, nvim)
  end)

  case("logged out: told once and not at each key, nothing sent, and a login mends it", function(t)
    local sandbox, nvim = hosts.editor(t, "minuet")
    nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
    for _ = 1, 20 do
      t:eq(complete(nvim, "openai_compatible", "hello"), nil)
    end
    hosts.told(t, nvim, "openrouter")
    t:eq(hosts.requests(sandbox, "openrouter"), 0)
    nvim:lua([[
      local time = os.time
      os.time = function(...) return select("#", ...) > 0 and time(...) or time() + 60 end
    ]])
    t:eq(complete(nvim, "openai_compatible", "a minute later"), nil)
    t:eq(#hosts.hints(nvim, "openrouter"), 1)
    hosts.log_in(t, nvim, "openrouter")
    hosts.answered(t, complete(nvim, "openai_compatible", "again"), "again")
  end)

  case("a logout between the test and the request is no error", function(t)
    local sandbox, nvim = hosts.editor(t, "minuet")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
    nvim:lua('_G.options = require("minuet.backends.common").options.openai_compatible')
    nvim:lua("_G.options.end_point = ...", sandbox.url .. hosts.URL.openrouter)
    local answer = nvim:lua([[
      return require("minuet.backends.common").complete("openai_compatible", "hello", function()
        local done = false
        require("conv").logout("openrouter", nil, function() done = true end)
        vim.wait(5000, function() return done end, 5)
      end)
    ]])
    t:eq(answer.status, 401)
    hosts.no_error(t, nvim)
  end)

  case("a completion that begins in a fast event", function(t)
    local _, nvim = hosts.editor(t, "minuet")
    nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
    nvim:lua([[
      -- Options by a function are read on the main loop, where it can use all of the editor.
      local options = vim.g.conv
      vim.g.conv = function()
        return vim.fn.bufnr("%") > 0 and options
      end
      local timer = vim.uv.new_timer()
      timer:start(0, 0, function()
        local ok, answer = pcall(require("minuet.backends.common").complete, "openai_compatible", "hello")
        _G.seen = { ok = ok, answer = tostring(answer), fast = vim.in_fast_event() }
        timer:close()
      end)
    ]])
    local seen = t:wait("the event", function()
      local found = nvim:lua("return _G.seen")
      return found ~= vim.NIL and found
    end)
    t:eq(seen, { ok = true, answer = "nil", fast = true })
    hosts.log_in(t, nvim, "openrouter")
    hosts.answered(t, complete(nvim, "openai_compatible", "later"), "later")
  end)

  case("a credential goes to its own server alone", function(t)
    local sandbox, nvim = hosts.editor(t, "minuet")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
    local headers = nvim:lua([[
      local options = require("conv.integrations.minuet").options("openrouter", { end_point = "http://other.example/v1" })
      local data = { end_point = options.end_point, headers = { Authorization = "Bearer x" }, body = {} }
      return options.transform[1](data).headers
    ]])
    t:eq(headers, vim.empty_dict())
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url))
    end)
  end)

  case("no backend: nothing is sent, and it says why, once", function(t)
    local nvim = hosts.without_backend(t, "minuet")
    nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
    for _ = 1, 5 do
      t:eq(complete(nvim, "openai_compatible", "hello"), nil)
    end
    t:wait("the message", function()
      return nvim:said("`binary` names no program")
    end)
    t:eq(#nvim:notes(), 1)
  end)
end

-- minuet-ai.nvim: a key tested when a backend is loaded and before each completion, and asked for again after
-- the test.

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

  case(
    "a first call that comes too early is sent nowhere without a message, and the next one has the key",
    function(t)
      local _, first = hosts.editor(t, "minuet")
      hosts.log_in(t, first, "openrouter")
      local nvim = t:real({ options = { cold_wait = 0 } })
      hosts.install(t, nvim, "minuet")
      nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
      t:eq(complete(nvim, "openai_compatible", "early").status, 0)
      local answer = t:wait("the key", function()
        local seen = complete(nvim, "openai_compatible", "later")
        return seen.status ~= 0 and seen
      end)
      hosts.answered(t, answer, "later")
      t:eq(nvim:notes(), {})
      hosts.no_error(t, nvim)
    end
  )

  case("logged out: told once and not at each key, nothing sent, and a login mends it", function(t)
    for login, backend in pairs({ anthropic = "claude", openrouter = "openai_compatible" }) do
      local sandbox, nvim = hosts.editor(t, "minuet")
      nvim:lua(SETUP, login, nil, backend)
      nvim:lua('require("minuet.backends.common").load(...)', backend)
      for _ = 1, 20 do
        hosts.went_nowhere(t, sandbox, login, complete(nvim, backend, "hello"))
      end
      t:eq(nvim:lua('return require("minuet.backends.common").sent.end_point'), "file:///dev/null")
      hosts.told(t, nvim, login)
      nvim:lua([[
        local time = os.time
        os.time = function(...) return select("#", ...) > 0 and time(...) or time() + 60 end
      ]])
      t:eq(complete(nvim, backend, "a minute later").status, 0)
      t:eq(#hosts.hints(nvim, login), 1)
      t:eq(#nvim:notes(), 1)
      hosts.log_in(t, nvim, login)
      hosts.answered(t, complete(nvim, backend, "again"), "again")
    end
  end)

  case("after a logout nothing is sent, with what stands for a key neither", function(t)
    local sandbox, nvim = hosts.editor(t, "minuet")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
    hosts.answered(t, complete(nvim, "openai_compatible", "one"), "one")
    local before = hosts.requests(sandbox, "openrouter")
    hosts.log_out(nvim, "openrouter")
    t:eq(complete(nvim, "openai_compatible", "two").status, 0)
    t:eq(hosts.requests(sandbox, "openrouter"), before)
    t:eq(nvim:lua('return require("minuet.backends.common").sent.headers.Authorization'), vim.NIL)
    hosts.told(t, nvim, "openrouter")
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
        _G.seen = { ok = ok, answer = tostring(ok and answer.status or answer), fast = vim.in_fast_event() }
        timer:close()
      end)
    ]])
    local seen = t:wait("the event", function()
      local found = nvim:lua("return _G.seen")
      return found ~= vim.NIL and found
    end)
    t:eq(seen, { ok = true, answer = "0", fast = true })
    hosts.log_in(t, nvim, "openrouter")
    hosts.answered(t, complete(nvim, "openai_compatible", "later"), "later")
  end)

  case("a credential goes to its own server alone", function(t)
    local sandbox, nvim = hosts.editor(t, "minuet")
    hosts.log_in(t, nvim, "openrouter")
    nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
    local data = nvim:lua([[
      local options = require("conv.integrations.minuet").options("openrouter", { end_point = "http://other.example/v1" })
      local data = { end_point = options.end_point, headers = { Authorization = "Bearer x" }, body = {} }
      return options.transform[1](data)
    ]])
    t:eq(data.headers, vim.empty_dict())
    t:eq(data.end_point, "file:///dev/null")
    t:wait("the message", function()
      return nvim:said("is for " .. vim.pesc(sandbox.url))
    end)
  end)

  case("no backend: nothing is sent, and it says why, once", function(t)
    local nvim = hosts.without_backend(t, "minuet")
    nvim:lua(SETUP, "openrouter", nil, "openai_compatible")
    for _ = 1, 5 do
      t:eq(complete(nvim, "openai_compatible", "hello").status, 0)
    end
    t:wait("the message", function()
      return nvim:said("`binary` names no program")
    end)
    t:eq(#nvim:notes(), 1)
  end)
end

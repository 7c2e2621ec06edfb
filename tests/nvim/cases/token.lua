-- The synchronous calls: memory first, bounded waits, and errors as values.

local COUNTING = [[
  local n = 0
  return {
    get = function(_, reply)
      n = n + 1
      reply(nil, backend.credential({ token = "tok-" .. n, revision = n, identity = "calls " .. n }))
    end,
  }
]]

return function(case)
  case("the first call starts the backend and waits; later ones ask nobody", function(t)
    local nvim = t:editor({ options = { binary = t:fake(COUNTING), cold_wait = 5000 } })
    t:eq(nvim:lua('return require("conv").token("anthropic")'), "tok-1")
    for _ = 1, 5 do
      t:eq(nvim:lua('return require("conv").token("anthropic")'), "tok-1")
    end
    t:eq(nvim:lua('return require("conv").headers("anthropic")'), { authorization = "Bearer tok-1" })
    t:eq(nvim:lua('return require("conv").credential("anthropic").identity'), "calls 1")
  end)

  -- The backend refreshes ahead of time what was used (rule 6), and hears nothing of uses from memory.
  case("the first use of a token that was pushed is told to the backend, and no other", function(t)
    local script = [[
      local n = 0
      local function credential(identity)
        local newest = math.min(n, 2)
        return backend.credential({ token = "tok-" .. newest, revision = newest, identity = identity })
      end
      return {
        get = function(_, reply)
          n = n + 1
          reply(nil, credential("call " .. n))
          if n == 1 then
            n = 2
            backend.event("credential", credential("pushed"))
          end
        end,
      }
    ]]
    local nvim = t:editor({ options = { binary = t:fake(script), cold_wait = 5000 } })
    local function identity()
      return nvim:lua(
        'local held = require("conv.credentials").held.anthropic; return held and held.credential.identity'
      )
    end
    nvim:lua('return require("conv").token("anthropic")')
    t:wait("the push", function()
      return identity() == "pushed"
    end)
    t:eq(nvim:lua('return require("conv").token("anthropic")'), "tok-2")
    t:wait("the call", function()
      return identity() == "call 3"
    end)
    for _ = 1, 5 do
      t:eq(nvim:lua('return require("conv").token("anthropic")'), "tok-2")
    end
    t:eq(nvim:lua('return require("conv").credential("anthropic").identity'), "call 3")
  end)

  case("cold_wait = 0 never waits and says that the token is on its way", function(t)
    local nvim = t:editor({ options = { binary = t:fake(COUNTING), cold_wait = 0 } })
    local answer = nvim:lua([[
      local token, err = require("conv").token("anthropic")
      return { token = token, code = err.code, hint = err.hint }
    ]])
    t:eq(answer.token, nil)
    t:eq(answer.code, "starting")
    t:wait("the token", function()
      return nvim:lua('return require("conv").token("anthropic")') == "tok-1"
    end)
  end)

  case("a slow backend holds a call for cold_wait and no longer, and the next call not at all", function(t)
    local script =
      "return { get = function(_, reply) backend.after(1500, function() reply(nil, backend.credential()) end) end }"
    local nvim = t:editor({ options = { binary = t:fake(script), cold_wait = 150 } })
    local times = nvim:lua([[
      local took, codes = {}, {}
      for i = 1, 2 do
        local start = vim.uv.hrtime()
        local _, err = require("conv").token("anthropic")
        took[i], codes[i] = (vim.uv.hrtime() - start) / 1e6, err.code
      end
      return { took = took, codes = codes }
    ]])
    t:eq(times.codes, { "starting", "starting" })
    t:ok(times.took[1] >= 140 and times.took[1] < 600, "first took " .. times.took[1])
    t:ok(times.took[2] < 50, "second took " .. times.took[2])
  end)

  case("a fast event gets an answer at once, and the token is fetched for later", function(t)
    local nvim = t:editor({ options = { binary = t:fake(COUNTING), cold_wait = 5000 } })
    nvim:lua([[
      local conv = require("conv")
      local timer = vim.uv.new_timer()
      timer:start(0, 0, function()
        local token, err = conv.token("anthropic")
        _G.fast = { token = token, code = err and err.code, in_fast = vim.in_fast_event() }
        timer:close()
      end)
    ]])
    local fast = t:wait("the fast event", function()
      local seen = nvim:lua("return _G.fast")
      return seen ~= vim.NIL and seen
    end)
    t:eq(fast, { code = "starting", in_fast = true })
    t:wait("the token", function()
      return nvim:lua('local held = require("conv.credentials").held.anthropic; return held and held.token')
        == "tok-1"
    end)
  end)

  case("every call may come from a fast event", function(t)
    local nvim = t:editor({ options = { binary = t:fake(COUNTING), cold_wait = 5000 } })
    nvim:lua([[
      local conv = require("conv")
      local timer = vim.uv.new_timer()
      timer:start(0, 0, function()
        local ok, problem = pcall(function()
          conv.status()
          conv.status("anthropic")
          conv.is_logged_in("anthropic")
          conv.headers("anthropic")
          conv.credential("anthropic")
          conv.get("anthropic", nil, function(_, c) _G.got = c and c.token end)
          conv.invalidate("anthropic", "x", function(e) _G.invalidated = e and e.code end)
          conv.logout("anthropic", nil, function(e) _G.logged_out = e and e.code end)
          conv.login("nobody", nil, function(e) _G.logged_in = e and e.code end)
          conv.cancel()
        end)
        _G.problem = ok and "none" or problem
        timer:close()
      end)
    ]])
    t:wait("all answers", function()
      return nvim:lua("return _G.got and _G.invalidated and _G.logged_out and _G.logged_in and true") == true
    end)
    t:eq(nvim:lua("return _G.problem"), "none")
    t:match(nvim:lua("return _G.got"), "^tok%-")
  end)

  case("a token inside the margin is fetched anew; a lapsed one is never handed out", function(t)
    local nvim = t:editor({
      options = {
        cold_wait = 2000,
        binary = t:fake([[
          local n = 0
          return { get = function(_, reply)
            n = n + 1
            if n == 1 then return reply(nil, backend.credential({ token = "old", expires_at = os.time() + 2 })) end
            reply({ code = "network", message = "No network." })
          end }
        ]]),
      },
    })
    t:eq(nvim:lua('return require("conv").token("anthropic")'), "old")
    t:eq(nvim:lua('return require("conv").token("anthropic")'), "old", "still valid while the refresh fails")
    local code = t:wait("the end of the token", function()
      local answer = nvim:lua('local t, e = require("conv").token("anthropic"); return { t, e and e.code }')
      return answer[1] == vim.NIL and answer[2]
    end)
    t:eq(code, "network")
  end)

  case("a refusal is answered from memory until something changes", function(t)
    local nvim = t:editor({
      options = {
        cold_wait = 5000,
        binary = t:fake([[
          local n, changed = 0, false
          return {
            status = function(_, reply) reply(nil, { logins = { backend.status({ state = "logged_out", revision = 0 }) } }) end,
            get = function(_, reply)
              n = n + 1
              if n == 1 then
                backend.after(300, function() backend.event("changed", { seq = 1, logins = { backend.status() } }) end)
                return reply({ code = "not_logged_in", message = "Nobody is logged in.", hint = "`:ConvLogin anthropic`" })
              end
              reply(nil, backend.credential({ token = "call " .. n }))
            end,
          }
        ]]),
      },
    })
    local ask = 'local t, e = require("conv").token("anthropic"); return { t, e and e.code, e and e.hint }'
    t:eq(nvim:lua(ask), { vim.NIL, "not_logged_in", "`:ConvLogin anthropic`" })
    t:eq(nvim:lua(ask)[2], "not_logged_in")
    t:wait("the login", function()
      return nvim:lua(ask)[1] == "call 2"
    end)
  end)

  case("a token that somebody has refreshed is not given out any more", function(t)
    local nvim = t:editor({
      options = {
        cold_wait = 5000,
        binary = t:fake([[
          local n = 0
          return {
            get = function(params, reply)
              if params.login == "other" then
                reply(nil, backend.credential({ login = "other" }))
                return backend.event("changed", { seq = 1, logins = { backend.status({ revision = 2 }) } })
              end
              n = n + 1
              reply(nil, backend.credential({ token = "tok-" .. n, revision = n }))
            end,
          }
        ]]),
      },
    })
    nvim:lua([[
      vim.api.nvim_create_autocmd("User", { pattern = "ConvRefresh", callback = function()
        _G.seen = require("conv").token("anthropic")
      end })
    ]])
    t:eq(nvim:lua('return require("conv").token("anthropic")'), "tok-1")
    nvim:lua('require("conv").get("other", nil, function() end)')
    local seen = t:wait("the event", function()
      local token = nvim:lua("return _G.seen")
      return token ~= vim.NIL and token
    end)
    t:eq(seen, "tok-2")
  end)

  case("names that are no logins are refused without a backend", function(t)
    local nvim = t:editor({ options = { binary = "/nonexistent" } })
    for _, bad in ipairs({ "", "Anthropic", "a b", "../x", "a@b@c", "-a" }) do
      local code = nvim:lua('local _, e = require("conv").token(...); return e.code', bad)
      t:eq(code, "invalid_argument", bad)
    end
    t:eq(nvim:lua('local _, e = require("conv").token(); return e.code'), "invalid_argument")
    t:eq(nvim:lua('local _, e = require("conv").headers({}); return e.code'), "invalid_argument")
  end)

  case("wrong options are an answer, and the callback may stand in their place", function(t)
    local nvim = t:editor({ options = { binary = t:fake(COUNTING) } })
    local function answer(call)
      nvim:lua("_G.code = nil; local conv = require('conv'); conv." .. call)
      return t:wait(call, function()
        local code = nvim:lua("return _G.code")
        return code ~= vim.NIL and code
      end)
    end
    nvim:lua("_G.cb = function(err, result) _G.code = err and err.code or result.login end")
    t:eq(answer("get('anthropic', _G.cb)"), "anthropic")
    for _, call in ipairs({
      "get('anthropic', 5, _G.cb)",
      "get('anthropic', { min_validity = 'long' }, _G.cb)",
      "get('anthropic', { timeout = -1 }, _G.cb)",
      "login('anthropic', 'browser', _G.cb)",
      "login('anthropic', { method = 5 }, _G.cb)",
      "login('Bad/Name', _G.cb)",
      "invalidate('anthropic', nil, _G.cb)",
      "logout(nil, _G.cb)",
    }) do
      t:eq(answer(call), "invalid_argument", call)
    end
  end)

  case("what a caller does to its copy changes nothing", function(t)
    local nvim = t:editor({ options = { binary = t:fake(COUNTING), cold_wait = 5000 } })
    local header = nvim:lua([[
      local conv = require("conv")
      conv.headers("anthropic").authorization = "spoilt"
      conv.credential("anthropic").headers.authorization = "spoilt"
      return conv.headers("anthropic").authorization
    ]])
    t:eq(header, "Bearer tok-1")
  end)

  case("the option `login` chooses the account", function(t)
    local script =
      "return { get = function(p, reply) reply(nil, backend.credential({ login = p.login, token = p.login })) end }"
    local nvim = t:editor({ options = { binary = t:fake(script), cold_wait = 5000 } })
    nvim:lua('require("conv").setup({ login = function(l) return _G.work and l .. "@work" or l end })')
    t:eq(nvim:lua('return require("conv").token("anthropic")'), "anthropic")
    t:eq(nvim:lua('_G.work = true; return require("conv").token("anthropic")'), "anthropic@work")
    t:eq(nvim:lua('_G.work = false; return require("conv").token("anthropic")'), "anthropic")
  end)

  case("an option `login` that fails is said, and the login asked for is used", function(t)
    local script =
      "return { get = function(p, reply) reply(nil, backend.credential({ login = p.login, token = p.login })) end }"
    local nvim = t:editor({ options = { binary = t:fake(script), cold_wait = 5000 } })
    nvim:lua('require("conv").setup({ login = function() error("not in a repository") end })')
    t:eq(nvim:lua('return require("conv").token("anthropic")'), "anthropic")
    t:wait("the message", function()
      return nvim:said("`opts.login` failed: .*not in a repository")
    end)
  end)

  case("vim.b.conv_login chooses for one buffer, another account of the same provider only", function(t)
    local script =
      "return { get = function(p, reply) reply(nil, backend.credential({ login = p.login, token = p.login })) end }"
    local nvim = t:editor({ options = { binary = t:fake(script), cold_wait = 5000 } })
    local function token(here, login)
      return nvim:lua('vim.b.conv_login = ...; return require("conv").token(select(2, ...))', here, login)
    end
    t:eq(token("anthropic@work", "anthropic"), "anthropic@work")
    t:eq(token("anthropic@work", "openai"), "openai")
    t:eq(token({ openai = "openai@home" }, "openai"), "openai@home")
    t:eq(token("anthropic@work", "anthropic@home"), "anthropic@home")
    t:eq(token("openai", "anthropic"), "anthropic")
    nvim:cmd("enew")
    t:eq(nvim:lua('return require("conv").token("anthropic")'), "anthropic")
  end)

  case("a token in memory costs less than a microsecond", function(t)
    local nvim = t:editor({ options = { binary = t:fake(COUNTING), cold_wait = 5000 } })
    local best = nvim:lua([[
      local conv = require("conv")
      conv.token("anthropic")
      local best = math.huge
      for _ = 1, 20 do
        local start = vim.uv.hrtime()
        for _ = 1, 10000 do conv.token("anthropic") end
        best = math.min(best, (vim.uv.hrtime() - start) / 10000)
      end
      return best
    ]])
    t:ok(best < 1000, best .. " ns")
  end)
end

-- flemma.nvim: resolvers asked asynchronously, their answers kept for a time, their reasons shown.

local hosts = require("hosts")

local SETUP = 'require("conv.integrations.flemma").register({ moonshot = "kimi", claude = "anthropic" })'

local function send(t, sandbox, nvim, text, service, login)
  local url = sandbox.url .. hosts.URL[login or "kimi"]
  nvim:lua('require("flemma.secrets").send(...)', service or "moonshot", url, text)
  return t:wait("an end", function()
    local seen =
      nvim:lua('local s = require("flemma.secrets"); return { answer = s.answer, shown = s.shown }')
    return (seen.answer or seen.shown) and seen
  end)
end

return function(case)
  case("a token is asked for again before it ends", function(t)
    local sandbox, nvim = hosts.editor(t, "flemma")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP)
    hosts.answered(t, send(t, sandbox, nvim, "one").answer, "one")
    local kept = nvim:lua('return require("flemma.secrets").cache["api_key:moonshot"].ends - os.time()')
    local ends = nvim:lua('return require("conv").credential("kimi").expires_at - os.time()')
    t:ok(math.abs(ends - 300 - kept) <= 2, kept .. " of " .. ends)
    hosts.rotate(t, sandbox, nvim, "kimi")
    nvim:lua("_G.later = ...", kept + 1)
    nvim:lua('require("flemma.secrets").clock = function() return os.time() + _G.later end')
    hosts.answered(t, send(t, sandbox, nvim, "two").answer, "two")
  end)

  case("a key that does not end is kept for a minute", function(t)
    local _, nvim = hosts.editor(t, "flemma")
    hosts.log_in(t, nvim, "openrouter")
    local result = nvim:lua([[
      local resolver = require("conv.integrations.flemma").resolver({ openrouter = "openrouter" })
      return resolver:resolve({ kind = "api_key", service = "openrouter" })
    ]])
    t:eq(result.ttl, 60)
  end)

  case("logged out: the reason names the command to type, and a login mends it", function(t)
    local sandbox, nvim = hosts.editor(t, "flemma")
    nvim:lua(SETUP)
    local shown = send(t, sandbox, nvim, "hello").shown
    t:eq(#shown, 1)
    t:match(shown[1], ":ConvLogin kimi")
    t:eq(hosts.requests(sandbox, "kimi"), 0)
    hosts.log_in(t, nvim, "kimi")
    hosts.answered(t, send(t, sandbox, nvim, "again").answer, "again")
    hosts.no_error(t, nvim)
  end)

  case("a sign-in that is no key is not given out as one", function(t)
    local sandbox, nvim = hosts.editor(t, "flemma")
    hosts.log_in(t, nvim, "anthropic")
    nvim:lua(SETUP)
    t:match(send(t, sandbox, nvim, "hello", "claude", "anthropic").shown[1], ":ConvLogin anthropic.*key")
    t:eq(hosts.requests(sandbox, "anthropic"), 0)
  end)

  case("other services are left to others", function(t)
    local sandbox, nvim = hosts.editor(t, "flemma")
    nvim:lua(SETUP)
    nvim:lua([[
      require("flemma.secrets").register("mine", {
        name = "mine", priority = 1, supports = function() return true end,
        resolve_async = function(_, _, _, callback) callback({ value = "x" }) end,
      })
    ]])
    t:eq(send(t, sandbox, nvim, "hello", "vertex").answer.status, 401)
  end)

  case("no backend: the reason", function(t)
    local sandbox = t:sandbox()
    local nvim = hosts.without_backend(t, "flemma")
    nvim:lua(SETUP)
    t:match(send(t, sandbox, nvim, "hello").shown[1], "`binary` names no program")
  end)
end

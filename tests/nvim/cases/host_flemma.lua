-- flemma.nvim: resolvers asked asynchronously, their answers kept for a time, their reasons shown.

local hosts = require("hosts")

local SETUP = [[
  local server = ...
  require("conv.integrations.flemma").register({
    coding = { login = "kimi", url = server },
    claude = { login = "anthropic", url = server },
    moonshot = "kimi",
  })
]]

local function send(t, sandbox, nvim, text, service, login)
  local url = sandbox.url .. hosts.URL[login or "kimi"]
  nvim:lua('require("flemma.secrets").send(...)', service or "coding", url, text)
  return t:wait("an end", function()
    local seen =
      nvim:lua('local s = require("flemma.secrets"); return { answer = s.answer, shown = s.shown }')
    return (seen.answer or seen.shown) and seen
  end)
end

return function(case)
  case("each request has the token of its moment: an answer is good for one", function(t)
    local sandbox, nvim = hosts.editor(t, "flemma")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, sandbox.url)
    hosts.answered(t, send(t, sandbox, nvim, "one").answer, "one")
    local kept = nvim:lua('return require("flemma.secrets").cache["api_key:coding"].result.ttl')
    t:eq(kept, 1, "seconds")
    hosts.rotate(t, sandbox, nvim, "kimi")
    nvim:lua('require("flemma.secrets").clock = function() return os.time() + 2 end')
    hosts.answered(t, send(t, sandbox, nvim, "two").answer, "two")
  end)

  case("after a logout nothing is sent, whatever flemma kept", function(t)
    local sandbox, nvim = hosts.editor(t, "flemma")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, sandbox.url)
    hosts.answered(t, send(t, sandbox, nvim, "one").answer, "one")
    local before = hosts.requests(sandbox, "kimi")
    hosts.log_out(nvim, "kimi")
    nvim:lua('require("flemma.secrets").clock = function() return os.time() + 2 end')
    t:match(send(t, sandbox, nvim, "two").shown[1], ":ConvLogin kimi")
    t:eq(hosts.requests(sandbox, "kimi"), before)
  end)

  case("a credential goes to its own server alone: flemma's services have servers of their own", function(t)
    local sandbox, nvim = hosts.editor(t, "flemma")
    hosts.log_in(t, nvim, "kimi")
    nvim:lua(SETUP, sandbox.url)
    t:match(
      send(t, sandbox, nvim, "hello", "moonshot").shown[1],
      "is for " .. vim.pesc(sandbox.url) .. ", not for https://api.moonshot.ai"
    )
    local unknown = nvim:lua([[
      local told = {}
      local context = { diagnostic = function(_, text) table.insert(told, text) end }
      local resolver = require("conv.integrations.flemma").resolver({ unheard_of = "kimi" })
      local result = resolver:resolve({ kind = "api_key", service = "unheard_of" }, context)
      return { result = result, told = told }
    ]])
    t:eq(unknown.result, nil)
    t:match(unknown.told[1], "not for http://127.0.0.1:9")
    t:wait("the message", function()
      return nvim:said("Give `url` beside it")
    end)
  end)

  case("logged out: the reason names the command to type, and a login mends it", function(t)
    local sandbox, nvim = hosts.editor(t, "flemma")
    nvim:lua(SETUP, sandbox.url)
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
    nvim:lua(SETUP, sandbox.url)
    t:match(send(t, sandbox, nvim, "hello", "claude", "anthropic").shown[1], ":ConvLogin anthropic.*key")
    t:eq(hosts.requests(sandbox, "anthropic"), 0)
  end)

  case("other services are left to others", function(t)
    local sandbox, nvim = hosts.editor(t, "flemma")
    nvim:lua(SETUP, sandbox.url)
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
    nvim:lua(SETUP, sandbox.url)
    t:match(send(t, sandbox, nvim, "hello").shown[1], "`binary` names no program")
  end)
end

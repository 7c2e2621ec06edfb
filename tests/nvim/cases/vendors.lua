-- The other ways in, from the command to a request at the API: device codes, ChatGPT, several accounts, keys,
-- and a provider described in five lines.

local flows = require("flows")
local http = require("http")
local person = require("person")

local function headers(nvim, login)
  return nvim:lua("return require('conv').headers(...)", login)
end

local function asks(sandbox, nvim, login, path)
  local body = { model = "m", max_tokens = 9, messages = { { role = "user", content = "hello" } } }
  return http.post_json(path:find("^http") and path or sandbox.url .. path, body, headers(nvim, login)).status
end

---Begins a device login, plays the person at the other device, and waits for the end.
local function by_device(t, nvim, command)
  nvim:cmd(command)
  local code = t:wait("the code", function()
    return nvim:window_text():match("[%u%d]+%-[%u%d]+")
  end)
  local url = t:ok(nvim:window_text():match("(http://127%S+)"), nvim:window_text())
  t:eq(person.approve_device(url, code).status, 200)
  return t:wait("the end of the login", function()
    return nvim:events("ConvAuthComplete")[1]
  end, 20000)
end

return function(case)
  case("github-copilot: a device code, and the second step's token", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real()
    t:eq(by_device(t, nvim, "ConvLogin! github-copilot device"), { login = "github-copilot", ok = true })
    local credential = nvim:lua("return require('conv').credential('github-copilot')")
    t:match(credential.base_url, "^http://127")
    t:ok(
      credential.headers["copilot-integration-id"] or credential.headers["Copilot-Integration-Id"],
      "headers"
    )
    t:eq(asks(sandbox, nvim, "github-copilot", credential.base_url .. "/chat/completions"), 200)
    nvim:cmd("ConvLogout github-copilot")
    t:wait("where to revoke", function()
      return nvim:said("settings")
    end)
  end)

  case("openai: a ChatGPT plan by callback, with the account in the headers", function(t)
    local sandbox = t:sandbox()
    sandbox:control("switches", { openai = { ports = {} } })
    local redirect = { chatgpt = { redirect = { ports = "any" } } }
    local nvim = t:real({ options = { providers = { openai = { login = redirect } } } })
    person.visit(person.approve(flows.begin(t, nvim, "ConvLogin openai chatgpt")))
    t:eq(flows.complete(t, nvim), { login = "openai", ok = true })
    local found = vim.iter(headers(nvim, "openai")):any(function(name)
      return name:lower() == "chatgpt-account-id"
    end)
    t:ok(found, "the account's header")
  end)

  case("two accounts of one provider, side by side", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "anthropic")
    person.visit(person.approve_as(flows.begin(t, nvim, "ConvLogin anthropic@work subscription"), "grace"))
    t:eq(flows.complete(t, nvim, 2), { login = "anthropic@work", ok = true })
    local one, other = flows.token(nvim, "anthropic"), flows.token(nvim, "anthropic@work")
    t:ok(one and other and one ~= other, "two tokens")
    t:eq(asks(sandbox, nvim, "anthropic@work", "/anthropic/v1/messages"), 200)
    nvim:cmd("ConvLogout anthropic@work")
    t:wait("the logout", function()
      return select(2, flows.token(nvim, "anthropic@work")) == "not_logged_in"
    end)
    t:eq(flows.token(nvim, "anthropic"), one)
  end)

  case("a second person of one provider gets a name of their own", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "anthropic")
    person.visit(person.approve_as(flows.begin(t, nvim, flows.BY_CALLBACK.anthropic), "grace"))
    local done = flows.complete(t, nvim, 2)
    t:ok(done.ok and done.login:find("^anthropic@"), vim.inspect(done))
    t:ok(flows.token(nvim, "anthropic") ~= flows.token(nvim, done.login), "the first login is as it was")
  end)

  case("a server of one's own, described by its issuer", function(t)
    local sandbox = t:sandbox()
    local mycorp = { name = "My Corp", issuer = sandbox.url .. "/generic" }
    local nvim = t:real({ options = { providers = { mycorp = mycorp } } })
    person.visit(person.approve(flows.begin(t, nvim, "ConvLogin mycorp browser")))
    t:eq(flows.complete(t, nvim), { login = "mycorp", ok = true })
    t:ok(flows.token(nvim, "mycorp"), "a token")
    nvim:cmd("ConvLogout mycorp")
    t:wait("revoked at the server", function()
      return sandbox:count("generic.revoke") > 0
    end)
  end)
end

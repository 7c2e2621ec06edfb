-- The project's own OAuth server as a provider of the plugin: by its issuer alone, in front of the pretend
-- OpenRouter.

local flows = require("flows")
local http = require("http")
local person = require("person")

---Starts the server and returns its issuer.
local function authority(t, sandbox)
  local said = ""
  local job = vim.fn.jobstart(
    { t.program(), "authority", "--listen", "127.0.0.1:0", "--upstream", sandbox.url .. "/openrouter" },
    {
      clear_env = true,
      env = t:env(),
      on_stderr = function(_, data)
        said = said .. table.concat(data, "\n")
      end,
    }
  )
  t:defer(function()
    vim.fn.jobstop(job)
  end)
  return t:wait("the server", function()
    return said:match("The authority (http://%S+) listens")
  end)
end

---The cookies that an answer sets, for the next request.
local function cookies(answer)
  local kept = {}
  for line in (answer.headers["set-cookie"] or ""):gmatch("[^\n]+") do
    local pair = line:match("^[^;]*")
    if not pair:find("=$") then
      table.insert(kept, pair)
    end
  end
  return table.concat(kept, "; ")
end

---The person allows the plugin on the server's page, approves on OpenRouter's, and is sent back to the
---plugin.
local function sign_in(issuer, url)
  local page = http.get(url)
  local fields = { request = page.body:match('name="request" value="([^"]*)"'), decision = "allow" }
  local headers = {
    ["Content-Type"] = "application/x-www-form-urlencoded",
    Cookie = cookies(page),
    Origin = issuer,
    ["Sec-Fetch-Site"] = "same-origin",
  }
  local away = http.request("POST", issuer .. "/authorize", { body = http.form(fields), headers = headers })
  local back =
    http.request("GET", person.approve(away.headers.location), { headers = { Cookie = cookies(away) } })
  return back.headers.location
end

return function(case)
  case("a login by discovery, registration, PKCE and loopback", function(t)
    local sandbox = t:sandbox()
    local issuer = authority(t, sandbox)
    local nvim = t:real({ options = { providers = { router = { name = "Router", issuer = issuer } } } })
    person.visit(sign_in(issuer, flows.begin(t, nvim, "ConvLogin router browser")))
    t:eq(flows.complete(t, nvim), { login = "router", ok = true })
    local headers = nvim:lua('return require("conv").headers("router")')
    t:eq(http.request("GET", issuer .. "/me", { headers = headers }).status, 200)
    nvim:cmd("ConvLogout router")
    t:wait("the logout", function()
      return select(2, flows.token(nvim, "router")) == "not_logged_in"
    end)
  end)
end

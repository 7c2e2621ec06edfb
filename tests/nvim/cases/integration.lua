-- What the integrations share, without a host: which address is a login's own, and what is put over a host's
-- headers.

local function check(nvim, mine, url)
  return nvim:lua(
    [[
    local mine, url = ...
    local credential = { login = "kimi", base_url = mine, headers = {}, kind = "oauth", token = "x" }
    return require("conv.integration").check_origin(credential, url, "endpoint")
  ]],
    mine,
    url
  )
end

local OWN = {
  "https://api.kimi.com/coding/v1",
  "https://api.kimi.com",
  "https://api.kimi.com/",
  "https://API.Kimi.COM/other",
  "HTTPS://api.kimi.com/",
  "https://api.kimi.com:443/v1",
  "https://api.kimi.com?key=1",
}

local ANOTHERS = {
  "http://api.kimi.com/coding/v1",
  "https://api.kimi.com:8443/",
  "https://api.kimi.com.other.example/",
  "https://other.example/https://api.kimi.com",
  "https://api.kimi.com@other.example/",
  "https://api.kimi.com:443@other.example/",
  "https://other.example#https://api.kimi.com",
  "https://other.example\\@api.kimi.com/",
  "https://api.kimi.com\\@other.example/", -- for curl all before the @ is a name and a password
  "https://api.kimi.com\t.other.example/",
  "https://kimi.com/",
  "ftp://api.kimi.com/",
  "//api.kimi.com/",
  "api.kimi.com",
  "",
}

return function(case)
  case("a login's own server, however its address is spelled", function(t)
    local nvim = t:editor()
    for _, url in ipairs(OWN) do
      t:eq(check(nvim, "https://api.kimi.com/coding/v1", url), vim.NIL, url)
    end
    t:eq(check(nvim, "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v2"), vim.NIL)
  end)

  case("another server, however alike its address looks", function(t)
    local nvim = t:editor()
    for _, url in ipairs(ANOTHERS) do
      local err = check(nvim, "https://api.kimi.com/coding/v1", url)
      t:ok(err ~= vim.NIL and err.code == "config_invalid", "taken for its own: " .. url)
    end
  end)

  case("a message about an address shows no more of it than the server", function(t)
    local nvim = t:editor()
    local err = check(nvim, "https://api.kimi.com", "https://other.example/v1?key=sk-secret-in-a-query")
    t:ok(not vim.inspect(err):find("secret"), vim.inspect(err))
    t:match(err.message, "is for https://api.kimi.com, not for https://other.example%.$")
  end)

  case("what carries a credential gives way to the login's, whatever its case; lists are joined", function(t)
    local nvim = t:editor()
    local made = nvim:lua([[
      local credential = { headers = { authorization = "Bearer new", ["anthropic-beta"] = "oauth" } }
      local host = { ["X-Api-Key"] = "old", AUTHORIZATION = "old", ["Anthropic-Beta"] = "one, two", Accept = "all" }
      return require("conv.integration_headers").apply(host, credential)
    ]])
    t:eq(made, { AUTHORIZATION = "Bearer new", ["Anthropic-Beta"] = "one,two,oauth", Accept = "all" })
  end)
end

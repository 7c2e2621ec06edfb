-- The demo without a terminal: the same story in headless editors, each step printed as it happens.

local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p")))
package.path = vim.fs.dirname(here) .. "/nvim/lib/?.lua;" .. package.path

local flows = require("flows")
local harness = require("harness")
local http = require("http")

local passed, failed = 0, 0

---@param text string
---@param act fun(): any
local function step(text, act)
  local ok, result = xpcall(act, debug.traceback)
  passed, failed = passed + (ok and 1 or 0), failed + (ok and 0 or 1)
  io.stdout:write(ok and "  ✓ " or "  ✗ ", text, ok and "" or ("\n" .. tostring(result)), "\n")
  io.stdout:flush()
  if not ok then
    error("The story ends here.", 0)
  end
  return result
end

---What a companion plugin does: headers by one line of Lua, then its own request.
local function ask(t, sandbox, nvim, login, path)
  local headers = nvim:lua("return require('conv').headers(...)", login)
  local body = { model = "demo", max_tokens = 16, messages = { { role = "user", content = "Hello" } } }
  t:eq(http.post_json(sandbox.url .. path, body, headers).status, 200, "the API's answer")
end

local function story(t)
  local sandbox = t:sandbox()
  local one, other
  step("an editor opens; nobody is logged in", function()
    one = t:real()
    t:eq(select(2, flows.token(one, "anthropic")), "not_logged_in")
  end)
  step("a login to OpenRouter, approved in the browser", function()
    flows.log_in(t, one, "openrouter")
  end)
  step("a login to Anthropic, approved in the browser after the notice", function()
    flows.log_in(t, one, "anthropic")
  end)
  step("the statusline shows both", function()
    t:wait("the statusline", function()
      local text = one:lua("return vim.g.conv_status or ''")
      return text:find("2") or (text:find("anthropic") and text:find("openrouter"))
    end)
  end)
  local first = step("one line of Lua gives the token", function()
    return t:ok(flows.token(one, "anthropic"))
  end)
  step("a companion's request to each API is answered", function()
    ask(t, sandbox, one, "anthropic", "/anthropic/v1/messages")
    ask(t, sandbox, one, "openrouter", "/openrouter/api/v1/chat/completions")
  end)
  step("a second editor sees the logins, and shares the token", function()
    other = t:real()
    t:eq(flows.token(other, "anthropic"), first)
  end)
  local second = step("the API refuses the token: one refresh, and a new one", function()
    one:lua("require('conv').invalidate('anthropic', ..., function() _G.refreshed = true end)", first)
    t:wait("the refresh", function()
      return one:lua("return _G.refreshed") == true
    end)
    local token = flows.token(one, "anthropic")
    t:ok(token and token ~= first, "another token")
    t:eq(sandbox:refreshes("anthropic.token"), 1, "refreshes")
    return token
  end)
  step("the second editor has it too, without a refresh of its own", function()
    t:wait("the new token", function()
      return flows.token(other, "anthropic") == second
    end)
    t:eq(sandbox:refreshes("anthropic.token"), 1, "refreshes")
  end)
  step("a logout in one editor is a logout in both", function()
    one:cmd("ConvLogout anthropic")
    t:wait("the logout", function()
      return select(2, flows.token(one, "anthropic")) == "not_logged_in"
        and select(2, flows.token(other, "anthropic")) == "not_logged_in"
    end)
  end)
end

io.stdout:write("The story of `make demo`, in headless editors with pretend providers:\n")
local outcome, why = harness.run({ name = "story", run = story })
harness.close()
if outcome ~= "passed" and failed == 0 then
  failed = 1
  io.stdout:write(tostring(why), "\n")
end
io.stdout:write(("%d passed, %d failed\n"):format(passed, failed))
io.stdout:flush()
os.exit(failed == 0 and 0 or 1)

-- Tools that take a command for their key, each as it runs it: by a shell, as a list, with blanks cut off or
-- not.

local hosts = require("hosts")
local http = require("http")

---Runs a command in the case's environment, as a tool that Neovim starts.
local function run(t, command)
  return vim.system(command, { text = true, env = t:env(), clear_env = true, timeout = 10000 }):wait()
end

---How each tool asks: what it runs, and the key that it makes of the answer; nil if it takes it for a
---failure.
local TOOLS = {
  ["Claude Code (apiKeyHelper)"] = function(t, program, login)
    local done = run(t, { "sh", "-c", program .. " token " .. login })
    return done.code == 0 and vim.trim(done.stdout) or nil, done
  end,
  ["Codex (auth.command)"] = function(t, program, login)
    local done = run(t, { program, "token", login })
    return done.code == 0 and vim.trim(done.stdout) or nil, done
  end,
  ["pi and crush (the last line break cut off)"] = function(t, program, login)
    local done = run(t, { "sh", "-c", ('printf %%s "$(%s token %s)"'):format(program, login) })
    return done.stdout ~= "" and done.stdout or nil, done
  end,
  ["aider, sidekick (exec)"] = function(t, program, login)
    local done = run(t, { program, "exec", login, "--", "sh", "-c", 'printf %s "$KIMI_API_KEY"' })
    return done.code == 0 and done.stdout or nil, done
  end,
}

local function asks(sandbox, key)
  local body = { model = "m", messages = { { role = "user", content = "hello" } } }
  local headers = { Authorization = "Bearer " .. key }
  return http.post_json(sandbox.url .. hosts.URL.kimi, body, headers)
end

return function(case)
  for tool, ask in vim.spairs(TOOLS) do
    case(tool .. ": a key that works, fresh at each call, and what to type without a login", function(t)
      local sandbox, nvim = hosts.editor(t, "codecompanion")
      local key, done = ask(t, t.program(), "kimi")
      t:eq(key, nil)
      t:match(done.stderr, "login kimi")
      t:eq(done.stdout, "")
      hosts.log_in(t, nvim, "kimi")
      hosts.answered(t, asks(sandbox, t:ok(ask(t, t.program(), "kimi"))), "hello")
      local new = hosts.rotate(t, sandbox, nvim, "kimi")
      t:eq(ask(t, t.program(), "kimi"), new)
      hosts.answered(t, asks(sandbox, new), "hello")
    end)
  end
end

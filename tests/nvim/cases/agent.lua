-- What an editor lends: a socket that its backend serves, and the person's word on each use, in the editor.

local flows = require("flows")

---Lends, and returns what came of it.
---@param t conv.Case
---@param nvim conv.Editor
---@param opts table
---@return { id: string, address: string }
local function lend(t, nvim, opts)
  nvim:lua(
    [[require("conv").agent(..., function(err, result) _G.lent = result or vim.empty_dict(); _G.err = err end)]],
    opts
  )
  t:wait("the grant", function()
    return nvim:lua("return _G.lent") ~= vim.NIL
  end)
  t:eq(nvim:lua("return _G.err"), vim.NIL)
  return nvim:lua("return _G.lent")
end

---Asks at a socket without waiting; `answer()` is what came.
---@param path string
---@param address string
---@return fun(): { code: integer, stdout: string }?, vim.SystemObj
local function ask(path, address)
  local socket = assert(address:match("^unix:(.+)$"))
  local done ---@type { code: integer, stdout: string }?
  local argv = { "curl", "-s", "--max-time", "20", "--unix-socket", socket, "-w", "\n%{http_code}" }
  local process = vim.system(vim.list_extend(argv, { "http://agent" .. path }), {}, function(result)
    done = result
  end)
  return function()
    return done
  end, process
end

---@param t conv.Case
---@param asked fun(): { code: integer, stdout: string }?
---@return string body and status
local function answer(t, asked)
  t:wait("the answer", function()
    return asked() ~= nil
  end)
  return asked().stdout
end

---`convocations grants`, in a terminal.
---@param t conv.Case
---@param args string[]
---@return string
local function grants(t, args)
  local argv = vim.list_extend({ t.program(), "grants" }, args)
  local ran = vim.system(argv, { text = true, env = t:env(), clear_env = true, timeout = 10000 }):wait()
  t:eq(ran.code, 0, ran.stderr)
  return ran.stdout
end

---@param lent { address: string }
---@return string
local function folder(lent)
  return vim.fs.dirname(assert(lent.address:match("^unix:(.+)$")))
end

return function(case)
  case("a socket that lends a login, what it was used for, and its end with the editor", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    local lent = lend(t, nvim, { logins = { "openrouter" }, label = "a container" })
    local path = lent.address:match("^unix:(.+)$")
    t:eq(vim.uv.fs_stat(path).mode % 512, 384, "0600")
    -- What is mounted elsewhere is this folder: Neovim's own socket must not be in it.
    t:eq(vim.fn.readdir(folder(lent)), { "agent.sock" })
    t:match(answer(t, ask("/openrouter/v1/models", lent.address)), "sandbox/parrot.*200$")
    for _, secret in ipairs(sandbox:tokens()) do
      local text = answer(t, ask("/v1/status", lent.address))
      t:ok(not text:find(secret, 1, true), text)
    end
    nvim:cmd("ConvStatus")
    t:wait("the grant in the window", function()
      local text = nvim:window_text()
      return text:find("Lent to a container: openrouter") and text:find("used once")
    end)
    nvim:lua_later("vim.cmd.qall({ bang = true })")
    t:wait("its end", function()
      return not vim.uv.fs_stat(folder(lent))
    end)
    t:wait("nothing is left to list it by", function()
      return vim.fn.glob(t.dir .. "/**/*.grants") == ""
    end)
  end)

  case("a backend that dies is followed by one that serves the same grants, none revoked", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    local lent = lend(t, nvim, { label = "a box", duration = 3600.5 })
    nvim:lua("_G.lent = nil")
    local other = lend(t, nvim, { label = "a shed" })
    local function served(id)
      return vim.iter(vim.json.decode(grants(t, { "--json" })).grants):find(function(grant)
        return grant.id == id
      end)
    end
    local before = assert(served(lent.id))
    -- As `convocations grants revoke` in a terminal.
    grants(t, { "revoke", other.id })
    t:wait("its end in the editor, which removes its folder", function()
      return not vim.uv.fs_stat(folder(other))
    end)
    for _ = 1, 2 do
      vim.uv.kill(flows.backend_pid(t, nvim), "sigkill")
      t:wait("the next one", function()
        local now = served(lent.id)
        return now and now.pid ~= before.pid
      end)
      local now = assert(served(lent.id))
      t:eq(
        { now.at, now.label, now.logins, now.ends, now.uses },
        { before.at, before.label, before.logins, before.ends, 0 }
      )
      before = now
      t:match(answer(t, ask("/openrouter/v1/models", lent.address)), "sandbox/parrot.*200$")
      t:eq(served(other.id), nil)
    end
    nvim:lua('require("conv").revoke(..., function(err) _G.revoked = err or true end)', lent.id)
    t:wait("its end", function()
      return nvim:lua("return _G.revoked") == true
    end)
    t:wait("the end of its folder", function()
      return not vim.uv.fs_stat(folder(lent))
    end)
  end)

  case("grants that no backend serves any more are said to have ended", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    local lent = lend(t, nvim, { label = "a box" })
    for _ = 1, 3 do
      vim.uv.kill(flows.backend_pid(t, nvim), "sigkill")
      t:wait("its end", function()
        return nvim:lua([[return require("conv.backend").state()]]) ~= "ready"
      end)
      t:wait("the next one, if there is one", function()
        local state = nvim:lua([[return require("conv.backend").state()]])
        return state == "ready" or state == "down"
      end)
    end
    t:wait("the word of it", function()
      return nvim:said("What was lent to a box has ended")
    end)
    t:ok(lent.id)
  end)

  case("it is revoked by its name, and a mistake is an answer", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    local lent = lend(t, nvim, {})
    nvim:lua('require("conv").revoke(..., function(err) _G.revoked = err or true end)', lent.id)
    t:wait("its end", function()
      return nvim:lua("return _G.revoked") == true
    end)
    nvim:lua("_G.lent = nil")
    local other = lend(t, nvim, { label = "a box" })
    nvim:cmd("ConvStatus")
    t:wait("the grant in the window", function()
      return nvim:window_text():find("Lent to a box")
    end)
    nvim:type("/Lent to a box\rx")
    t:wait("the question", function()
      return nvim:window_text():find("Press x again to end it")
    end)
    nvim:type("x")
    t:wait("its end in the window", function()
      return not nvim:window_text():find("Lent to a box")
    end)
    t:eq(vim.uv.fs_stat(other.address:match("^unix:(.+)$")), nil)
    t:wait("no socket", function()
      return not vim.uv.fs_stat(lent.address:match("^unix:(.+)$"))
    end)
    for _, wrong in ipairs({ { logins = "openrouter" }, { socket = 1 }, { duration = -1 }, { other = true } }) do
      nvim:lua("_G.err = nil")
      nvim:lua('require("conv").agent(..., function(err) _G.err = err end)', wrong)
      t:wait("the mistake", function()
        return nvim:lua("return _G.err") ~= vim.NIL
      end)
      t:eq(nvim:lua("return _G.err.code"), "invalid_argument")
    end
  end)

  case(
    "each use is asked in the editor: a key typed blind is none, and what leaves is no longer asked",
    function(t)
      t:sandbox()
      local nvim = t:real()
      flows.log_in(t, nvim, "openrouter")
      local lent = lend(t, nvim, { logins = { "openrouter" }, confirm = true, label = "work@host" })
      local first = ask("/openrouter/v1/models", lent.address)
      t:wait("the question", function()
        local text = nvim:window_text()
        return text and text:find("wants to send a request with your login")
      end)
      -- At once, as somebody who types something else.
      nvim:type("gnonsense")
      t:wait("the keys", function()
        return nvim:window_text():find("once")
      end)
      t:eq(first(), nil, "nothing was answered by that")
      nvim:type("o")
      t:match(answer(t, first), "sandbox/parrot.*200$")

      local second = ask("/openrouter/v1/models", lent.address)
      t:wait("the next question", function()
        local text = nvim:window_text()
        return text and text:find("once")
      end)
      nvim:type("n")
      t:match(answer(t, second), "The person at home refused it.*403$")

      local _, leaving = ask("/openrouter/v1/models", lent.address)
      t:wait("a question of one that leaves", function()
        return nvim:window() ~= nil
      end)
      leaving:kill("sigkill")
      t:wait("its end", function()
        return nvim:window() == nil
      end)

      -- Not under the fingers of somebody who types.
      nvim:type("i")
      local third = ask("/openrouter/v1/models", lent.address)
      t:wait("the word of it", function()
        return nvim:said("A grant asks")
      end)
      t:eq(nvim:window(), nil)
      nvim:type("gg")
      t:eq(nvim:lua("return vim.api.nvim_get_current_line()"), "gg")
      nvim:type("<Esc>")
      t:wait("the window then", function()
        local text = nvim:window_text()
        return text and text:find("for this grant")
      end)
      nvim:type("g")
      t:match(answer(t, third), "200$")
      t:match(answer(t, ask("/openrouter/v1/models", lent.address)), "200$")
    end
  )
end

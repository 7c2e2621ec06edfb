-- The gateway of an editor: a port without a process, taken over by the backend at the first connection and
-- by its successor after a crash.

local flows = require("flows")
local http = require("http")

---The gateway of a login, as a plugin gets it.
---@param nvim conv.Editor
---@param login string
---@return { url: string, key: string }
local function gateway(nvim, login)
  return nvim:lua('return require("conv").gateway(...)', login)
end

---A request through it with its key.
---@param door { url: string, key: string }
---@param path string
---@return conv.Response
local function ask(door, path)
  return http.request("GET", door.url .. path, { headers = { Authorization = "Bearer " .. door.key } })
end

return function(case)
  case("a port and a key without a process", function(t)
    t:sandbox()
    local nvim = t:real()
    local door = gateway(nvim, "openrouter")
    t:ok(door.url:find("^http://127%.0%.0%.1:%d+/openrouter$"), door.url)
    t:ok(door.key:find("^conv%-[%w_-]+$") and #door.key == 48, door.key)
    t:eq(gateway(nvim, "openrouter"), door)
    t:eq(gateway(nvim, "anthropic").key, door.key)
    t:eq(nvim:lua('return require("conv.backend").state()'), "stopped")
  end)

  case("the first connection starts the backend, which answers it", function(t)
    t:sandbox()
    local one, two = t:real(), t:real()
    flows.log_in(t, one, "openrouter")
    local door = gateway(two, "openrouter")
    local answer = ask(door, "/v1/models")
    t:eq(answer.status, 200)
    t:ok(answer.body:find("sandbox/parrot"), answer.body)
    t:eq(two:lua('return require("conv.backend").state()'), "ready")
    t:eq(ask({ url = door.url, key = "conv-wrong" }, "/v1/models").status, 401)
  end)

  case("a login that is asked for later is served too", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    local first = gateway(nvim, "openrouter")
    t:eq(ask(first, "/v1/models").status, 200)
    local second = gateway(nvim, "groq")
    t:wait("the second login", function()
      return ask(second, "/models").status == 401
    end)
  end)

  case("a backend that is killed is followed by one at the same address with the same key", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    local door = gateway(nvim, "openrouter")
    t:eq(ask(door, "/v1/models").status, 200)
    local before = flows.backend_pid(t, nvim)
    vim.uv.kill(before, "sigkill")
    t:eq(ask(door, "/v1/models").status, 200)
    t:wait("another backend", function()
      return flows.backend_pid(t, nvim) ~= before
    end)
    t:eq(ask(door, "/v1/models").status, 200)
  end)

  case("the address is closed when the editor ends", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    local door = gateway(nvim, "openrouter")
    t:eq(ask(door, "/v1/models").status, 200)
    nvim:lua_later("vim.cmd.qall({ bang = true })")
    t:wait("nobody listens", function()
      return not pcall(ask, door, "/v1/models")
    end)
  end)

  case("a backend that cannot be started is said to who waits, and the next one may succeed", function(t)
    t:sandbox()
    local nvim = t:editor({ options = { binary = "/nonexistent/convocations" } })
    local door = gateway(nvim, "openrouter")
    local answer = ask(door, "/v1/models")
    t:eq(answer.status, 503)
    t:eq(vim.json.decode(answer.body).error.code, "backend_missing")
    nvim:lua('require("conv").setup({ binary = ... })', t.program())
    t:wait("another answer", function()
      return ask(door, "/v1/models").status == 401
    end)
  end)

  case("without LuaJIT's ffi the bytes are carried by Neovim", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    nvim:lua('require("conv.gateway.handover").is_possible = function() return false end')
    local door = gateway(nvim, "openrouter")
    t:eq(ask(door, "/v1/models").status, 200)
    vim.uv.kill(flows.backend_pid(t, nvim), "sigkill")
    t:wait("the next one", function()
      local ok, answer = pcall(ask, door, "/v1/models")
      return ok and answer.status == 200
    end)
  end)

  case("the health report tries it, and the status window shows it without its key", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    local function page(command, with)
      nvim:cmd(command)
      return t:wait(command, function()
        local text = nvim:lua("return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')")
        return text:find(with) and text
      end)
    end
    local report = page("checkhealth conv", "conv: gateway")
    local door = gateway(nvim, "openrouter")
    t:match(
      report,
      "OK It answers at " .. vim.pesc(door.url:match("^http://[^/]+")) .. ", and to its own key only"
    )
    nvim:cmd("bwipeout!")
    t:eq(ask(door, "/v1/models").status, 200)
    local shown = page("ConvStatus", "Requests:")
    t:match(shown, "open at http://127.0.0.1:%d+%s+for openrouter")
    t:match(shown, "Requests:%s+1,%s+open:%s+0,%s+refused:%s+2%.")
    t:ok(not shown:find(door.key, 1, true) and not report:find(door.key, 1, true), "the key is shown")
  end)

  case("where it does not answer as it must, the health report says so", function(t)
    t:sandbox()
    local nvim = t:real()
    local port = nvim:lua([[
      local server = vim.uv.new_tcp()
      server:bind("127.0.0.1", 0)
      server:listen(8, function()
        local client = vim.uv.new_tcp()
        server:accept(client)
        client:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", function() client:close() end)
      end)
      require("conv.gateway").base = function()
        return { url = "http://127.0.0.1:" .. server:getsockname().port, key = "conv-x" }
      end
      return server:getsockname().port
    ]])
    t:ok(port > 0)
    nvim:cmd("checkhealth conv")
    local text = nvim:lua("return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')")
    t:match(text, "ERROR It answers 200 to a wrong key and 200 to its own")
  end)

  case("switched off, and a wrong name, are answers", function(t)
    t:sandbox()
    local nvim = t:real({ options = { gateway = false } })
    local function code(...)
      return nvim:lua(
        'local door, err = require("conv").gateway(...) return { door or "none", err and err.code }',
        ...
      )
    end
    t:eq(code("openrouter"), { "none", "config_invalid" })
    t:eq(code("No Name"), { "none", "invalid_argument" })
  end)
end

-- What is used: asked when a person looks, told with its age, and in the statusline where they want it.

local SCRIPT = [[
  local asked = 0
  return {
    status = function(_, reply)
      reply(nil, {
        logins = { backend.status({ login = "groq", provider = "groq", source = "login", state = "valid" }) },
        store = { backend = "local-encrypted", reason = "No keyring answers." },
      })
    end,
    providers = function(_, reply) reply(nil, { providers = {} }) end,
    get = function(params, reply) reply(nil, backend.credential({ login = params.login })) end,
    usage = function(params, reply)
      asked = asked + 1
      if params.login == "broken" then
        return reply({ code = "not_logged_in", message = "There is no token." })
      end
      reply(nil, {
        login = params.login, source = "headers", at = os.time() - 130, windows = {},
        lines = { "7 d              [##################..]  90 %" }, short = "7 d 9/10",
      })
    end,
  }
]]

---@return table
local function editor(t, options)
  local all = vim.tbl_extend("force", { binary = t:fake(SCRIPT), icons = false }, options or {})
  return t:editor({ options = all })
end

local ASK = [[
  local login = ...
  _G.told = nil
  require("conv").usage(login, function(err, usage) _G.told = { code = err and err.code, usage = usage } end)
]]

local function told(t, nvim, login)
  nvim:lua(ASK, login)
  return t:wait("the answer", function()
    local answer = nvim:lua("return _G.told")
    return answer ~= vim.NIL and answer
  end)
end

return function(case)
  case("a plugin asks and is answered", function(t)
    local nvim = editor(t)
    t:eq(told(t, nvim, "groq").usage.short, "7 d 9/10")
    t:eq(told(t, nvim, "broken").code, "not_logged_in")
    t:eq(told(t, nvim, "No Login").code, "invalid_argument")
    t:eq(nvim:lua("return vim.g.conv_status or ''"):find("9/10", 1, true), nil, "unless it is wanted there")
  end)

  case("the window shows it with its age", function(t)
    local nvim = editor(t)
    nvim:cmd("ConvStatus")
    local text = t:wait("the figures", function()
      local lines = table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
      return lines:find("##..]", 1, true) and lines
    end)
    t:eq(text:find("told by answers through the gateway 2 min ago", 1, true) ~= nil, true, text)
  end)

  case("the statusline ends with it where that is wanted", function(t)
    local nvim = editor(t, { statusline_usage = true })
    nvim:cmd("ConvStatus")
    t:wait("the statusline", function()
      return (nvim:lua("return vim.g.conv_status") or ""):find("groq 7 d 9/10", 1, true)
    end)
  end)
end

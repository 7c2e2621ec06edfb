-- llm.nvim of Hugging Face: a token in its config, which it sends with each completion.

local hosts = require("hosts")

local SETUP = [[
  local login, url = ...
  require("llm.config").setup({ url = url, model = "m" })
  require("llm.language_server")
  require("conv.integrations.hf_llm").attach(login)
]]

local function completion(nvim, text)
  return nvim:lua('return require("llm.language_server").get_completions(...)', text)
end

local function token(nvim)
  local seen = nvim:lua('return require("llm.config").config.api_token')
  return seen ~= vim.NIL and seen or nil
end

local function insert(nvim)
  nvim:type("<Esc>i")
end

return function(case)
  case("the token comes at the first insert, and changes with a refresh", function(t)
    local sandbox, nvim = hosts.editor(t, "hf_llm")
    hosts.log_in(t, nvim, "kimi")
    local again = t:real()
    hosts.install(t, again, "hf_llm")
    again:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi)
    t:eq(again:lua('return package.loaded["conv"] ~= nil'), false)
    insert(again)
    t:wait("the token", function()
      return token(again)
    end)
    hosts.answered(t, completion(again, "one"), "one")
    local new = hosts.rotate(t, sandbox, nvim, "kimi")
    t:wait("the new token", function()
      return token(again) == new
    end)
    hosts.answered(t, completion(again, "two"), "two")
  end)

  case("logged out: told once, a login mends it, and a logout takes the token away", function(t)
    local sandbox, nvim = hosts.editor(t, "hf_llm")
    nvim:lua(SETUP, "kimi", sandbox.url .. hosts.URL.kimi)
    insert(nvim)
    hosts.told(t, nvim, "kimi")
    insert(nvim)
    t:eq(completion(nvim, "hello").status, 401)
    t:eq(#hosts.hints(nvim, "kimi"), 1)
    nvim:type("<Esc>")
    hosts.log_in(t, nvim, "kimi")
    t:wait("the token", function()
      return token(nvim)
    end)
    hosts.answered(t, completion(nvim, "again"), "again")
    nvim:cmd("ConvLogout kimi")
    t:wait("no token", function()
      return token(nvim) == nil
    end)
    hosts.no_error(t, nvim)
  end)

  case("no backend: it says why", function(t)
    local nvim = hosts.without_backend(t, "hf_llm")
    nvim:lua(SETUP, "kimi", "http://127.0.0.1:9/")
    insert(nvim)
    t:wait("the message", function()
      return nvim:said("`binary` names no program")
    end)
    hosts.no_error(t, nvim)
  end)

  case("before the host's own setup it writes nowhere", function(t)
    local _, nvim = hosts.editor(t, "hf_llm")
    nvim:lua('require("conv.integrations.hf_llm").attach("kimi")')
    insert(nvim)
    nvim:lua('vim.api.nvim_exec_autocmds("User", { pattern = "ConvRefresh", data = { login = "kimi" } })')
    t:eq(nvim:lua('return package.loaded["llm.config"] ~= nil'), false)
    hosts.no_error(t, nvim)
  end)
end

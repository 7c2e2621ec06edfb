-- llm.nvim of Hugging Face: `:h conv-hf_llm`. It sends `api_token` of its config with each completion, and
-- knows no function: so the one place that sends is wrapped. Our token is in the config while a completion is
-- asked for, and no longer; one without a login is not asked for, unless the person gave the host a token of
-- their own.

local integration = require("conv.integration")

local M = {}

local HOST = "llm.nvim (Hugging Face)"

---Where a completion goes if no address is set, by backend. The host's own default there
---(api-inference.huggingface.co) takes the same tokens: both are Hugging Face's.
local DEFAULT = { huggingface = "https://router.huggingface.co" }

---@type table<function, true> what was put in the place of the host's function
local ours = setmetatable({}, { __mode = "k" })

---@type conv.HostInfo
M.host = {
  name = HOST,
  module = "llm.language_server",
  marker = "lua/llm/language_server.lua",
  use = ".attach(LOGIN)",
  fresh = "each completion",
  refused = "the same token until it ends",
  shown = "its language server",
  gateway = "asked",
  check = function(tell)
    if not ours[integration.module("llm.language_server").get_completions] then
      tell(HOST .. " is not attached", "Call `attach` after its setup, see `:h conv-hf_llm`.")
    end
  end,
}

---@param config table the host's
---@param gateway? boolean
---@return conv.Destination
local function destination(config, gateway)
  local fixed = vim.env.LLM_NVIM_URL -- the host prefers it to its config
  local url = fixed or config.url or DEFAULT[config.backend] or "none"
  local host = not fixed and config.url and M.host or nil
  return { url = url, option = "url", plain = HOST, host = host, gateway = gateway }
end

---Lends the host a token for one call, and the address where it is good.
---@param config table the host's
---@param credential conv.Admitted
---@param call fun(): any
---@return any
local function lending(config, credential, call)
  local tokenizer = type(config.tokenizer) == "table" and config.tokenizer or {}
  local own, own_tokenizer, url = config.api_token, tokenizer.api_token, config.url
  config.api_token = credential.token
  config.url = url and credential.address
  if tokenizer.repository and not integration.check_origin(credential, DEFAULT.huggingface, "url") then
    tokenizer.api_token = credential.token
  end
  local ok, result = pcall(call)
  config.api_token, tokenizer.api_token, config.url = own, own_tokenizer, url
  return ok and result or not ok and error(result, 0) or nil
end

---@param original fun(...: any): any
---@param login string
---@param gateway? boolean
---@return fun(...: any): any
local function get_completions(original, login, gateway)
  return function(...)
    local arguments = { n = select("#", ...), ... }
    local function call()
      return original(unpack(arguments, 1, arguments.n))
    end
    local config = integration.module("llm.config").get()
    local credential = integration.complete(login, destination(config, gateway))
    if credential then
      return lending(config, credential, call)
    end
    return config.api_token and call() or nil
  end
end

---After the host's own setup. Nothing starts before the first completion.
---@param login? string default: `huggingface`
---@param opts? { gateway?: boolean }
function M.attach(login, opts)
  local name = login or "huggingface"
  integration.wire("hf_llm", name)
  local server = integration.module("llm.language_server")
  if ours[server.get_completions] then
    return
  end
  local wrapped = get_completions(server.get_completions, name, (opts or {}).gateway)
  ours[wrapped] = true
  server.get_completions = wrapped
end

return M

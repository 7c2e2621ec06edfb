-- A stand-in for avante.nvim's providers: when it asks for a key, and whether it opens its own key prompt.

local config = require("avante.config")

local M = {}

local bases = {
  openai = { endpoint = "https://api.openai.com/v1", api_key_name = "OPENAI_API_KEY" },
  claude = { endpoint = "https://api.anthropic.com", api_key_name = "ANTHROPIC_API_KEY" },
}
local cache, made = {}, {}

local function is_command(name)
  return type(name) == "table" or name:match("^cmd:")
end

function M.extended(headers, extra)
  if type(extra) == "function" then
    return extra(headers) or headers
  end
  return vim.tbl_extend("force", headers, extra or {})
end

-- The value of a command or a variable is remembered for the session.
local function parse_environment(provider)
  local name = provider.api_key_name
  if cache[name] == nil then
    local command = name:match("^cmd:(.*)")
    cache[name] = command and vim.trim(vim.fn.system(command)) or os.getenv(name)
  end
  return cache[name]
end

function M.get(name)
  if made[name] then
    return made[name]
  end
  local given = config.providers[name]
  local base = given.__inherited_from or name
  local provider = vim.tbl_deep_extend("force", require("avante.providers." .. base), bases[base], given)
  if rawget(given, "parse_api_key") == nil then
    provider.parse_api_key = function()
      return parse_environment(provider)
    end
  end
  if rawget(given, "is_env_set") == nil then
    provider.is_env_set = function()
      return is_command(provider.api_key_name) and true or provider.parse_api_key() ~= nil
    end
  end
  made[name] = provider
  return provider
end

function M.setup()
  vim.g.avante_login = false
  local provider = M.get(config.provider)
  local name = provider.api_key_name
  if not is_command(name) then
    provider.parse_api_key()
    vim.api.nvim_create_autocmd("User", {
      pattern = "AvanteRequestLogin",
      callback = function()
        if not provider.is_env_set() then
          M.popup = "Enter " .. name
        end
      end,
    })
  end
end

return M

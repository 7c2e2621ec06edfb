-- A stand-in for gp.nvim's vault: a command is run once, without waiting, and its answer kept for the
-- session. The key of one provider has another name.

local M = {}

local secrets = {}
local alias = { openai = "openai_api_key" }

function M.add_secret(name, secret)
  secrets[alias[name] or name] = secret
end

function M.run_with_secret(name, done)
  name = alias[name] or name
  local secret = secrets[name]
  if type(secret) ~= "table" then
    return secret and done()
  end
  vim.system(
    secret,
    { text = true },
    vim.schedule_wrap(function(result)
      if result.code == 0 and result.stdout:find("%S") then
        secrets[name] = vim.trim(result.stdout)
        done()
      else
        vim.notify("vault resolver for " .. name .. " failed:\n" .. result.stderr, vim.log.levels.WARN)
      end
    end)
  )
end

function M.get_secret(name)
  name = alias[name] or name
  return type(secrets[name]) == "string" and secrets[name] or nil
end

return M

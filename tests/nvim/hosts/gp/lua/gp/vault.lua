-- A stand-in for gp.nvim's vault: a command is run once, without waiting, and its answer kept for the session.

local M = {}

local secrets = {}

function M.add(name, secret)
  secrets[name] = secret
end

function M.resolve(name, done)
  local secret = secrets[name]
  if type(secret) ~= "table" then
    return done()
  end
  vim.system(
    secret,
    { text = true },
    vim.schedule_wrap(function(result)
      if result.code == 0 and result.stdout:find("%S") then
        secrets[name] = vim.trim(result.stdout)
      else
        vim.notify("vault resolver for " .. name .. " failed:\n" .. result.stderr, vim.log.levels.WARN)
      end
      done()
    end)
  )
end

function M.get_secret(name)
  return type(secrets[name]) == "string" and secrets[name] or nil
end

return M

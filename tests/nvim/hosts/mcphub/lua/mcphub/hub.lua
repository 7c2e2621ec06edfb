-- A stand-in for mcphub.nvim and its hub: the variables of every server made when the hub starts, and the
-- commands in a server's own `env` and `headers` run when that server is connected. A command that fails is
-- the error of that connection.

local M = { config = {}, env = {} }

function M.start()
  local env = M.config.global_env
  if type(env) == "function" then
    env = env({ port = 37373 })
  end
  M.env = env or {}
end

local function resolve(text)
  local problem
  local value = text:gsub("%${cmd: (.-)}", function(command)
    local done = vim.system({ "sh", "-c", command }, { text = true }):wait()
    problem = done.code ~= 0 and done.stderr or problem
    return vim.trim(done.stdout)
  end)
  return not problem and value or nil, problem
end

---Starts a local server with an `env` of its own, and answers what it sees of a variable.
function M.in_server(env, name)
  local own = {}
  for variable, text in pairs(env) do
    local value, problem = resolve(text)
    if not value then
      return nil, problem
    end
    own[variable] = value
  end
  local script = ('printf %%s "$%s"'):format(name)
  return vim
    .system({ "sh", "-c", script }, { env = vim.tbl_extend("force", M.env, own), text = true })
    :wait().stdout
end

---Connects a remote server whose Authorization header is `header`.
function M.connect(url, header, text)
  local value, problem = resolve(header)
  if not value then
    return nil, problem
  end
  local headers = { ["Content-Type"] = "application/json", Authorization = value }
  local answer = require("curl").post(url, headers, require("curl").question(text))
  return { status = answer.status, body = answer.body }
end

return M

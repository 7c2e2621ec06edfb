-- A stand-in for mcphub.nvim and its hub: a table of variables made when the hub starts, and a command in a header run
-- when a server is connected. A command that fails is the error of that connection.

local M = { config = {}, env = {} }

function M.start()
  local env = M.config.global_env
  if type(env) == "function" then
    env = env({ port = 37373 })
  end
  M.env = env or {}
end

---What a local server sees of a variable.
function M.in_server(name)
  local script = ('printf %%s "$%s"'):format(name)
  return vim.system({ "sh", "-c", script }, { env = M.env, text = true }):wait().stdout
end

---Connects a remote server whose Authorization header is `header`.
function M.connect(url, header, text)
  local problem
  local value = header:gsub("%${cmd: (.-)}", function(command)
    local done = vim.system({ "sh", "-c", command }, { text = true }):wait()
    problem = done.code ~= 0 and done.stderr or problem
    return vim.trim(done.stdout)
  end)
  if problem then
    return nil, problem
  end
  local headers = { ["Content-Type"] = "application/json", Authorization = value }
  local body = { model = "m", messages = { { role = "user", content = text } } }
  local answer = require("http").request("POST", url, { headers = headers, body = vim.json.encode(body) })
  return { status = answer.status, body = answer.body }
end

return M

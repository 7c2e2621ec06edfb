-- A stand-in for codecompanion.nvim: one request, from the adapter in the config to the answer.

local adapters = require("codecompanion.adapters")

local M = { adapters = {} }

function M.setup(opts)
  M.adapters = opts.adapters.http
end

---Opens a chat: the adapter is made here, once.
function M.open(name)
  local adapter = M.adapters[name]
  adapter = type(adapter) == "function" and adapter() or adapter
  local model = adapter.schema.model.default
  if type(model) == "function" then
    model = model(adapter)
  end
  adapter.parameters = { model = model }
  return adapter
end

---Sends a message in an open chat. Nil if the setup handler stopped it.
function M.send(adapter, text)
  adapter = vim.deepcopy(adapter)
  local handlers = adapter.handlers
  if not (handlers.lifecycle or handlers).setup(adapter) then
    return nil
  end
  adapters.get_env_vars(adapter)
  local url = adapters.set_env_vars(adapter, adapter.url)
  local headers = adapters.set_env_vars(adapter, adapter.headers)
  local body = {
    model = adapter.parameters.model,
    max_tokens = 9,
    stream = adapter.parameters.stream,
    messages = { { role = "user", content = text } },
  }
  M.sent = { url = url, headers = headers }
  local answer = require("http").request("POST", url, { headers = headers, body = vim.json.encode(body) })
  local on_exit = (handlers.lifecycle or handlers).on_exit
  if on_exit then
    on_exit(adapter, { status = answer.status, body = answer.body })
  end
  return { status = answer.status, body = answer.body }
end

return M

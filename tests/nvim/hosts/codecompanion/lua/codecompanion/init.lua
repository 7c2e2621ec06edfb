-- A stand-in for codecompanion.nvim: a chat in a buffer of its own, from the adapter in the config to the
-- answer. A request that its setup handler stops calls nobody back: the chat stays locked until somebody
-- stops it.

local adapters = require("codecompanion.adapters")

local M = { adapters = {} }

---@type table<integer, table> by buffer
local chats = {}

function M.setup(opts)
  M.adapters = opts.adapters.http
end

local Chat = {}
Chat.__index = Chat

---Opens a chat from the current buffer: the adapter is made here, once, and asked what its model can do.
function M.open(name)
  local adapter = M.adapters[name]
  adapter = type(adapter) == "function" and adapter() or adapter
  local model = adapter.schema.model.default
  if type(model) == "function" then
    model = model(adapter)
  end
  adapter.type, adapter.parameters = "http", { model = model }
  adapters.model_choice(adapter, { async = true })
  local chat = setmetatable({ adapter = adapter, bufnr = vim.api.nvim_create_buf(false, true) }, Chat)
  chat.buffer_context = { bufnr = vim.api.nvim_get_current_buf() }
  chats[chat.bufnr] = chat
  return chat
end

function M.buf_get_chat(bufnr)
  if bufnr then
    return chats[bufnr]
  end
  return vim.tbl_map(function(chat)
    return { name = "", chat = chat }
  end, vim.tbl_values(chats))
end

function Chat:done()
  self.current_request = nil
  vim.bo[self.bufnr].modifiable = true
end

function Chat:stop()
  self.current_request = nil
  vim.schedule(function()
    self:done()
  end)
end

local function request(chat, text)
  local adapter = vim.deepcopy(chat.adapter)
  local handlers = adapter.handlers
  if not (handlers.lifecycle or handlers).setup(adapter) then
    vim.notify("Failed to setup adapter", vim.log.levels.ERROR)
    return nil
  end
  adapters.get_env_vars(adapter)
  local url = adapters.set_env_vars(adapter, adapter.url)
  local headers = adapters.set_env_vars(adapter, adapter.headers)
  local body = require("curl").question(text)
  body.model, body.stream = adapter.parameters.model, adapter.parameters.stream
  M.sent = { url = url, headers = headers }
  local answer = require("curl").post(url, headers, body)
  local on_exit = (handlers.lifecycle or handlers).on_exit
  if on_exit then
    on_exit(adapter, { status = answer.status, body = answer.body })
  end
  chat:done()
  return { job = {}, answer = { status = answer.status, body = answer.body } }
end

---Sends a message in an open chat. Nil if it was not sent.
function M.send(chat, text)
  if chat.current_request then
    return nil
  end
  vim.bo[chat.bufnr].modifiable = false
  local job = request(chat, text)
  if not job then
    chat.current_request = { job = nil, cancel = function() end }
  end
  return job and job.answer
end

return M

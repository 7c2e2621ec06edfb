-- What callers of the API pass: a mistake in it is an answer like any other, never a Lua error.

local errors = require("conv.errors")

local M = {}

---What each option has to be.
local GET = { min_validity = "number", timeout = "number" }
local LOGIN = {
  method = "string",
  browser = "boolean",
  confirmed = "boolean",
  challenge = "string",
  organization = "string",
}

local AGENT = {
  logins = "table",
  socket = "string",
  token = "boolean",
  lasting = "boolean",
  duration = "number",
  label = "string",
  confirm = "boolean",
}

---Takes `(opts, cb)` and `(cb)`.
---@param opts any
---@param cb any
---@param allowed table<string, string>
---@return table opts, fun(err?: ConvError, result?: any) cb, ConvError? err
local function read(opts, cb, allowed)
  if cb == nil and type(opts) == "function" then
    opts, cb = nil, opts
  end
  opts, cb = opts == nil and {} or opts, cb or function() end
  if type(opts) ~= "table" then
    return {}, cb, errors.new("invalid_argument", "The options of a call are a table.", "See `:h conv-api`.")
  end
  for name, wanted in pairs(allowed) do
    local value = opts[name]
    if value ~= nil and (type(value) ~= wanted or (wanted == "number" and value < 0)) then
      local message = ("`%s` is not an allowed %s."):format(name, wanted)
      return {}, cb, errors.new("invalid_argument", message, "See `:h conv-api`.")
    end
  end
  return opts, cb
end

---@param opts any
---@param cb any
---@return ConvGetOpts opts, fun(err?: ConvError, credential?: ConvCredential) cb, ConvError? err
function M.get(opts, cb)
  return read(opts, cb, GET)
end

---@param opts any
---@param cb any
---@return ConvLoginOpts opts, fun(err?: ConvError, status?: ConvLoginStatus) cb, ConvError? err
function M.login(opts, cb)
  return read(opts, cb, LOGIN)
end

---@param opts any
---@param cb any
---@return ConvAgentOpts opts, fun(err?: ConvError, result?: conv.AgentOpened) cb, ConvError? err
function M.agent(opts, cb)
  return read(opts, cb, AGENT)
end

return M

-- The pretend providers (tests/sandbox), one process for all cases, set back for each.

local http = require("http")

local M = {}

local running ---@type { job: integer, url: string }?

---@class conv.Sandbox
---@field url string
local Sandbox = {}
Sandbox.__index = Sandbox

---@param path string
---@param value? any
function Sandbox:control(path, value)
  local answer = http.post_json(self.url .. "/_control/" .. path, value or vim.empty_dict())
  assert(answer.status == 200, answer.body)
  return answer.body ~= "" and vim.json.decode(answer.body) or nil
end

---How often a route was called.
---@param route string
---@return integer
function Sandbox:count(route)
  return vim.json.decode(http.get(self.url .. "/_control/calls").body).routes[route] or 0
end

---How many refreshes a token route has had.
---@param route string
---@return integer
function Sandbox:refreshes(route)
  return vim.json.decode(http.get(self.url .. "/_control/calls").body).grants[route .. ":refresh_token"] or 0
end

---Every request so far.
---@return table[]
function Sandbox:calls()
  return vim.json.decode(http.get(self.url .. "/_control/calls").body).list
end

---Every token, key and code that was handed out, by provider.
---@return table
function Sandbox:tokens()
  return vim.json.decode(http.get(self.url .. "/_control/tokens").body)
end

---@param route string
---@param fault table
---@param opts? table
function Sandbox:fault(route, fault, opts)
  self:control("fault", vim.tbl_extend("force", { route = route, times = 1, fault = fault }, opts or {}))
end

---The config.toml that points the built-in providers here.
---@return string
function Sandbox:config_toml()
  return http.get(self.url .. "/_control/config").body
end

---@param root string
---@return conv.Sandbox
function M.start(root)
  if not running then
    local line = ""
    local job = vim.fn.jobstart({ require("built").sandbox(root), "--stdin" }, {
      on_stdout = function(_, data)
        line = line .. table.concat(data, "")
      end,
    })
    assert(job > 0, "the sandbox does not start")
    vim.wait(10000, function()
      return line:find("}") ~= nil
    end, 5)
    running = { job = job, url = vim.json.decode(line).url }
  end
  local sandbox = setmetatable({ url = running.url }, Sandbox)
  sandbox:control("reset")
  http.request("DELETE", running.url .. "/_control/calls")
  return sandbox
end

function M.stop()
  if running then
    vim.fn.jobstop(running.job)
  end
end

return M

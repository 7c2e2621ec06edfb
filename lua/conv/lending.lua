-- What this editor lends: asked of the backend, and kept beyond its end, so that the next one serves the same
-- grants by the same names at the same sockets. What was revoked, or whose time is over, stays over.

local backend = require("conv.backend")
local bus = require("conv.bus")

local M = {}

---Milliseconds between tries while a backend that ends still has the socket, and how many there are.
local BETWEEN, TRIES = 500, 20

---@type conv.GrantReport[] what the backend serves, as it said last
local served = {}
---@type table<string, true> grants that whoever asked for them knows of
local known = {}
---@type table<string, conv.GrantReport> what the one before served, and none does yet
local missing = {}
---@type table<string, string> folders that were made for one socket, by its address
local folders = {}
---How many sockets were named here.
local sockets = 0

---Removes the folders of sockets that are gone for good.
local function tidy()
  for at, folder in pairs(folders) do
    local is_lent = vim.iter(served):any(function(grant)
      return grant.at == at
    end) or vim.iter(vim.tbl_values(missing)):any(function(grant)
      return grant.at == at
    end)
    -- With the socket still in it, it stays for now.
    if not is_lent and vim.uv.fs_rmdir(folder) then
      folders[at] = nil
    end
  end
end

---A folder with nothing else in it: it may be mounted elsewhere, and Neovim's own has its own socket in it.
---@return string path
local function own_socket()
  sockets = sockets + 1
  local folder = ("%s/conv.%d.%d"):format(vim.fn.stdpath("run"), vim.uv.os_getpid(), sockets)
  local path = folder .. "/agent.sock"
  folders["unix:" .. path] = folder
  vim.api.nvim_create_autocmd("VimLeavePre", {
    group = vim.api.nvim_create_augroup("conv.lending", { clear = true }),
    callback = function()
      for at, made in pairs(folders) do
        vim.uv.fs_unlink(assert(at:match("^unix:(.*)$")))
        vim.uv.fs_rmdir(made)
      end
    end,
  })
  return path
end

---@param opts ConvAgentOpts
---@param cb fun(err?: ConvError, result?: conv.AgentOpened)
function M.open(opts, cb)
  local params = vim.deepcopy(opts) --[[@as table]]
  params.duration = opts.duration and math.floor(opts.duration)
  params.socket = params.socket or own_socket()
  backend.call("agent.open", params, function(err, result)
    if result then
      known[result.id] = true
    end
    cb(err, result)
  end)
end

---@param id string
---@param cb fun(err?: ConvError)
function M.revoke(id, cb)
  local was_missing = missing[id] ~= nil
  missing[id] = nil
  backend.call("agent.revoke", { id = id }, function(err)
    cb(not was_missing and err or nil)
  end)
end

---@param grants conv.GrantReport[]
---@param why ConvError
local function tell_ended(grants, why)
  local labels = vim.tbl_map(function(grant)
    return grant.label
  end, grants)
  local message = ("What was lent to %s has ended: %s"):format(table.concat(labels, ", "), why.message)
  require("conv.notify").error(
    require("conv.errors").new(why.code, message, why.hint or "Lend it again with `conv.agent()`.")
  )
end

---@param id string
---@param tries integer
local function serve_again(id, tries)
  local grant = missing[id]
  if not grant then
    return
  end
  local left = grant.ends and grant.ends - os.time()
  if left and left <= 0 then
    missing[id] = nil
    return tidy()
  end
  backend.call("agent.open", {
    id = id,
    logins = grant.logins,
    socket = assert(grant.at:match("^unix:(.*)$")),
    token = grant.power == "token",
    lasting = grant.lasting,
    duration = left,
    label = grant.label,
    confirm = grant.confirm,
  }, function(err)
    if not err then
      -- Revoked here while it was being made: it is no more.
      if not missing[id] then
        return backend.call("agent.revoke", { id = id }, function() end)
      end
      missing[id] = nil
    elseif err.code == "busy" and tries > 0 then
      vim.defer_fn(function()
        serve_again(id, tries - 1)
      end, BETWEEN)
    elseif backend.state() == "ready" then
      missing[id] = nil
      tell_ended({ grant }, err)
      tidy()
    end
  end)
end

bus.on("lent", function(data)
  served = data.grants
  tidy()
end)

bus.on("backend", function(data)
  if data.state ~= "ready" then
    for _, grant in ipairs(served) do
      missing[grant.id] = known[grant.id] and grant
    end
    served = {}
  end
  if vim.tbl_isempty(missing) then
    return
  elseif data.state == "ready" then
    for _, id in ipairs(vim.tbl_keys(missing)) do
      serve_again(id, TRIES)
    end
  elseif data.state == "down" then
    local grants = vim.tbl_values(missing)
    missing = {}
    tell_ended(grants, data.error)
    tidy()
  elseif data.state == "stopped" and not data.error then
    -- Stopped by the person, who goes on with another one.
    vim.schedule(backend.start)
  end
end)

return M

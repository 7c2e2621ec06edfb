-- Where this editor runs: whether a browser that is opened here, and a callback to this machine, can be expected to
-- reach the person.

local M = {}

---@return boolean
local function is_wsl()
  return vim.env.WSL_DISTRO_NAME ~= nil or vim.uv.os_uname().release:lower():find("microsoft", 1, true) ~= nil
end

---@return boolean
local function is_container()
  return vim.env.container ~= nil
    or vim.uv.fs_stat("/.dockerenv") ~= nil
    or vim.uv.fs_stat("/run/.containerenv") ~= nil
end

---Why a browser cannot be expected here, in words that complete "You are …"; nil where one can.
---@return string?
function M.remote()
  if vim.env.SSH_CONNECTION or vim.env.SSH_TTY or vim.env.SSH_CLIENT then
    return "connected over SSH"
  elseif is_wsl() then
    return "inside WSL"
  elseif is_container() then
    return "inside a container"
  end
end

---Whether a login leads with the browser here, by the option `browser` or else by what is found; and if not, why.
---@return boolean browser, string? why
function M.browser()
  local set = require("conv.config").get().browser
  if set ~= "auto" then
    return set == true
  end
  local why = M.remote()
  return why == nil, why
end

return M

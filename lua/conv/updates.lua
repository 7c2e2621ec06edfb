-- What a person is told where the program and the plugin have parted: the program is of another version, or
-- another editor has put a new one in place. It downloads nothing but by the option `install`, which says so.

local notify = require("conv.notify")

local M = {}

---The sum of the program that this editor has, or expects.
local known ---@type string?
local watcher ---@type uv.uv_fs_event_t?

---@return string?
local function sum()
  local record = require("conv.install.installed").current()
  return record and record.sum
end

---What is in place now was put there by this editor.
function M.expect()
  known = sum()
end

local function look()
  local record = require("conv.install.installed").current()
  if not record or record.sum == known then
    return
  end
  known = record.sum
  local text = ("The backend %s was put in place by another Neovim: restart this one to use it."):format(
    record.version
  )
  notify.say(text)
end

---Watches for what other editors put in place: on some systems a folder is all that can be watched.
local function watch()
  local folder = require("conv.install.installed").folder()
  if watcher or vim.fn.isdirectory(folder) == 0 then
    return
  end
  known, watcher = sum(), vim.uv.new_fs_event()
  if watcher then
    watcher:start(folder, {}, vim.schedule_wrap(look))
  end
end

---@param theirs string version of the backend that runs
---@param found conv.Binary
local function tell(theirs, found)
  local ours = require("conv.backend").VERSION
  local advice = found.origin == "built" and "`make build` in the plugin's folder brings it up to date."
    or "`:ConvLogin` offers the update."
  notify.say(("The backend is version %s, the plugin %s. %s"):format(theirs, ours, advice))
end

---The backend runs: it may be of another version than the plugin.
---@param hello table what it said of itself
function M.on_ready(hello)
  watch()
  local found = require("conv.binary").find()
  local set = require("conv.config").get().install
  if not found or found.origin == "option" or set == false then
    return
  elseif found.origin == "installed" and require("conv.install.offer").is_outdated(found) then
    if require("conv.install.offer").has_failed() then
      return -- a message line has room for one
    elseif set == "download" then
      require("conv.install.offer").update()
    else
      tell(hello.version, found)
    end
  elseif found.origin == "built" and hello.version ~= require("conv.backend").VERSION then
    tell(hello.version, found)
  end
end

return M

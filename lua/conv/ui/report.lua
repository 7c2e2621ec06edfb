-- Tells how something long is getting on, where the person has a place for that: Neovim 0.12's progress
-- messages, or fidget or snacks if they are loaded already. Elsewhere it says nothing: our own window shows
-- it anyway.

local M = {}

---@alias conv.Outcome "success"|"failed"|"cancel"

---@class (exact) conv.Report
---@field update fun(text: string)
---@field finish fun(outcome: conv.Outcome, text: string)

---@param title string
---@return conv.Report
local function by_neovim(title)
  local id ---@type any
  local short = vim.split(title, " · ")[1]
  local function echo(text, status)
    local opts = { id = id, kind = "progress", source = "conv", title = short, status = status }
    -- It is shown as "title: text", and must not fill more than the message line.
    local room = vim.v.echospace - vim.fn.strdisplaywidth(short .. ": ")
    local fits = vim.fn.strdisplaywidth(text) <= room and text
      or (vim.fn.strcharpart(text, 0, room - 1) .. "…")
    local ok, given = pcall(vim.api.nvim_echo, { { fits } }, true, opts)
    id = ok and given or id
  end
  return {
    update = function(text)
      echo(text, "running")
    end,
    finish = function(outcome, text)
      echo(text, outcome)
    end,
  }
end

---By its messages, not by its progress: that ends with a tick, also where it failed.
---@param title string
---@return conv.Report
local function by_fidget(title)
  ---@diagnostic disable-next-line: unresolved-require
  local notification = require("fidget.notification")
  local function notify(text, level, seconds)
    notification.notify(text, level, { key = "conv.progress", annote = title, ttl = seconds })
  end
  return {
    update = function(text)
      notify(text, vim.log.levels.INFO, math.huge)
    end,
    finish = function(outcome, text)
      notify(text, outcome == "failed" and vim.log.levels.WARN or vim.log.levels.INFO, 3)
    end,
  }
end

---@param title string
---@return conv.Report
local function by_snacks(title)
  local notifier = _G.Snacks.notifier
  local function notify(text, level, timeout)
    notifier.notify(text, level, { id = "conv.progress", title = title, timeout = timeout })
  end
  return {
    update = function(text)
      notify(text, "info", false)
    end,
    finish = function(outcome, text)
      notify(text, outcome == "success" and "info" or "warn", 3000)
    end,
  }
end

---@return (fun(title: string): conv.Report)?
local function place()
  if vim.fn.has("nvim-0.12") == 1 then
    return by_neovim
  elseif package.loaded["fidget"] then
    return by_fidget
  elseif type(_G.Snacks) == "table" and package.loaded["snacks.notifier"] then
    return by_snacks
  end
end

---Whether a report is seen anywhere.
---@return boolean
function M.has_place()
  return place() ~= nil
end

---Begins a report. Whatever happens to it, the caller is not disturbed; it must be finished.
---@param title string
---@return conv.Report
function M.begin(title)
  local make = place()
  local ok, report = pcall(function()
    return make and make(title)
  end)
  if not ok or not report then
    return { update = function() end, finish = function() end }
  end
  local last ---@type string?
  return {
    update = function(text)
      if text ~= last then
        last = text
        pcall(report.update, text)
      end
    end,
    finish = function(outcome, text)
      pcall(report.finish, outcome, text)
    end,
  }
end

return M

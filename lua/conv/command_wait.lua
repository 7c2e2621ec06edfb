-- A command that gives a credential is waited for: it may ask the person for a password or a finger, and gets
-- the time for it. Says so, and ends it when the person wants no more. Knows nothing of what it prints.

local backend = require("conv.backend")
local calls = require("conv.calls")
local notify = require("conv.notify")
local reports = require("conv.ui.report")

local M = {}

---Milliseconds by which a call outlasts the command it waits for, so that its answer says what happened.
local LONGER = 10000

---What is waited for, by login.
---@type table<string, conv.Report>
local waiting = {}

---The backend's `waiting` event.
---@param data conv.Waiting
function M.on_event(data)
  local before = waiting[data.login]
  waiting[data.login] = nil
  if before then
    before.finish("success", ("`%s` is done."):format(data.program))
  end
  if data.done then
    return
  end
  calls.outlast(data.login, data.seconds * 1000 + LONGER)
  local text = ("Waiting for `%s`, for `%s`. It may want a password or a fingerprint."):format(
    data.program,
    data.login
  )
  local report = reports.begin("Convocations")
  waiting[data.login] = report
  report.update(text)
  if not reports.has_place() then
    notify.say(text .. ' `:lua require("conv").cancel()` ends it.')
  end
end

---A backend that is gone waits for nothing.
---@param data { state: conv.BackendState }
function M.on_backend(data)
  if data.state ~= "ready" then
    for _, report in pairs(waiting) do
      report.finish("failed", "The backend has ended.")
    end
    waiting = {}
  end
end

---Ends what is waited for. Nothing happens if nothing is.
function M.cancel()
  if next(waiting) then
    backend.call("command.cancel", {}, function() end)
  end
end

return M

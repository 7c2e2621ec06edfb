-- What a person is asked where the program is missing or is not the one that the plugin wants: download it,
-- build it, or leave it. Guarantees: nothing is downloaded or built without a yes, which the option `install`
-- may have given beforehand; a program that is there goes on serving whatever comes of it. Called by the
-- commands only: the API asks nobody.

local errors = require("conv.errors")

local M = {}

---Milliseconds between two looks at whether calls are under way.
local IDLE = 200

local under_way = false

---Ends what is under way.
local stop = function() end

---A version that the person did not want in this editor, or that could not be had without asking: the network
---may be away for hours, and each login would wait for it.
local declined ---@type string?

---A version whose update failed in this editor: that was told, and with what to do.
local failed ---@type string?

---@return boolean whether the person was just told why the update cannot be had
function M.has_failed()
  return failed ~= nil and failed == require("conv.install.release").version()
end

---Ends a download or a build that is under way; whoever waits for it is told.
function M.cancel()
  stop()
end

---@return boolean whether a download or a build is under way
function M.is_under_way()
  return under_way
end

---Whether another program than this one belongs to the plugin: by the version of what was downloaded, or
---because the backend that was started speaks another protocol.
---@param found conv.Binary
---@return boolean
function M.is_outdated(found)
  local trouble = require("conv.backend").trouble()
  if found.origin == "option" then
    return false
  elseif trouble and trouble.code == "protocol_mismatch" then
    return true
  end
  local wanted = require("conv.install.release").version()
  local record = require("conv.install.installed").read() or {}
  return found.origin == "installed"
    and wanted ~= nil
    and found.version ~= wanted
    and declined ~= wanted
    and record.declined ~= wanted
end

---@param title string
---@param window? conv.Progress
---@return conv.Telling telling, fun(err?: ConvError) finish
local function show(title, window)
  local report = require("conv.ui.report").begin(title)
  local telling = {
    step = function(text)
      report.update(text)
      if window then
        window:add("· " .. text .. "\n")
      end
    end,
    now = function(text)
      if window then
        window:now(text)
      end
    end,
  }
  return telling,
    function(err)
      local outcome = not err and "success" or (err.code == "cancelled" and "cancel" or "failed")
      report.finish(outcome, err and err.message or "It is in place.")
      if window then
        window:close()
      end
    end
end

---The program in use has changed: the next call starts the new one.
local function use_it()
  require("conv.updates").expect()
  require("conv.backend").stop()
end

---@param release conv.Release
---@param window? conv.Progress
---@param title string
---@param done fun(err?: ConvError)
local function get(release, window, title, done)
  local telling, finish = show(title, window)
  local steps = require("conv.install").run(release, telling, function(err)
    finish(err)
    done(err)
  end)
  stop = function()
    steps:cancel()
  end
  if window then
    window:on_cancel(stop)
  end
end

---@param release conv.Release
---@param done fun(err?: ConvError)
local function download(release, done)
  local title = ("Downloading the backend %s"):format(release.version)
  local window, err = require("conv.ui.progress").open(title)
  if not window then
    return done(err)
  end
  get(release, window, title, function(why)
    if not why then
      use_it()
    end
    done(why)
  end)
end

---@param done fun(err?: ConvError)
local function build(done)
  stop = require("conv.install.build").run(function(err)
    if not err then
      use_it()
    end
    done(err)
  end)
end

---@param way fun(done: fun(err?: ConvError))
---@param done fun(err?: ConvError)
local function go(way, done)
  under_way = true
  way(function(err)
    under_way, stop = false, function() end
    done(err)
  end)
end

---@class (exact) conv.Offer
---@field text string
---@field run? fun(done: fun(err?: ConvError)) nil: not now

---@param release? conv.Release
---@return conv.Offer[]
local function offers(release)
  local result = {} ---@type conv.Offer[]
  if release then
    local size = ("%.1f MB"):format(release.checksum.size / 1e6)
    local text = ("Download it: %s from %s, held against the plugin's sum"):format(size, release.host)
    table.insert(result, {
      text = text,
      run = function(done)
        download(release, done)
      end,
    })
  end
  if not release or require("conv.install.build").command() then
    local text = release and "Build it here, which takes a minute or two" or "Build it now"
    table.insert(result, { text = text, run = build })
  end
  table.insert(result, { text = "Not now" })
  return result
end

---@param prompt string
---@param release? conv.Release
---@param done fun(way?: fun(done: fun(err?: ConvError)))
local function ask(prompt, release, done)
  local opts = {
    prompt = prompt,
    kind = "conv_build",
    columns = function(offer)
      return { { offer.text } }
    end,
  }
  require("conv.ui.select").select(offers(release), opts, function(choice)
    done(choice and choice.run)
  end)
end

---What the option `install` has decided; nil where the person is to be asked.
---@param release? conv.Release
---@param why? ConvError
---@return (fun(done: fun(err?: ConvError)))? way
local function decided(release, why)
  local set = require("conv.config").get().install
  if set == "build" then
    return build
  elseif set == "download" and release then
    return function(done)
      download(release, done)
    end
  elseif set == "download" then
    return function(done)
      done(why)
    end
  end
end

---@param found? conv.Binary
---@return string
local function prompt(found, release)
  if not found then
    return "The Convocations backend is not here yet."
  end
  local wanted = release and release.version or require("conv.backend").VERSION
  if found.version == wanted then
    return ("The backend is %s, which does not go with this state of the plugin."):format(wanted)
  end
  local has = found.version and ("The backend is %s"):format(found.version)
    or "The backend is another version"
  return ("%s, and the plugin wants %s."):format(has, wanted)
end

---Why it cannot be downloaded stands where a person reads what to do instead.
---@param err ConvError
---@param why? ConvError
---@return ConvError
local function with_reason(err, why)
  if not why or not require("conv.install.release").version() then
    return err
  end
  return errors.new(err.code, err.message .. " " .. why.message, why.hint or err.hint)
end

---Takes the program in use out of service once no call is under way.
---@param version string
local function replace_when_idle(version)
  if not require("conv.calls").is_idle() then
    return vim.defer_fn(function()
      replace_when_idle(version)
    end, IDLE)
  end
  use_it()
  require("conv.notify").say(("The backend was updated to version %s."):format(version))
end

---Brings the program up to date while the person works: the option `install` is "download". No window.
function M.update()
  local release = require("conv.install.release").find()
  if under_way or not release then
    return
  end
  local title = ("Updating the backend to %s"):format(release.version)
  go(function(done)
    get(release, nil, title, done)
  end, function(err)
    if err then
      declined = release.version
      return require("conv.notify").error(err)
    end
    replace_when_idle(release.version)
  end)
end

---Calls `done` once a program is there. Asks before it gets one.
---@param done fun(err?: ConvError)
function M.ensure(done)
  local found, missing = require("conv.binary").find()
  local config = require("conv.config").get()
  if config.binary or config.install == false or (found and not M.is_outdated(found)) then
    return done(missing)
  end
  local release, why = require("conv.install.release").find()
  -- With a program that is there, what fails is told, and the login goes on with it.
  local function ended(err)
    if err and found then
      failed = require("conv.install.release").version()
      declined = config.install == "download" and failed or declined
      require("conv.notify").answer(err)
    end
    done(not found and err or nil)
  end
  local way = decided(release, why)
  if way then
    return go(way, ended)
  end
  ask(prompt(found, release), release, function(chosen)
    if chosen then
      return go(chosen, ended)
    end
    declined = require("conv.install.release").version()
    done(missing and with_reason(missing, why))
  end)
end

return M

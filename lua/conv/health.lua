-- `:checkhealth conv`: what is there, what is not, and what to do about it. Waits for the backend, but not
-- long.

local M = {}

local health = vim.health

---Milliseconds that one question may take: more than a keyring that hangs takes from it.
local WAIT = 20000

---@param method string
---@return any result, ConvError? err
local function ask(method)
  local done, err, result = false, nil, nil
  require("conv.backend").call(method, {}, function(failed, answer)
    done, err, result = true, failed, answer
  end, WAIT)
  vim.wait(WAIT + 500, function()
    return done
  end, 10)
  return result, err
end

---Neovim makes a link of `:h TAG` on this page, and takes what stands behind it for a part of the tag.
---@param text string
---@return string
local function linked(text)
  return (text:gsub("`:h (%S-)`", ":help |%1|"))
end

---@param err ConvError
---@param report fun(text: string, advice?: string[])
local function tell(err, report)
  report(linked(err.message), err.hint and { linked(err.hint) } or nil)
end

local function check_neovim()
  health.start("conv: Neovim")
  if vim.fn.has("nvim-0.11") == 1 then
    health.ok(vim.fn.execute("version"):match("NVIM %S+") or "Neovim")
  else
    health.error("Neovim 0.11 or newer is needed", { "Update Neovim." })
  end
  local problems = require("conv.config").problems()
  for _, problem in ipairs(problems) do
    tell(problem, health.error)
  end
  if #problems == 0 then
    health.ok("The options are valid")
  end
end

---Where the backend says more: its own log, and what it wrote before it had one, such as a library it did not
---find.
local function tell_logs()
  local process = require("conv.process")
  for _, path in ipairs({ process.log_file(), process.stderr_file() }) do
    if vim.uv.fs_stat(path) then
      health.info("It says more in " .. path)
    end
  end
end

---Whether the program is the one that the plugin's repository vouches for.
---@param found conv.Binary
local function check_sum(found)
  if found.origin == "built" then
    return health.info("It was built here: there is no sum to hold it against")
  end
  local wanted = require("conv.install.release").checksum()
  local record = found.origin == "installed" and require("conv.install.installed").read() or nil
  local is_of_this_release = not record or record.version == require("conv.install.release").version()
  local sum = (wanted or record) and require("conv.install.sha256").file(found.path)
  if is_of_this_release and wanted and sum == wanted.program then
    health.ok("Its sum is the one in the plugin's repository")
  elseif record and is_of_this_release then
    local advice = ("Remove %s, then `:ConvLogin`: it was changed after it was downloaded."):format(
      found.path
    )
    health.error("Its sum is not the one in the plugin's repository", { advice })
  elseif record then
    local same = sum == record.sum and "the one that it was downloaded with" or "not the one of its download"
    local report = sum == record.sum and health.info or health.error
    report(("It is version %s, of an earlier release; its sum is %s"):format(record.version, same))
  else
    health.info("The plugin's repository has no sum of it: it was built or packaged elsewhere")
  end
  if record and record.before then
    local how = "`:lua =require('conv.install').rollback()` goes back to it"
    health.info(("Version %s is kept: %s"):format(record.before.version, how))
  end
end

---@return { logins: ConvLoginStatus[] }? status what it says of the logins, if it runs
local function check_backend()
  health.start("conv: backend")
  local found, err = require("conv.binary").find()
  if not found then
    tell(err --[[@as ConvError]], health.error)
    return nil
  end
  health.ok(("Program: %s (%s)"):format(found.path, found.how))
  check_sum(found)
  if #require("conv.config").problems() > 0 then
    health.warn("It is not started before the options are valid")
    return nil
  end
  local result
  err = require("conv.backend").retry()
  if not err then
    result, err = ask("status")
  end
  if err then
    tell(err, health.error)
    tell_logs()
    return nil
  end
  local hello = require("conv.backend").hello() or {}
  health.ok(("It runs: version %s, protocol %s, process %s"):format(hello.version, hello.protocol, hello.pid))
  if hello.version ~= require("conv.backend").VERSION then
    health.warn(
      "The plugin is version " .. require("conv.backend").VERSION,
      { "`:ConvLogin` offers the update; `make build` in the plugin's folder builds it." }
    )
  end
  return result
end

---@param store? conv.StoreReport
---@param files_are_well boolean
local function check_store(store, files_are_well)
  health.start("conv: store")
  if not store then
    health.warn(
      "The backend does not say where logins are kept",
      { "Run `make build` in the plugin's folder." }
    )
  elseif store.problem or not files_are_well then
    if store.problem then
      tell(store.problem, health.error)
    end
    health.info(("New logins are to go to: %s. %s"):format(store.backend, store.reason))
  else
    health.ok(("New logins go to: %s. %s"):format(store.backend, store.reason))
  end
end

---@param login ConvLoginStatus
local function check_login(login)
  local states = require("conv.states")
  local reports = { ok = health.ok, info = health.info, warn = health.warn, error = health.error }
  local report, line = reports[states.weight(login.state)], states.line(login)
  local why, hint = states.trouble(login)
  if report and why then
    report(linked(line .. ". " .. why), hint and { linked(hint) } or {})
  elseif report then
    report(line)
  end
end

---What is wrong with a file or folder of ours, and the command that mends it. The backend mends modes too,
---when it writes.
---@param path string
---@param needed integer the bits its owner needs
---@return string? problem, string? remedy
local function fault(path, needed)
  local stat = vim.uv.fs_stat(path)
  if not stat or vim.fn.has("win32") == 1 then
    return nil
  elseif bit.band(stat.mode, 63) ~= 0 then -- 077
    return "Others may read or write " .. path, ("chmod %o %s"):format(needed, path)
  elseif bit.band(stat.mode, needed) ~= needed or not vim.uv.fs_access(path, "W") then
    return path .. " cannot be written: no login can be stored or refreshed",
      ("chmod %o %s"):format(needed, path)
  end
end

---Whether our files are the person's alone, and can be written.
---@return boolean
local function check_files()
  health.start("conv: files")
  local dir = require("conv.index").dir()
  local is_well = true
  for path, needed in
    vim.spairs({ [dir] = 448, [dir .. "/credentials.toml"] = 384, [dir .. "/secret.key"] = 384 })
  do
    local problem, remedy = fault(path, needed)
    if problem then
      is_well = false
      health.error(problem, { remedy })
    end
  end
  if is_well then
    health.ok("Only you can read the files in " .. dir)
  end
  return is_well
end

---The loopback port that a login would like, and whether it is free now.
local function check_port()
  local port = (require("conv.backend").hello() or {}).callback_port -- the settings file has its say in it
  port = port
    or tonumber(vim.env.RCONV_HTTP_PORT)
    or (require("conv.config").get().callback or {}).port
    or 3000
  if port == 0 then
    return health.ok("A login takes any free port for the browser's answer")
  end
  local socket = assert(vim.uv.new_tcp())
  local ok, problem = socket:bind("127.0.0.1", port)
  if ok then
    ok, problem = socket:listen(1, function() end)
  end
  socket:close()
  if ok then
    health.ok(("The preferred callback port %d is free"):format(port))
  else
    local hint = "A login takes another port where the provider allows it; `$RCONV_HTTP_PORT` chooses one."
    health.info(("The preferred callback port %d cannot be used (%s). %s"):format(port, problem, hint))
  end
end

---The status of an answer that the gateway gives to a key, or nil if there is none within `WAIT`. The request
---comes from outside, as any program's does.
---@param url string
---@param key string
---@return integer? status
local function gateway_status(url, key)
  local host, port = url:match("^http://([%d.]+):(%d+)")
  local tcp, text, done = assert(vim.uv.new_tcp()), "", false
  tcp:connect(host, tonumber(port) --[[@as integer]], function(err)
    if err then
      done = true
      return
    end
    local head = "GET / HTTP/1.1\r\nhost: %s:%s\r\nauthorization: Bearer %s\r\nconnection: close\r\n\r\n"
    tcp:write(head:format(host, port, key))
    tcp:read_start(function(_, data)
      text, done = text .. (data or ""), done or not data
    end)
  end)
  vim.wait(WAIT, function()
    return done
  end, 10)
  tcp:close()
  return tonumber(text:match("^HTTP/1%.1 (%d+)")) --[[@as integer?]]
end

---Opens the gateway and tries it with a wrong key and with its own. Without a login in its path the right one
---is let in and told so: nothing is sent to a provider.
local function check_gateway()
  health.start("conv: gateway")
  if require("conv.config").get().gateway == false then
    return health.info("It is switched off: every host gets the token itself")
  end
  local gateway, err = require("conv.gateway").base()
  if not gateway then
    return tell(err --[[@as ConvError]], health.error)
  end
  local base, key = gateway.url, gateway.key
  local wrong, right = gateway_status(base, key:reverse()), gateway_status(base, key)
  if wrong == 401 and right and right ~= 401 and right ~= 503 then
    return health.ok(("It answers at %s, and to its own key only"):format(base))
  end
  local found = ("It answers %s to a wrong key and %s to its own"):format(
    wrong or "nothing",
    right or "nothing"
  )
  health.error(found, { "Restart Neovim; `gateway = false` does without it." })
end

---Nothing is asked here: a page that opens at once is worth more than one that waits for a dead proxy.
local function check_network()
  health.start("conv: network")
  local program = require("conv.binary").find()
  health.info(
    ("Whether the providers can be reached, and if not at which step (name, connection, proxy, TLS, answer, clock): `%s doctor --online`"):format(
      program or "convocations"
    )
  )
end

local function check_surroundings()
  check_network()
  health.start("conv: browser")
  local browser, why = require("conv.environment").browser()
  if browser then
    health.ok("A login opens the browser")
  else
    health.info(
      ("You are %s: a login leads with a pasted code"):format(why or "set to log in without a browser")
    )
  end
  check_port()
end

function M.check()
  require("conv")
  check_neovim()
  local result = check_backend()
  local files_are_well = check_files()
  if result then
    local status = require("conv.status")
    status.on_status(result)
    check_store(status.all().store, files_are_well)
    health.start("conv: logins")
    vim.iter(result.logins):each(check_login)
    if #result.logins == 0 then
      health.info("Nobody is logged in yet: `:ConvLogin` begins")
    end
  end
  if result then
    check_gateway()
  end
  require("conv.integration_health").check()
  check_surroundings()
end

return M

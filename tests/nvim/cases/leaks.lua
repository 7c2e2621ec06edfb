-- After logins by every way: no token, code or verifier in clear text in any file, message, argument list or
-- environment, and files that nobody else can read.

local flows = require("flows")
local person = require("person")
local processes = require("processes")

---@param dir string
---@return string[]
local function files(dir)
  local found = {}
  for name, kind in vim.fs.dir(dir, { depth = 20 }) do
    if kind == "file" then
      table.insert(found, dir .. "/" .. name)
    end
  end
  return found
end

---@param path string
---@return string
local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("a") or ""
  if file then
    file:close()
  end
  return text
end

---How a secret may be written.
---@param secret string
---@return string[]
local function forms(secret)
  local hex = secret:gsub(".", function(char)
    return ("%02x"):format(char:byte())
  end)
  -- base64 of a text inside other text: without the edges, which depend on the position.
  local base64 = vim.base64.encode(secret):sub(5, -5)
  return { secret, require("http").encode(secret), hex, base64, secret:reverse() }
end

---@param value any
---@param found table<string, string>
local function leaves(value, found)
  if type(value) == "table" then
    for _, inner in pairs(value) do
      leaves(inner, found)
    end
  elseif type(value) == "string" and #value >= 16 then
    found[value] = "token or code of the provider"
  end
end

---Everything secret that the sandbox handed out or was shown.
---@return table<string, string> what by secret
local function secrets(sandbox)
  local found = {}
  leaves(sandbox:tokens(), found)
  for _, call in ipairs(sandbox:calls()) do
    local verifier = type(call.fields) == "table" and call.fields.code_verifier
    if verifier then
      found[verifier] = "code_verifier"
    end
  end
  return found
end

return function(case)
  case("nothing secret is written, shown or passed on in clear text", function(t)
    local sandbox = t:sandbox()
    local nvim = t:real({ args = { "-i", t.dir .. "/main.shada" } })
    nvim:lua([[
      vim.o.undofile, vim.o.swapfile, vim.o.backup, vim.o.writebackup, vim.o.verbosefile = true, true, true, true, ""
      vim.o.undodir, vim.o.directory, vim.o.backupdir = vim.env.XDG_STATE_HOME, vim.env.XDG_STATE_HOME, vim.env.XDG_STATE_HOME
    ]])
    flows.log_in(t, nvim, "openrouter")
    local code = person.copy_code(flows.begin_paste(t, nvim, flows.BY_PASTE.anthropic))
    nvim:paste(code)
    flows.complete(t, nvim, 2)
    nvim:cmd("ConvLogin openrouter api-key")
    flows.at_prompt(t, nvim)
    nvim:type("sk-or-v1-planted-api-key-0123456789<CR>")
    flows.complete(t, nvim, 3)
    local planted = { ["sk-or-v1-planted-api-key-0123456789"] = "api key" }
    for _, login in ipairs({ "openrouter", "anthropic" }) do
      planted[t:ok(flows.token(nvim, login))] = "token of " .. login
    end
    for part in code:gmatch("[^#]+") do
      planted[part] = "pasted code"
    end
    nvim:lua(
      'require("conv").invalidate("anthropic", (require("conv").token("anthropic")), function(_, c) _G.after = c and c.token end)'
    )
    planted[t:wait("a refresh", function()
      local seen = nvim:lua("return _G.after")
      return seen ~= vim.NIL and seen
    end)] =
      "refreshed token"
    planted = vim.tbl_extend("keep", planted, secrets(sandbox))
    t:ok(vim.list_contains(vim.tbl_values(planted), "code_verifier"), "a verifier is known")
    t:ok(vim.tbl_count(planted) >= 10, "secrets are known: " .. vim.tbl_count(planted))

    local places = {}
    nvim:cmd("checkhealth conv")
    places["checkhealth"] = table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
    nvim:cmd("ConvStatus")
    places["ConvStatus"] = flows.sees(t, nvim, "anthropic")
    for _, what in ipairs({ "messages", "registers", "history all", "let g:", "changes", "jumps" }) do
      places[what] = nvim:lua("return vim.fn.execute(...)", what)
    end
    places.events = vim.inspect(nvim:lua("return _G.events"))
    places.notes = vim.inspect(nvim:notes())
    for _, process in ipairs(processes.of(t.dir)) do
      places["arguments of " .. process.name] = read(("/proc/%d/cmdline"):format(process.pid))
      places["environment of " .. process.name] = read(("/proc/%d/environ"):format(process.pid))
    end
    nvim:lua("vim.cmd('wshada!')")
    nvim:lua_later("vim.cmd('qall!')")
    t:wait("the end", function()
      return #processes.of(t.dir) == 0
    end)
    local paths = files(t.dir)
    for _, path in ipairs(paths) do
      places[path] = read(path)
    end
    t:ok(vim.fn.filereadable(t.dir .. "/main.shada") == 1, "a shada file was written")
    t:ok(vim.fn.filereadable(t.dir .. "/convocations/credentials.toml") == 1, "an index was written")
    for place, text in pairs(places) do
      for secret, what in pairs(planted) do
        for _, form in ipairs(forms(secret)) do
          t:ok(not text:find(form, 1, true), ("%s is in %s"):format(what, place))
        end
      end
    end
  end)

  case("files are 0600 and folders 0700", function(t)
    t:sandbox()
    local nvim = t:real()
    flows.log_in(t, nvim, "openrouter")
    for _, path in ipairs(files(t.dir .. "/convocations")) do
      if not path:match("config%.toml$") then
        t:eq(("%o"):format(vim.uv.fs_stat(path).mode % 512), "600", path)
      end
    end
    for _, path in ipairs(files(t.dir .. "/state/convocations")) do
      t:eq(("%o"):format(vim.uv.fs_stat(path).mode % 512), "600", path)
    end
    t:eq(("%o"):format(vim.uv.fs_stat(t.dir .. "/convocations").mode % 512), "700")
    t:eq(("%o"):format(vim.uv.fs_stat(t.dir .. "/convocations/locks").mode % 512), "700")
  end)
end

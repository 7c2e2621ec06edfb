-- A release on loopback: archives as `make dist` makes them, with stand-ins for the program, and a server
-- that hands them out, or does what servers and networks do to files.

local M = {}

M.VERSION = "0.1.0"

---@class conv.TestServer
---@field port integer
---@field url string
---@field files table<string, { body?: string, status?: integer, headers?: string, send?: integer, hold?: boolean, length?: integer, endless?: boolean }>
---@field requests string[] what was asked for
local Server = {}
Server.__index = Server

---Sends the same again for as long as somebody listens, and never said how much it would be.
---@param connection table
---@param body string
local function send_without_end(connection, body)
  local function more(problem)
    if not problem and not connection:is_closing() then
      connection:write(body, more)
    end
  end
  connection:write("HTTP/1.1 200 X\r\nConnection: close\r\n\r\n", more)
end

---@param connection table
---@param target string
function Server:_answer(connection, target)
  local path = target:gsub("^http://[^/]*", "")
  if self.files[path] and self.files[path].endless then
    return send_without_end(connection, self.files[path].body)
  end
  local file = self.files[path] or { status = 404, body = "not here" }
  local body = file.body or ""
  local head = ("HTTP/1.1 %d X\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n"):format(
    file.status or 200,
    file.length or #body,
    file.headers or ""
  )
  connection:write(head .. body:sub(1, file.send or #body), function()
    if not file.hold and not connection:is_closing() then
      connection:shutdown(function()
        if not connection:is_closing() then
          connection:close()
        end
      end)
    end
  end)
end

---@param connection table
function Server:_read(connection)
  local text = ""
  connection:read_start(function(_, data)
    if not data then
      if not connection:is_closing() then
        connection:close()
      end
      return
    end
    text = text .. data
    -- Of a proxy, a way to another host is asked for.
    local target = text:match("^GET (%S+) HTTP/1.1\r\n.*\r\n\r\n$")
      or text:match("^CONNECT (%S+) HTTP/1.1\r\n.*\r\n\r\n$")
    if target then
      table.insert(self.requests, target)
      text = ""
      self:_answer(connection, target)
    end
  end)
end

---Lets a file that was held go on, to whoever asks next.
---@param path string
function Server:release(path)
  self.files[path].hold, self.files[path].send = nil, nil
end

---@return conv.TestServer
function M.serve(t)
  local self = setmetatable({ files = {}, requests = {}, connections = {} }, Server)
  local listener = assert(vim.uv.new_tcp())
  listener:bind("127.0.0.1", 0)
  listener:listen(64, function()
    local connection = assert(vim.uv.new_tcp())
    listener:accept(connection)
    table.insert(self.connections, connection)
    self:_read(connection)
  end)
  self.port = listener:getsockname().port
  self.url = "http://127.0.0.1:" .. self.port
  t:defer(function()
    listener:close()
    for _, connection in ipairs(self.connections) do
      if not connection:is_closing() then
        connection:close()
      end
    end
  end)
  return self
end

---The same server with TLS, by an authority that nobody knows.
---@return string url, string ca_file
function M.with_tls(t, server)
  local line = ""
  local argv = { require("built").sandbox(t.root), "--stdin", "--tls", "--tls-of", tostring(server.port) }
  local job = vim.fn.jobstart(argv, {
    on_stdout = function(_, data)
      line = line .. table.concat(data, "")
    end,
  })
  t:defer(function()
    vim.fn.jobstop(job)
  end)
  t:wait("TLS", function()
    return line:find("}$")
  end)
  local said = vim.json.decode(line)
  return said.tls_url, t:file("ca.pem", said.ca_pem)
end

---@return string target of this machine
function M.target()
  local uname = vim.uv.os_uname()
  local processor = ({ arm64 = "aarch64" })[uname.machine] or uname.machine
  return processor .. (uname.sysname == "Darwin" and "-apple-darwin" or "-unknown-linux-musl")
end

---@return string
function M.file_name()
  return "convocations-" .. M.target() .. ".tar.gz"
end

---A program that says its version, and serves the editor as a backend that knows no provider.
---@param about? { version?: string, target?: string, status?: integer }
---@return string
function M.program(t, about)
  about = about or {}
  local version = about.version or M.VERSION
  local fake = t:fake(
    ([[
    return {
      hello = function(_, reply) reply(nil, { version = %q, callback_port = 0 }) end,
      providers = function(_, reply) reply(nil, { providers = {} }) end,
    }
  ]]):format(version),
    "fake-" .. version
  )
  local script =
    '#!/bin/sh\nif [ "$1" = --version ]; then echo "convocations %s (0123456789ab %s)"; exit %d; fi\nexec "%s" "$@"\n'
  return script:format(version, about.target or M.target(), about.status or 0, fake)
end

---An archive with these entries: a text is a file, a table `{ link = … }` a link, `{ same = … }` another
---name of an entry before it in the alphabet, `{ pipe = true }` a named pipe, `{ twice = … }` a file that is
---there twice.
---@param entries table<string, string|{ link?: string, same?: string, pipe?: boolean, twice?: string }>
---@return string bytes
function M.archive(t, entries)
  local root = t.dir .. "/packing/inside"
  vim.fn.delete(t.dir .. "/packing", "rf")
  vim.fn.mkdir(root, "p")
  local names, more = {}, {}
  for name, entry in vim.spairs(entries) do
    -- An absolute one lies in the test's own folder, so that nobody else's is met or left behind.
    local path = (vim.startswith(name, "/") and vim.fs.dirname(root) or (root .. "/")) .. name
    name = vim.startswith(name, "/") and path or name
    table.insert(names, name)
    vim.fn.mkdir(vim.fs.dirname(path), "p")
    if type(entry) == "table" and entry.link then
      assert(vim.uv.fs_symlink(entry.link, path))
    elseif type(entry) == "table" and entry.same then
      assert(vim.uv.fs_link(root .. "/" .. entry.same, path))
    elseif type(entry) == "table" and entry.pipe then
      assert(vim.system({ "mkfifo", path }):wait().code == 0)
    else
      if type(entry) == "table" then
        -- Else the second would be a link to the first.
        table.insert(names, name)
        more = { "--hard-dereference" }
      end
      local file = assert(io.open(path, "w"))
      file:write(type(entry) == "table" and entry.twice or entry)
      file:close()
      vim.uv.fs_chmod(path, 493) -- 0755
    end
  end
  table.sort(names)
  local archive = t.dir .. "/packing/archive"
  local argv = vim.iter({ "tar", "-czPf", archive, more, "--", names }):flatten():totable()
  local made = vim.system(argv, { cwd = root, text = true }):wait()
  assert(made.code == 0, made.stderr)
  local file = assert(io.open(t.dir .. "/packing/archive", "rb"))
  local bytes = file:read("a")
  file:close()
  return bytes
end

---By another program than the plugin's own arithmetic.
---@param bytes string
---@return string
local function sha256(t, bytes)
  local path = t:file("packing/summed", bytes)
  local argv = vim.fn.executable("sha256sum") == 1 and { "sha256sum", path }
    or { "shasum", "-a", "256", path }
  return vim.system(argv, { text = true }):wait().stdout:match("^%x+")
end

---What the repository says of an archive and the program in it.
---@param archive string
---@param program? string
---@return table checksums as in lua/conv/checksums.lua
function M.checksums(t, archive, program)
  return {
    version = M.VERSION,
    archives = {
      [M.file_name()] = {
        sha256 = sha256(t, archive),
        size = #archive,
        program = sha256(t, program or ""),
      },
    },
  }
end

return M

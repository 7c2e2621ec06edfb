-- A small blocking HTTP client for loopback, so that the tests need no other program.

local M = {}

---@class conv.Response
---@field status integer
---@field headers table<string, string>
---@field body string

---@param raw string
---@return conv.Response
local function parse(raw)
  local head, body = raw:match("^(.-)\r\n\r\n(.*)$")
  assert(head, "no HTTP answer: " .. raw:sub(1, 80))
  local headers = {}
  for name, value in head:gmatch("\r\n([^:]+):%s*([^\r]*)") do
    name = name:lower()
    -- The one header that comes more than once and cannot be joined by commas (RFC 9110, 5.3).
    headers[name] = name == "set-cookie" and headers[name] and headers[name] .. "\n" .. value or value
  end
  if (headers["transfer-encoding"] or ""):find("chunked") then
    local plain = {}
    while true do
      local size, rest = body:match("^(%x+)[^\r]*\r\n(.*)$")
      local length = tonumber(size or "0", 16)
      if length == 0 then
        break
      end
      table.insert(plain, rest:sub(1, length))
      body = rest:sub(length + 3)
    end
    body = table.concat(plain)
  end
  return { status = tonumber(head:match("^HTTP/%S+ (%d+)")), headers = headers, body = body }
end

---@param text string
---@return string
function M.encode(text)
  return (text:gsub("[^%w%-%._~]", function(char)
    return ("%%%02X"):format(char:byte())
  end))
end

---@param text string
---@return string
function M.decode(text)
  return (
    text:gsub("%+", " "):gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)
  )
end

---@param fields table<string, string>
---@return string
function M.form(fields)
  local parts = {}
  for name, value in pairs(fields) do
    table.insert(parts, M.encode(name) .. "=" .. M.encode(value))
  end
  return table.concat(parts, "&")
end

---@param url string
---@return table<string, string>
function M.query(url)
  local fields = {}
  for pair in (url:match("%?([^#]*)") or ""):gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    fields[M.decode(name)] = M.decode(value)
  end
  return fields
end

---@param method string
---@param url string
---@param opts? { body?: string, headers?: table<string, string> }
---@return conv.Response
function M.request(method, url, opts)
  opts = opts or {}
  local host, port, path = url:match("^http://([^:/]+):(%d+)([^#]*)")
  assert(host, "not a loopback address: " .. url)
  local lines = { ("%s %s HTTP/1.1"):format(method, path == "" and "/" or path) }
  local headers = vim.tbl_extend("force", {
    Host = host .. ":" .. port,
    Connection = "close",
    ["Content-Length"] = opts.body and tostring(#opts.body) or nil,
  }, opts.headers or {})
  for name, value in pairs(headers) do
    table.insert(lines, name .. ": " .. value)
  end
  local socket, done, raw, problem = assert(vim.uv.new_tcp()), false, "", nil
  socket:connect("127.0.0.1", tonumber(port), function(err)
    if err then
      done, problem = true, err
      return
    end
    socket:write(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (opts.body or ""))
    socket:read_start(function(read_err, data)
      raw = raw .. (data or "")
      if read_err or not data then
        done, problem = true, raw == "" and (read_err or "no answer") or nil
      end
    end)
  end)
  vim.wait(10000, function()
    return done
  end, 5)
  socket:close()
  assert(done, "no answer in time from " .. url:match("^[^?]*"))
  assert(not problem, problem)
  return parse(raw)
end

---@param url string
---@return conv.Response
function M.get(url)
  return M.request("GET", url)
end

---@param url string
---@param fields table<string, string>
---@return conv.Response
function M.post_form(url, fields)
  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  return M.request("POST", url, { body = M.form(fields), headers = headers })
end

---@param url string
---@param value any
---@param headers? table<string, string>
---@return conv.Response
function M.post_json(url, value, headers)
  headers = vim.tbl_extend("force", { ["Content-Type"] = "application/json" }, headers or {})
  return M.request("POST", url, { body = vim.json.encode(value), headers = headers })
end

return M

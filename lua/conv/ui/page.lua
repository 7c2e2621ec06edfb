-- What a window of ours shows, as lines that fit its width: texts are broken at blanks, addresses never, and
-- the keys stand on as many lines as they need.

local M = {}

---A text in lines of at most `width` columns, broken at blanks only.
---@param text string
---@param width integer
---@return string[]
function M.wrap(text, width)
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if line ~= "" and vim.fn.strdisplaywidth(line .. " " .. word) > width then
      table.insert(lines, line)
      line = word
    else
      line = line == "" and word or (line .. " " .. word)
    end
  end
  table.insert(lines, line)
  return lines
end

---@class conv.Page
---@field lines conv.Line[]
---@field width integer columns
local Page = {}
Page.__index = Page

---A page that begins with an empty line.
---@param width integer columns
---@return conv.Page
function M.new(width)
  return setmetatable({ lines = { {} }, width = width }, Page)
end

---@param ... conv.Chunk one line, as it is
function Page:line(...)
  table.insert(self.lines, { ... })
end

---An empty line, where the last one is none.
function Page:gap()
  if #self.lines[#self.lines] > 0 then
    self:line()
  end
end

---@param text? string nothing is shown without one; paragraphs in it are kept apart
---@param group? string
---@param indent? integer columns
function Page:para(text, group, indent)
  indent = indent or 2
  for position, part in ipairs(text and vim.split(text, "\n%s*\n") or {}) do
    if position > 1 then
      self:gap()
    end
    for _, line in ipairs(M.wrap(part, self.width - indent - 2)) do
      self:line({ (" "):rep(indent) .. line, group })
    end
  end
end

---Puts more behind the last line, or below it where there is no room.
---@param text string
---@param group? string
function Page:append(text, group)
  local last, used = self.lines[#self.lines], 0
  for _, chunk in ipairs(last) do
    used = used + vim.fn.strdisplaywidth(chunk[1])
  end
  if used + vim.fn.strdisplaywidth(text) < self.width then
    table.insert(last, { text, group })
  else
    self:line({ " " .. text, group })
  end
end

---@param url? string
function Page:address(url)
  if url then
    self:line({ "  " }, { url, "ConvUrl" })
  end
end

---@param keys [string, string][] each with what it does
function Page:keys(keys)
  self:gap()
  local line, used = { { " " } }, 1 ---@type conv.Line, integer
  for _, key in ipairs(keys) do
    local width = vim.fn.strdisplaywidth((" %s %s "):format(key[1], key[2]))
    if used > 1 and used + width > self.width then
      table.insert(self.lines, line)
      line, used = { { " " } }, 1
    end
    vim.list_extend(line, { { " " .. key[1], "ConvKey" }, { " " .. key[2] .. " ", "ConvMuted" } })
    used = used + width
  end
  table.insert(self.lines, line)
end

return M

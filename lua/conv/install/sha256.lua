-- SHA-256 (FIPS 180-4) of a file, in pieces, so that an editor goes on meanwhile. Neovim's own `sha256()`
-- takes no bytes that are zero, and a program for it is not on every system.

-- Every place of these arrays is filled.
---@diagnostic disable: need-check-nil, param-type-mismatch

local bit = require("bit")
local band, bnot, bxor, ror, rshift, tobit = bit.band, bit.bnot, bit.bxor, bit.ror, bit.rshift, bit.tobit

local M = {}

---Bytes between two rests.
local PIECE = 256 * 1024

---The first 32 bits of the fractional parts of a root (FIPS 180-4, 4.2.2 and 5.3.3).
---@param value number
---@return integer
local function fraction(value)
  return tobit(math.floor((value % 1) * 2 ^ 32))
end

---@param count integer
---@return integer[]
local function primes(count)
  local found, candidate = {}, 2
  while #found < count do
    local is_prime = vim.iter(found):all(function(prime)
      return candidate % prime ~= 0
    end)
    table.insert(found, is_prime and candidate or nil)
    candidate = candidate + 1
  end
  return found
end

local K, START = {}, {} ---@type integer[], integer[]
for index, prime in ipairs(primes(64)) do
  -- A cube root in double precision has 50 bits behind its point, of which 32 are wanted.
  K[index] = fraction(prime ^ (1 / 3))
  START[index] = index <= 8 and fraction(prime ^ 0.5) or nil
end

local words = {} ---@type integer[]

---@param text string
---@param position integer where the block begins
local function schedule(text, position)
  for index = 1, 16 do
    local a, b, c, d = text:byte(position + index * 4 - 4, position + index * 4 - 1)
    words[index] = tobit(a * 0x1000000 + b * 0x10000 + c * 0x100 + d)
  end
  for index = 17, 64 do
    local x, y = words[index - 15], words[index - 2]
    local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
    local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
    words[index] = tobit(words[index - 16] + s0 + words[index - 7] + s1)
  end
end

---@param state integer[]
---@param text string whole blocks of 64 bytes
local function compress(state, text)
  for position = 1, #text, 64 do
    schedule(text, position)
    local a, b, c, d, e, f, g, h = unpack(state)
    for index = 1, 64 do
      local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
      local choice = bxor(band(e, f), band(bnot(e), g))
      local t1 = h + s1 + choice + K[index] + words[index]
      local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
      local majority = bxor(band(a, b), band(a, c), band(b, c))
      h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + s0 + majority)
    end
    for index, value in ipairs({ a, b, c, d, e, f, g, h }) do
      state[index] = tobit(state[index] + value)
    end
  end
end

---The end of a message: a bit, zeros, and its length.
---@param length integer bytes
---@return string
local function padding(length)
  local zeros = (55 - length) % 64
  local bits, bytes = length * 8, {}
  for index = 8, 1, -1 do
    bytes[index] = string.char(bits % 256)
    bits = math.floor(bits / 256)
  end
  return "\128" .. ("\0"):rep(zeros) .. table.concat(bytes)
end

---The sum of what `read` gives, piece by piece.
---@param read fun(): string?
---@return string hex
local function sum(read)
  local state, length, rest = vim.list_slice(START), 0, ""
  for piece in read do
    rest, length = rest .. piece, length + #piece
    local whole = #rest - #rest % 64
    compress(state, rest:sub(1, whole))
    rest = rest:sub(whole + 1)
  end
  compress(state, rest .. padding(length))
  return table.concat(vim.tbl_map(bit.tohex, state))
end

---@param text string
---@return string hex
function M.text(text)
  local pieces = { text }
  return sum(function()
    return table.remove(pieces)
  end)
end

---@param path string
---@return string?
local function read(path)
  local file = vim.uv.fs_open(path, "r", 0)
  local stat = file and vim.uv.fs_fstat(file)
  local text = file and stat and vim.uv.fs_read(file, stat.size)
  if file then
    vim.uv.fs_close(file)
  end
  return text or nil
end

---The sum of a file, or nil if it cannot be read.
---@param path string
---@param rest? fun() called between two pieces
---@return string? hex
function M.file(path, rest)
  local text, position = read(path), 1
  if not text then
    return nil
  end
  return sum(function()
    if rest then
      rest()
    end
    local piece = text:sub(position, position + PIECE - 1)
    position = position + PIECE
    return piece ~= "" and piece or nil
  end)
end

return M

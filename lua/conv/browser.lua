-- Opens an address in the person's browser: only http and https, without a shell, and telling if it failed.

local M = {}

---Milliseconds after which the opener is looked at: those that fail do so at once.
local LOOK_AFTER = { 500, 3000 }

---@param job vim.SystemObj
---@param failed fun(why: string)
local function look(job, failed)
  local told = false
  for _, delay in ipairs(LOOK_AFTER) do
    vim.defer_fn(function()
      if told or not job:is_closing() then
        return
      end
      told = true
      local code = job:wait().code
      if code ~= 0 then
        failed(("the opener ended with status %d"):format(code))
      end
    end, delay)
  end
end

---@param url string
---@param failed fun(why: string) called at most once, perhaps later
function M.open(url, failed)
  if not url:match("^https?://") then
    return failed("the address is neither http nor https")
  end
  local custom = require("conv.config").get().open
  if custom then
    local ok, problem = pcall(custom, url)
    if not ok then
      failed("the option `open` raised an error")
    elseif type(problem) == "string" then
      failed(problem)
    end
    return
  end
  local ok, job, problem = pcall(vim.ui.open, url)
  if not ok or problem then
    return failed(ok and "no program to open addresses was found" or "`vim.ui.open` failed")
  end
  -- A replacement of it may return anything else, or nothing.
  if type(job) == "table" and job.is_closing and job.wait then
    look(job, failed)
  end
end

---Copies a text to the clipboard; through the terminal (OSC 52) where there is no other.
---@param text string
function M.copy(text)
  local ok = vim.fn.has("clipboard") == 1 and pcall(vim.fn.setreg, "+", text)
  if not ok then
    require("vim.ui.clipboard.osc52").copy("+")({ text })
  end
end

return M

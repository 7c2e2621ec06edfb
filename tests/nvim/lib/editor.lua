-- A child Neovim, driven over RPC.

local M = {}

---@class conv.Editor
---@field channel integer
---@field pid integer
---@field exited boolean
local Editor = {}
Editor.__index = Editor

---@param opts { nvim: string, root: string, env: table<string, string>, args: string[], cwd: string }
---@return conv.Editor
function M.start(opts)
  local self = setmetatable({ exited = false }, Editor)
  local argv = { opts.nvim, "--embed", "--headless", "-u", opts.root .. "/tests/nvim/init.lua" }
  vim.list_extend(argv, opts.args)
  self.channel = vim.fn.jobstart(argv, {
    rpc = true,
    clear_env = true,
    env = opts.env,
    cwd = opts.cwd,
    on_exit = function(_, code)
      self.exited, self.code = true, code
    end,
  })
  assert(self.channel > 0, "Neovim does not start")
  self.pid = vim.fn.jobpid(self.channel)
  return self
end

---Runs Lua in the child and returns its result.
---@param code string
---@param ... any
function Editor:lua(code, ...)
  return vim.rpcrequest(self.channel, "nvim_exec_lua", code, { ... })
end

---Runs Lua in the child, without waiting.
---@param code string
---@param ... any
function Editor:lua_later(code, ...)
  vim.rpcnotify(self.channel, "nvim_exec_lua", code, { ... })
end

---@param command string
function Editor:cmd(command)
  self:lua("vim.cmd(...)", command)
end

---Types keys, as a person would.
---@param keys string
function Editor:type(keys)
  vim.rpcrequest(self.channel, "nvim_input", keys)
end

---Pastes, as a terminal does.
---@param text string
function Editor:paste(text)
  vim.rpcrequest(self.channel, "nvim_paste", text, true, -1)
end

---@return string
function Editor:mode()
  return vim.rpcrequest(self.channel, "nvim_get_mode").mode
end

---The lines of our window, or nil if there is none.
---@return string[]?
function Editor:window()
  local lines = self:lua([[
    for _, win in ipairs(vim.api.nvim_list_wins()) do
      local buf = vim.api.nvim_win_get_buf(win)
      if vim.bo[buf].filetype == "conv" then return vim.api.nvim_buf_get_lines(buf, 0, -1, false) end
    end
  ]])
  return lines ~= vim.NIL and lines or nil
end

---What stands above our window's lines, however it is scrolled.
---@return string
function Editor:head()
  return (self:lua("return vim.wo.winbar"):gsub("%%#%w+#", ""):gsub("%%<", ""))
end

---@return string
function Editor:window_text()
  return table.concat(self:window() or {}, "\n")
end

---@param name string
---@return table[] data of the events of this name
function Editor:events(name)
  return self:lua(
    [[
    local name, found = ..., {}
    for _, event in ipairs(_G.events) do
      if event.name == name then table.insert(found, event.data or vim.empty_dict()) end
    end
    return found
  ]],
    name
  )
end

---@return { text: string, level: integer }[]
function Editor:notes()
  return self:lua("return _G.notes")
end

---@return boolean
function Editor:said(pattern)
  return vim.iter(self:notes()):any(function(note)
    return note.text:find(pattern) ~= nil
  end)
end

function Editor:kill()
  if not self.exited then
    pcall(vim.fn.jobstop, self.channel)
    vim.fn.jobwait({ self.channel }, 3000)
  end
end

return M

-- A stand-in for CopilotChat.nvim: the buffer that a chat is about.

local M = { chat = {} }

function M.chat:get_source()
  return self.source
end

return M

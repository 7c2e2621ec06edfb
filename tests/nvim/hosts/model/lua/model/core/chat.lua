-- A stand-in for model.nvim: a chat or a prompt has its provider send, with handlers for what comes.

local M = { secrets = {} }

---A secret is asked for once and kept.
function M.env(name)
  return assert(M.secrets[name] or os.getenv(name), "Missing environment variable or secret: " .. name)
end

---`M.answer` is what came, `M.failed` what the person is shown as an error.
function M.run_chat(prompt, text)
  M.answer, M.failed = nil, nil
  local handlers = {
    on_finish = function(answer)
      M.answer = { status = answer.status, body = answer.body }
    end,
    on_error = function(problem, label)
      M.failed = { problem, label }
      vim.notify(vim.inspect(problem), vim.log.levels.ERROR, { title = label })
    end,
  }
  M.cancel = prompt.provider.request_completion(handlers, require("curl").question(text), prompt.options)
end

return M

-- A stand-in for llm.nvim of Hugging Face: a config that is made once, with a token of the person's own if
-- there is one.

local M = { config = nil }

function M.setup(opts)
  assert(not M.config, "config is already set")
  local defaults = { backend = "huggingface", api_token = os.getenv("LLM_NVIM_HF_API_TOKEN") }
  M.config = vim.tbl_deep_extend("force", defaults, opts)
end

function M.get()
  return assert(M.config, "[LLM] not initialized")
end

return M

-- A stand-in for llm.nvim of Hugging Face: a config that is made once.

local M = { config = nil }

function M.setup(opts)
  assert(not M.config, "config is already set")
  M.config = vim.tbl_deep_extend("force", { api_token = os.getenv("LLM_NVIM_HF_API_TOKEN") }, opts)
end

return M

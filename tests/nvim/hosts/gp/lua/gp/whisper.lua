-- A stand-in for gp.nvim's Whisper: it asks the vault for the key of OpenAI by the key's own name.

local M = { config = { endpoint = "https://api.openai.com/v1/audio/transcriptions" } }

---What it would put on its command line.
function M.bearer()
  return require("gp.vault").get_secret("openai_api_key")
end

return M

-- Where the API of each built-in provider is, for hosts that must know it before anybody is logged in. Written by
-- `make doc` from src/provider/builtin; a credential's own `base_url` wins.

---@type table<string, string>
return {
  anthropic = "https://api.anthropic.com",
  cerebras = "https://api.cerebras.ai/v1",
  deepseek = "https://api.deepseek.com/v1",
  fireworks = "https://api.fireworks.ai/inference/v1",
  gemini = "https://generativelanguage.googleapis.com/v1beta",
  ["github-copilot"] = "https://api.githubcopilot.com",
  groq = "https://api.groq.com/openai/v1",
  huggingface = "https://router.huggingface.co/v1",
  kimi = "https://api.kimi.com/coding/v1",
  mistral = "https://api.mistral.ai/v1",
  openai = "https://api.openai.com/v1",
  openrouter = "https://openrouter.ai/api/v1",
  together = "https://api.together.xyz/v1",
  xai = "https://api.x.ai/v1",
}

-- The built-in providers: what people call them, and where their API is, for hosts that must know it before anybody is
-- logged in; and the variables that point a program at the gateway. Written by `make doc` from src/provider/builtin; a
-- credential's own `base_url` wins.

---@type table<string, { name: string, base_url: string?, gateway: table<string, string>? }>
-- stylua: ignore
return {
  anthropic = { name = "Anthropic", base_url = "https://api.anthropic.com", gateway = { ANTHROPIC_API_BASE = "{gateway_url}", ANTHROPIC_API_KEY = "{gateway_key}", ANTHROPIC_BASE_URL = "{gateway_url}" } },
  cerebras = { name = "Cerebras", base_url = "https://api.cerebras.ai/v1" },
  deepseek = { name = "DeepSeek", base_url = "https://api.deepseek.com/v1" },
  fireworks = { name = "Fireworks", base_url = "https://api.fireworks.ai/inference/v1" },
  gemini = { name = "Google Gemini", base_url = "https://generativelanguage.googleapis.com/v1beta", gateway = { GEMINI_API_KEY = "{gateway_key}", GOOGLE_API_KEY = "{gateway_key}", GOOGLE_GEMINI_BASE_URL = "{gateway_url}" } },
  ["github-copilot"] = { name = "GitHub Copilot", base_url = "https://api.githubcopilot.com" },
  groq = { name = "Groq", base_url = "https://api.groq.com/openai/v1" },
  huggingface = { name = "Hugging Face", base_url = "https://router.huggingface.co/v1" },
  ["kimi-ai"] = { name = "Kimi Code (international)", base_url = "https://api.kimi.ai/coding/v1" },
  kimi = { name = "Kimi Code", base_url = "https://api.kimi.com/coding/v1" },
  llmgateway = { name = "LLM Gateway", base_url = "https://api.llmgateway.io/v1" },
  mistral = { name = "Mistral", base_url = "https://api.mistral.ai/v1" },
  moonshot = { name = "Moonshot AI", base_url = "https://{host}/v1" },
  nanogpt = { name = "NanoGPT", base_url = "https://nano-gpt.com/api/v1" },
  openai = { name = "OpenAI", base_url = "https://api.openai.com/v1" },
  openrouter = { name = "OpenRouter", base_url = "https://openrouter.ai/api/v1", gateway = { OPENAI_API_BASE = "{gateway_url}/v1", OPENAI_API_KEY = "{gateway_key}", OPENAI_BASE_URL = "{gateway_url}/v1", OPENROUTER_API_BASE = "{gateway_url}", OPENROUTER_API_KEY = "{gateway_key}", OPENROUTER_BASE_URL = "{gateway_url}" } },
  poe = { name = "Poe", base_url = "https://api.poe.com/v1" },
  tetrate = { name = "Tetrate Agent Router", base_url = "https://api.router.tetrate.ai/v1" },
  together = { name = "Together", base_url = "https://api.together.xyz/v1" },
  xai = { name = "xAI", base_url = "https://api.x.ai/v1" },
}

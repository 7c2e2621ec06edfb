//! The descriptions that ship with the program. To add one: the recipe in `doc/developing.md`.

/// Name and text of every built-in description, sorted by name.
pub const ALL: &[(&str, &str)] = &[
    ("anthropic", include_str!("builtin/anthropic.toml")),
    ("cerebras", include_str!("builtin/cerebras.toml")),
    ("deepseek", include_str!("builtin/deepseek.toml")),
    ("fireworks", include_str!("builtin/fireworks.toml")),
    ("gemini", include_str!("builtin/gemini.toml")),
    ("github-copilot", include_str!("builtin/github-copilot.toml")),
    ("groq", include_str!("builtin/groq.toml")),
    ("huggingface", include_str!("builtin/huggingface.toml")),
    ("kimi", include_str!("builtin/kimi.toml")),
    ("kimi-ai", include_str!("builtin/kimi-ai.toml")),
    ("llmgateway", include_str!("builtin/llmgateway.toml")),
    ("mistral", include_str!("builtin/mistral.toml")),
    ("moonshot", include_str!("builtin/moonshot.toml")),
    ("nanogpt", include_str!("builtin/nanogpt.toml")),
    ("openai", include_str!("builtin/openai.toml")),
    ("openrouter", include_str!("builtin/openrouter.toml")),
    ("poe", include_str!("builtin/poe.toml")),
    ("tetrate", include_str!("builtin/tetrate.toml")),
    ("together", include_str!("builtin/together.toml")),
    ("xai", include_str!("builtin/xai.toml")),
];

/// The text of one.
pub fn text(id: &str) -> Option<&'static str> {
    ALL.iter().find(|(name, _)| *name == id).map(|(_, text)| *text)
}

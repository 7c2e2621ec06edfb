//! The descriptions that ship with the program. To add one: a file in `builtin/`, a line here, a line of test.

/// Name and text of every built-in description, sorted by name.
pub const ALL: &[(&str, &str)] = &[
    ("anthropic", include_str!("builtin/anthropic.toml")),
    ("openrouter", include_str!("builtin/openrouter.toml")),
];

/// The text of one.
pub fn text(id: &str) -> Option<&'static str> {
    ALL.iter().find(|(name, _)| *name == id).map(|(_, text)| *text)
}

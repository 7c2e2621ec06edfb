//! The name of a login: `PROVIDER` or `PROVIDER@ACCOUNT`, `[a-z0-9][a-z0-9-]*` each, anything else refused by
//! name.

use std::fmt;
use std::str::FromStr;

use crate::error::{Code, Error, Result};

/// Longest name of a provider or an account, in bytes: it becomes part of file and keyring names.
const MAX_PART: usize = 64;

/// A checked login name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoginId {
    text: String,
    provider_len: usize,
}

impl LoginId {
    /// The login of `provider`, of the named account or of the only one.
    ///
    /// # Errors
    /// `invalid_argument` if a part is not `[a-z0-9][a-z0-9-]*` or longer than 64 bytes.
    pub fn new(provider: &str, account: Option<&str>) -> Result<Self> {
        match account {
            Some(account) => format!("{provider}@{account}").parse(),
            None => provider.parse(),
        }
    }

    /// The provider's name.
    pub fn provider(&self) -> &str {
        &self.text[..self.provider_len]
    }

    /// The account's name, if the login has one.
    pub fn account(&self) -> Option<&str> {
        self.text.get(self.provider_len + 1..)
    }

    /// `PROVIDER` or `PROVIDER@ACCOUNT`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for LoginId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (provider, account) = match text.split_once('@') {
            Some((provider, account)) => (provider, Some(account)),
            None => (text, None),
        };
        if is_name(provider) && account.is_none_or(is_name) {
            return Ok(Self { text: text.to_owned(), provider_len: provider.len() });
        }
        Err(Error::new(Code::InvalidArgument, "This is not a login name.").with_hint(
            "A login is PROVIDER or PROVIDER@ACCOUNT, each of lower-case letters, digits and `-`, such as `anthropic` or `openrouter@work`.",
        ))
    }
}

/// Whether `text` may name a provider or an account.
pub fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= MAX_PART
        && text.bytes().next().is_some_and(allowed)
        && text.bytes().all(|byte| allowed(byte) || byte == b'-')
}

impl fmt::Display for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for LoginId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for LoginId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_providers_and_accounts() {
        let login: LoginId = "github-copilot@work2".parse().unwrap();
        assert_eq!((login.provider(), login.account()), ("github-copilot", Some("work2")));
        assert_eq!("openai".parse::<LoginId>().unwrap().account(), None);
    }

    #[test]
    fn refuses_everything_else() {
        for bad in ["", "@", "a@", "@b", "A", "-a", "a@b@c", "a b", "a/b", "../x", "a\n", &"x".repeat(65)] {
            assert_eq!(bad.parse::<LoginId>().unwrap_err().code(), Code::InvalidArgument, "{bad:?}");
        }
    }
}

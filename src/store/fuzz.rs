//! Any bytes as credentials.toml and as a login's secret: what cannot be read is never taken for empty, and
//! what can be read is written the same.

use std::path::Path;

use super::index;
use crate::credential::Tokens;
use crate::error::Code;
use crate::secret::Secret;

/// The whole index.
pub fn index(data: &[u8]) {
    let path = Path::new("credentials.toml");
    let table = index::toml_of(data);
    let known = table.as_ref().and_then(|table| table.get("version")?.as_integer());
    let read = match index::parse(path, data) {
        Ok(read) => read,
        Err(error) => {
            assert_eq!(error.code(), Code::StoreUnreadable);
            assert!(error.hint().is_some());
            return;
        }
    };
    assert_eq!(known, Some(1), "read although it is no index of this version");
    let logins = table.as_ref().and_then(|table| table.get("logins")?.as_table()).map_or(0, toml::Table::len);
    assert_eq!(read.logins.len() + read.unreadable.len(), logins, "not all logins were read");
    let Ok(text) = read.encode() else { panic!("what was read cannot be written") };
    let Ok(again) = index::parse(path, text.as_bytes()) else { panic!("what was written cannot be read") };
    // Floats that are no number differ from themselves, and only a newer program's keys can hold one.
    assert!(again == read || text.contains("nan"), "what was written is not what was read");
}

/// The secret of one login.
pub fn tokens(data: &[u8]) {
    let Ok(read) = serde_json::from_slice::<Tokens>(data) else { return };
    let Ok(text) = serde_json::to_vec(&read) else { panic!("what was read cannot be written") };
    let Ok(again) = serde_json::from_slice::<Tokens>(&text) else {
        panic!("what was written cannot be read")
    };
    assert!(again == read, "what was written is not what was read");
    assert_eq!(format!("{read:?}"), format!("{:?}", without_secrets(read)), "Debug shows a secret");
}

fn without_secrets(mut tokens: Tokens) -> Tokens {
    let none = Secret::new("");
    tokens.access_token = none.clone();
    let client_secret = tokens.binding.as_mut().map(|binding| &mut binding.client_secret);
    let others = [&mut tokens.refresh_token, &mut tokens.id_token, &mut tokens.base_token];
    others.into_iter().chain(client_secret).flatten().for_each(|secret| *secret = none.clone());
    tokens
}

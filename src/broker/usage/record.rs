//! The last figures of a login, for every process: a small private file, without any secret.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::login_id::LoginId;
use crate::protocol::{UsageCredit, UsageWindow};
use crate::store::Store;

/// Figures, and when they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Whose they are.
    pub whose: String,
    /// When somebody last asked, or wrote, Unix seconds.
    pub asked_at: i64,
    /// When the provider told them, Unix seconds.
    #[serde(default)]
    pub at: Option<i64>,
    #[serde(default)]
    pub credit: Option<UsageCredit>,
    #[serde(default)]
    pub windows: Vec<UsageWindow>,
    /// What went wrong when they were asked for last.
    #[serde(default, with = "told", skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

/// An error in the file, so that whoever looks in the same minute learns why there is nothing newer.
mod told {
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    use crate::error::{Code, Error};

    #[derive(Deserialize)]
    struct Told {
        code: String,
        message: String,
        hint: Option<String>,
    }

    pub fn serialize<S: Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
        error.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Error>, D::Error> {
        let Some(Told { code, message, hint }) = Option::<Told>::deserialize(from)? else { return Ok(None) };
        let error = Error::new(Code::from_name(&code).unwrap_or(Code::ProviderError), message);
        Ok(Some(match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }))
    }
}

impl Record {
    /// One in which nothing is known yet.
    pub fn of(whose: String) -> Self {
        Self { whose, ..Self::default() }
    }
}

/// What another process has written, or this one before. What cannot be read is as good as nothing.
pub fn read(store: &Store, login: &LoginId) -> Option<Record> {
    serde_json::from_slice(&store.figures(login)?).ok()
}

/// Figures that cannot be kept are asked for again; that is all.
pub fn write(store: &Store, login: &LoginId, record: &Record) {
    let Ok(bytes) = serde_json::to_vec(record) else { return };
    if let Err(error) = store.keep_figures(login, &bytes) {
        tracing::debug!(%login, error = %error.code(), "figures of usage could not be kept: {error}");
    }
}

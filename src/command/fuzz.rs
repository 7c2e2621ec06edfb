//! Any bytes as what a command prints: a credential that can travel, or an error without a word of it.

use std::time::Duration;

use zeroize::Zeroizing;

use super::answer;
use crate::provider::{CommandCache, CommandFormat, CommandSource, Program};
use crate::text::is_credential;

/// The time of the fuzzers, Unix seconds.
const NOW: i64 = 1_800_000_000;

fn source(format: CommandFormat) -> CommandSource {
    let program = Program::new(vec!["vault".to_owned()], Duration::from_secs(1), "providers.x.command");
    CommandSource {
        program,
        format,
        ttl: 60,
        cache: CommandCache::Memory,
        kind: crate::credential::Kind::ApiKey,
    }
}

/// The output of a program.
pub fn printed(data: &[u8]) {
    for format in [CommandFormat::Text, CommandFormat::Json] {
        let source = source(format);
        let read = answer::utf8(&source.program, Zeroizing::new(data.to_vec()));
        match read.and_then(|printed| answer::credential(&source, &printed, NOW)) {
            Ok(tokens) => {
                let all = tokens.headers.values().chain([&tokens.access_token]);
                assert!(
                    all.into_iter().all(|value| is_credential(value.expose())),
                    "it cannot stand in a header"
                );
                assert!(tokens.is_fresh(NOW, 0), "it has ended already");
                // The name of a header is no secret, whatever the command calls it.
                let unnamed = |shown: String, name: &String| shown.replace(name, "");
                let shown = tokens.headers.keys().fold(format!("{tokens:?}"), unnamed);
                assert!(!shown.contains("planted"));
            }
            Err(error) => {
                assert!(error.hint().is_some() && !format!("{error:?}").contains("planted"), "{error:?}");
            }
        }
    }
}

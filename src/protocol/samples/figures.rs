//! Samples of what `usage` and `mcp` tell.

use serde_json::{Value, json};

use super::super::{ClientWay, McpServer, Usage, UsageAnswer, UsageCredit, UsageSource, UsageWindow};
use super::{END, full_error, login, pair};

fn full_credit() -> UsageCredit {
    UsageCredit { remaining: 12.5, limit: Some(20.0), unit: Some("USD".to_owned()) }
}

fn full_window() -> UsageWindow {
    UsageWindow {
        name: "5 h".to_owned(),
        used: Some(62.0),
        limit: Some(100.0),
        unit: "percent".to_owned(),
        resets_at: Some(END),
    }
}

fn usage() -> Usage {
    Usage {
        login: login(),
        source: UsageSource::Endpoint,
        at: None,
        credit: None,
        windows: Vec::new(),
        error: None,
        lines: Vec::new(),
        short: None,
    }
}

fn full_usage() -> Usage {
    Usage {
        at: Some(END),
        credit: Some(full_credit()),
        windows: vec![full_window()],
        error: Some(full_error()),
        lines: vec!["5 h              [#############.......]  62 %".to_owned()],
        short: Some("5 h 62/100".to_owned()),
        ..usage()
    }
}

fn server() -> McpServer {
    McpServer {
        provider: "my-tools".to_owned(),
        name: "My tools".to_owned(),
        resource: "https://mcp.example.com/mcp".to_owned(),
        issuer: "https://login.example.com".to_owned(),
        scopes: vec!["tools:read".to_owned()],
        client: ClientWay::Registration,
        file: "convocations.toml".to_owned(),
        added: true,
        authorization: "Bearer ${cmd: convocations token my-tools}".to_owned(),
    }
}

/// By the type's name.
pub(super) fn shapes() -> Value {
    let answer = |usage| UsageAnswer { usage: vec![usage] };
    json!({
        "Usage": pair(full_usage(), usage()),
        "UsageAnswer": pair(answer(full_usage()), answer(usage())),
        "UsageCredit": pair(full_credit(), UsageCredit { limit: None, unit: None, ..full_credit() }),
        "UsageWindow": pair(
            full_window(),
            UsageWindow { used: None, limit: None, resets_at: None, ..full_window() },
        ),
        "McpServer": pair(server(), server()),
    })
}

//! The methods of doc/rpc.md: what each takes, and whom it asks.
//!
//! Guarantees: a call of any form gets an answer; unknown fields are refused by name, and no value is repeated.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Editor;
use super::session::{Session, login, said_hello};
use crate::credential::Credential;
use crate::error::{Code, Error, Result};
use crate::login::LoginRequest;
use crate::secret::Secret;
use crate::text::short;

/// Most that an error repeats of what a call's parameters name, in characters.
const MAX_REPEATED: usize = 200;

/// The protocol that this program speaks.
pub const PROTOCOL: u64 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hello {
    protocol: u64,
    version: String,
    #[serde(default)]
    options: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaybeLogin {
    #[serde(default)]
    login: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Get {
    login: String,
    #[serde(default)]
    min_validity: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invalidate {
    login: String,
    token: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginStart {
    login: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    browser: Option<bool>,
    #[serde(default)]
    confirmed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginInput {
    id: u64,
    text: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginCancel {
    id: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneLogin {
    login: String,
}

/// Answers one call.
///
/// # Errors
/// Whatever the answer is.
pub async fn answer(editor: &Editor, method: &str, params: Value) -> Result<Value> {
    if method == "hello" {
        return hello(editor, params_of(method, params)?);
    }
    if method == "shutdown" {
        params_of::<Nothing>(method, params)?;
        editor.shut_down();
        return Ok(json!({}));
    }
    let session = said_hello(editor.session())?;
    match method {
        "providers" => {
            params_of::<Nothing>(method, params)?;
            tokio::task::spawn_blocking(move || session.providers()).await.map_err(|_| broke_off())?
        }
        "status" => status(&session, params_of(method, params)?).await,
        "get" => {
            let get: Get = params_of(method, params)?;
            hand_out(&session.broker.get(&login(&get.login)?, get.min_validity).await?)
        }
        "invalidate" => {
            let invalidate: Invalidate = params_of(method, params)?;
            hand_out(&session.broker.invalidate(&login(&invalidate.login)?, &invalidate.token).await?)
        }
        "login.start" => login_start(&session, params_of(method, params)?),
        "login.input" => {
            let input: LoginInput = params_of(method, params)?;
            session.logins.input(input.id, input.text).await.map(|()| json!({}))
        }
        "login.cancel" => {
            let cancel: LoginCancel = params_of(method, params)?;
            session.logins.cancel(cancel.id);
            Ok(json!({}))
        }
        "logout" => {
            let out: OneLogin = params_of(method, params)?;
            encode(&session.broker.logout(&login(&out.login)?).await?)
        }
        _ => Err(Error::new(Code::InvalidArgument, "There is no such method.")
            .with_hint("The plugin and the backend may be of different versions; update both.")),
    }
}

fn hello(editor: &Editor, hello: Hello) -> Result<Value> {
    if hello.protocol != PROTOCOL {
        let side = if hello.protocol > PROTOCOL { "backend" } else { "plugin" };
        let message = format!("The plugin speaks protocol {}, the backend {PROTOCOL}.", hello.protocol);
        return Err(Error::new(Code::ProtocolMismatch, message).with_hint(format!(
            "Update the {side}: run `make build` in the plugin's folder, then restart Neovim."
        )));
    }
    let _ = hello.version;
    let session = editor.begin(hello.options.as_ref())?;
    Ok(json!({
        "protocol": PROTOCOL,
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "margin": session.config.refresh.margin,
        "callback_port": session.config.callback.port,
    }))
}

async fn status(session: &Session, params: MaybeLogin) -> Result<Value> {
    let one = params.login.as_deref().map(login).transpose()?;
    let logins = session.broker.status(one.as_ref()).await?;
    let store = session.store.clone();
    let report =
        tokio::task::spawn_blocking(move || store.backend_report()).await.map_err(|_| broke_off())?;
    Ok(json!({ "logins": logins, "store": report }))
}

fn login_start(session: &Session, params: LoginStart) -> Result<Value> {
    let id = session.start_login(LoginRequest {
        login: login(&params.login)?,
        method: params.method,
        browser: params.browser.unwrap_or(true),
        confirmed: params.confirmed.unwrap_or(false),
    })?;
    Ok(json!({ "id": id }))
}

/// Reads a call's parameters. An empty Lua table arrives as an empty list.
fn params_of<T: DeserializeOwned>(method: &str, params: Value) -> Result<T> {
    let params = match params {
        Value::Null => json!({}),
        Value::Array(items) if items.is_empty() => json!({}),
        other => other,
    };
    serde_path_to_error::deserialize(params).map_err(|error| {
        let at = short(&error.path().to_string(), MAX_REPEATED);
        let place = if at == "." { String::new() } else { format!(" at `{at}`") };
        let words = error.inner().to_string();
        // serde repeats a value of the wrong type, which may be a secret; names of fields it repeats are ours.
        let known = ["unknown field", "missing field"].iter().any(|start| words.starts_with(start));
        let what = if known { short(&words, MAX_REPEATED) } else { "a value of the wrong type".to_owned() };
        Error::new(Code::InvalidArgument, format!("The call `{method}` has {what}{place}."))
            .with_hint("The plugin and the backend may be of different versions; update both.")
    })
}

/// The errors of reading the same parameters as each method's.
#[cfg(any(test, fuzzing))]
pub(super) fn errors_of_all(params: &Value) -> Vec<Error> {
    fn of<T: DeserializeOwned>(method: &str, params: &Value) -> Option<Error> {
        params_of::<T>(method, params.clone()).err()
    }
    let all = [
        of::<Hello>("hello", params),
        of::<Nothing>("providers", params),
        of::<MaybeLogin>("status", params),
        of::<Get>("get", params),
        of::<Invalidate>("invalidate", params),
        of::<LoginStart>("login.start", params),
        of::<LoginInput>("login.input", params),
        of::<LoginCancel>("login.cancel", params),
        of::<OneLogin>("logout", params),
    ];
    all.into_iter().flatten().collect()
}

fn hand_out(credential: &Credential) -> Result<Value> {
    credential.log_handed_out();
    encode(credential)
}

fn encode(data: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(data).map_err(|_| broke_off())
}

fn broke_off() -> Error {
    Error::new(Code::BackendCrashed, "The call ended unexpectedly.")
        .with_hint("The log file tells where; try again.")
}

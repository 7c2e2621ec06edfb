//! The methods of doc/rpc.md: whom each asks.
//!
//! Guarantees: a call of any form gets an answer; unknown fields are refused by name, and no value is
//! repeated.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Editor;
use super::session::{Session, said_hello};
use crate::broker;
use crate::error::{Code, Error, Result};
use crate::login::{self, LoginRequest};
use crate::protocol::{
    Call, Changed, Credential, Hello, HelloAnswer, LoginStart, LoginStarted, Nothing, PROTOCOL, Params,
    ReadParams, Status, StatusAnswer,
};
use crate::store::Store;
use crate::text::short;
use crate::wording::Face;

/// Most that an error repeats of what a call's parameters name, in characters.
const MAX_REPEATED: usize = 200;

/// Answers one call.
///
/// # Errors
/// Whatever the answer is.
pub async fn answer(editor: &Editor, method: &str, params: Value) -> Result<Value> {
    let call = read(method, params).unwrap_or_else(|| Err(no_such_method()))?;
    match call {
        Call::Hello(params) => return encode::<Hello>(hello(editor, &params)),
        Call::Shutdown(_) => {
            editor.shut_down();
            return encode::<crate::protocol::Shutdown>(Ok(Nothing {}));
        }
        _ => {}
    }
    let session = said_hello(editor.session())?;
    // Apart, for its size: what holds it is copied more than once before it runs.
    Box::pin(ask(&session, call)).await
}

/// Asks a session.
async fn ask(session: &std::sync::Arc<Session>, call: Call) -> Result<Value> {
    use crate::protocol::{
        AgentAnswer, AgentAnswered, AgentOpen, AgentRevoke, CommandCancel, GatewayOpen, Get, Invalidate,
        LoginCancel, LoginInput, Logout, Providers, UsageOf,
    };
    match call {
        Call::Hello(_) | Call::Shutdown(_) => Err(broke_off()),
        Call::Providers(_) => {
            let config = session.config.clone();
            let list = session.store.run(move |store| broker::providers(&config, store));
            encode::<Providers>(list.await?)
        }
        Call::Status(params) => encode::<Status>(status(session, &params).await),
        Call::Get(get) => {
            encode::<Get>(handed_out(session.broker.get(&get.login.parse()?, get.min_validity).await))
        }
        Call::Invalidate(params) => {
            let newer = session.broker.invalidate(&params.login.parse()?, &params.token).await;
            encode::<Invalidate>(handed_out(newer))
        }
        Call::UsageOf(params) => encode::<UsageOf>(session.broker.usage(&params.login.parse()?).await),
        Call::LoginStart(params) => encode::<LoginStart>(login_start(session, params).await),
        Call::LoginInput(input) => {
            encode::<LoginInput>(session.logins.input(input.id, input.text).await.map(|()| Nothing {}))
        }
        Call::LoginCancel(params) => {
            session.logins.cancel(params.id);
            encode::<LoginCancel>(Ok(Nothing {}))
        }
        Call::CommandCancel(_) => {
            session.broker.cancel_commands();
            encode::<CommandCancel>(Ok(Nothing {}))
        }
        Call::GatewayOpen(params) => {
            encode::<GatewayOpen>(session.gateway.open(params, session.forwarder()).await)
        }
        Call::AgentOpen(params) => encode::<AgentOpen>(session.agent.open(params, session.home()).await),
        Call::AgentAnswer(params) => {
            encode::<AgentAnswer>(Ok(AgentAnswered { taken: session.agent.answer(&params) }))
        }
        Call::AgentRevoke(params) => {
            encode::<AgentRevoke>(session.agent.revoke(&params.id).await.map(|()| Nothing {}))
        }
        Call::Logout(params) => encode::<Logout>(session.broker.logout(&params.login.parse()?).await),
    }
}

fn hello(editor: &Editor, hello: &Hello) -> Result<HelloAnswer> {
    if hello.protocol != PROTOCOL {
        let hint = if hello.protocol > PROTOCOL {
            "Update the backend: `:ConvLogin` offers it, or run `make build` in the plugin's folder."
        } else {
            "Update the plugin, then restart Neovim."
        };
        let message = format!("The plugin speaks protocol {}, the backend {PROTOCOL}.", hello.protocol);
        return Err(Error::new(Code::ProtocolMismatch, message).with_hint(hint));
    }
    let session = editor.begin(hello.options.as_ref())?;
    Ok(HelloAnswer {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        margin: session.config.refresh.margin,
        callback_port: session.config.callback.port,
        no_browser: login::obstacle(),
    })
}

async fn status(session: &Session, params: &Status) -> Result<StatusAnswer> {
    let one = params.login.as_deref().map(str::parse).transpose()?;
    let Changed { logins, seq } = session.broker.picture(one.as_ref()).await?;
    let store = session.store.run(Store::backend_report).await?;
    let gateway = session.gateway.report().await;
    let (grants, lender) = (session.agent.all().await, session.broker.lender_report());
    Ok(StatusAnswer { logins, seq: Some(seq), store, gateway, grants, lender })
}

async fn login_start(session: &Session, params: LoginStart) -> Result<LoginStarted> {
    let login = params.login.parse()?;
    session.broker.check_kept_here(&login).await?;
    let id = session.start_login(LoginRequest {
        login,
        method: params.method,
        browser: params.browser.unwrap_or(true),
        confirmed: params.confirmed.unwrap_or(false),
        challenge: params.challenge,
        place: Face::Editor,
        organization: params.organization,
    })?;
    Ok(LoginStarted { id })
}

/// Reads a call; `None` if there is no such method.
pub(super) fn read(method: &str, params: Value) -> Option<Result<Call>> {
    Call::read(method, Reader { method, params })
}

/// Parameters as they came. An empty Lua table arrives as an empty list.
struct Reader<'a> {
    method: &'a str,
    params: Value,
}

impl ReadParams<Error> for Reader<'_> {
    fn read<T: Params>(self) -> Result<T> {
        let params = match self.params {
            Value::Null => json!({}),
            Value::Array(items) if items.is_empty() => json!({}),
            other => other,
        };
        params_of(self.method, params)
    }
}

fn params_of<T: DeserializeOwned>(method: &str, params: Value) -> Result<T> {
    serde_path_to_error::deserialize(params).map_err(|error| {
        let at = short(&error.path().to_string(), MAX_REPEATED);
        let place = if at == "." { String::new() } else { format!(" at `{at}`") };
        let words = error.inner().to_string();
        // serde repeats a value of the wrong type, which may be a secret; names of fields it repeats are
        // ours.
        let known = ["unknown field", "missing field"].iter().any(|start| words.starts_with(start));
        let what = if known { short(&words, MAX_REPEATED) } else { "a value of the wrong type".to_owned() };
        Error::new(Code::InvalidArgument, format!("The call `{method}` has {what}{place}."))
            .with_hint("The plugin and the backend may be of different versions; update both.")
    })
}

/// An answer, which is of the type that the method's declaration says.
fn encode<P: Params>(answer: Result<P::Answer>) -> Result<Value> {
    serde_json::to_value(answer?).map_err(|_| broke_off())
}

fn handed_out(credential: Result<Credential>) -> Result<Credential> {
    credential.inspect(Credential::log_handed_out)
}

fn no_such_method() -> Error {
    Error::new(Code::InvalidArgument, "There is no such method.")
        .with_hint("The plugin and the backend may be of different versions; update both.")
}

fn broke_off() -> Error {
    Error::new(Code::BackendCrashed, "The call ended unexpectedly.")
        .with_hint("The log file tells where; try again.")
}

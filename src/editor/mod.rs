//! The msgpack-RPC face of Neovim: `convocations rpc` (`doc/rpc.md`).
//!
//! Guarantees: every call gets exactly one reply, a panic's too; nothing but the protocol reaches standard
//! output; only notifications are sent; at the end of standard input, or at a signal, the logins under way
//! are cancelled, refreshes under way are finished (bounded), and the process ends. Never sees HTTP or files.

mod agent;
mod call;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod gateway;
mod harden;
mod rpc_sender;
mod session;
mod stdio;
mod value;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nvim_rs::{Handler, Neovim, Value};
use tokio::sync::Notify;

pub use harden::{harden, restore_limits};

use crate::error::{Code, Error, Result};
use crate::login::Logins;
use crate::paths::Paths;
use crate::signals;
use crate::store;
use crate::tasks;
use crate::text::short;
use agent::EditorAgent;
use gateway::EditorGateway;
use rpc_sender::RpcSender;
use session::Session;

/// Time for what was answered last to reach Neovim.
const FLUSH_TIME: Duration = Duration::from_millis(500);

/// Time for the first token to be asked for: a keyring's bus that was greeted for it is left then.
const FOR_FIRST_TOKEN: Duration = Duration::from_secs(2);

/// Most that the log repeats of a method's name, in characters.
const MAX_METHOD: usize = 32;

/// One editor at the other end of the pipe. Cheap to clone.
#[derive(Clone)]
pub struct Editor(Arc<Inner>);

struct Inner {
    paths: Paths,
    sender: RpcSender,
    logins: Logins,
    gateway: EditorGateway,
    agent: EditorAgent,
    session: Mutex<Option<Arc<Session>>>,
    end: Notify,
}

/// Serves until Neovim closes the pipe or says `shutdown`.
pub fn run(paths: &Paths) -> ExitCode {
    harden::share_heap();
    store::greet_keyring_bus(&paths.index_file());
    let runtime = match tasks::runtime() {
        Ok(runtime) => runtime,
        Err(_) => return failed("The runtime cannot be started."),
    };
    // In a box for its size, which the stack would hold more than once.
    let code = runtime.block_on(Box::pin(serve(paths.clone())));
    // A keyring that hangs holds a thread; the exit does not wait for it.
    runtime.shutdown_background();
    code
}

async fn serve(paths: Paths) -> ExitCode {
    let (input, output) = match stdio::take() {
        Ok(both) => both,
        Err(_) => return failed("Standard input or output is not a pipe; `rpc` is what Neovim starts."),
    };
    let (sender, pump) = RpcSender::new(output);
    let pump = tasks::spawn(pump);
    let inner = Inner {
        agent: EditorAgent::new(&paths, sender.clone()),
        paths,
        sender: sender.clone(),
        logins: Logins::default(),
        gateway: EditorGateway::default(),
        session: Mutex::default(),
        end: Notify::new(),
    };
    let editor = Editor(Arc::new(inner));
    tasks::spawn(async {
        tokio::time::sleep(FOR_FIRST_TOKEN).await;
        store::leave_keyring_bus();
    });
    tracing::info!("started");
    let (neovim, io) = Neovim::new(input, sender, editor.clone());
    tokio::select! {
        // How it ended is not told: the error holds what was read last.
        _ = io => tracing::info!("end of input"),
        () = signals::asked_to_end() => tracing::info!("asked to end by a signal"),
        () = editor.0.end.notified() => tracing::info!("shutdown"),
    }
    editor.finish().await;
    drop((neovim, editor));
    let _ = tokio::time::timeout(FLUSH_TIME, pump).await;
    ExitCode::SUCCESS
}

fn failed(text: &str) -> ExitCode {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
    tracing::error!("{text}");
    ExitCode::from(2)
}

impl Editor {
    fn session(&self) -> Option<Arc<Session>> {
        self.0.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A new session with these options.
    fn begin(&self, options: Option<&serde_json::Value>) -> Result<Arc<Session>> {
        // An empty Lua table arrives as an empty list.
        let options = options.filter(|options| options.as_array().is_none_or(|list| !list.is_empty()));
        let gateway = self.0.gateway.clone();
        let (logins, sender, before) = (self.0.logins.clone(), self.0.sender.clone(), self.session());
        let agent = self.0.agent.clone();
        let session = Session::start(
            &self.0.paths,
            options,
            logins,
            gateway.clone(),
            agent,
            sender,
            before.as_deref(),
        )?;
        let session = Arc::new(session);
        self.0.agent.reconfigure(session.broker.clone(), session.config.clone());
        let forwarder = session.forwarder();
        tasks::spawn(async move { gateway.reconfigure(forwarder).await });
        *self.0.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
        Ok(session)
    }

    fn shut_down(&self) {
        self.0.end.notify_one();
    }

    /// Leaves nothing half done behind: no listener, no lock, no refresh without its answer stored.
    async fn finish(&self) {
        self.0.logins.cancel_all();
        self.0.agent.end();
        if let Some(session) = self.session() {
            session.broker.finish_in_flight().await;
        }
    }

    async fn call(self, id: u64, method: String, params: Value) {
        let editor = self.clone();
        let task = tasks::spawn(async move {
            let params = value::to_json(params).ok_or_else(|| {
                Error::new(Code::InvalidArgument, "The call's parameters are of a form that is not known.")
            })?;
            call::answer(&editor, &method, params).await
        });
        // A panic ends the task and not the backend; the hook has logged its place.
        let result = task.await.unwrap_or_else(|_| {
            Err(Error::new(Code::BackendCrashed, "The call ended unexpectedly.")
                .with_hint("The log file tells where; try again."))
        });
        self.0.sender.reply(id, result.map(value::from_json));
    }
}

#[async_trait::async_trait]
impl Handler for Editor {
    type Writer = RpcSender;

    async fn handle_request(&self, _: String, _: Vec<Value>, _: Neovim<RpcSender>) -> Result<Value, Value> {
        Err(Value::from("Calls are notifications; doc/rpc.md describes them."))
    }

    /// nvim-rs awaits this before it reads on: everything longer goes into a task.
    async fn handle_notify(&self, name: String, args: Vec<Value>, _: Neovim<RpcSender>) {
        if name != "call" {
            return;
        }
        let mut args = args.into_iter();
        let (id, method, params) = (args.next(), args.next(), args.next());
        let Some(id) = id.as_ref().and_then(Value::as_u64) else { return };
        let Some(Value::String(method)) = method else {
            let error = Error::new(Code::InvalidArgument, "A call needs a method's name.");
            return self.0.sender.reply(id, Err(error));
        };
        let method = method.into_str().unwrap_or_default();
        tracing::debug!(id, method = short(&method, MAX_METHOD), "called");
        tasks::spawn(self.clone().call(id, method, params.unwrap_or(Value::Nil)));
    }
}

//! What one editor lends: its grants are served by its backend and end with it, and the person is asked in
//! the editor.
//!
//! Guarantees: the editor hears of each change of what is asked; at the end no socket stays. Knows no HTTP.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::rpc_sender::RpcSender;
use crate::agent::{Agent, Door, End, Home, Terms, lendable};
use crate::broker::Broker;
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::paths::Paths;
use crate::protocol::{
    AgentAnswer, AgentOpen, AgentOpened, EditorGrants, Event, GrantPower, GrantQuestions, GrantReport,
};
use crate::tasks;

/// What one editor lends. Cheap to clone; it outlives a new `hello`.
#[derive(Clone)]
pub struct EditorAgent(Arc<Inner>);

struct Inner {
    paths: Paths,
    sender: RpcSender,
    lending: Mutex<Option<Lending>>,
}

/// Once something is lent.
struct Lending {
    agent: Agent,
    home: Home,
    /// Ends all grants when dropped.
    stop: watch::Sender<bool>,
}

impl EditorAgent {
    /// Nothing is lent yet.
    pub fn new(paths: &Paths, sender: RpcSender) -> Self {
        Self(Arc::new(Inner { paths: paths.clone(), sender, lending: Mutex::default() }))
    }

    /// Lends logins of `home` at a socket.
    ///
    /// # Errors
    /// `invalid_argument`, `busy`, `not_logged_in`, `unknown_login`, `provider_refused`.
    pub async fn open(&self, params: AgentOpen, home: Home) -> Result<AgentOpened> {
        let named: Vec<LoginId> = params.logins.iter().map(|name| name.parse()).collect::<Result<_>>()?;
        let settled = home.settled();
        let logins = lendable(&settled.broker, &settled.config, &named).await?.logins;
        let terms = terms(&params, logins, home.clock().now());
        let door = door(&params)?;
        let address = door.address();
        let (agent, stopped) = self.begin(home);
        let grant = match &params.id {
            Some(id) => agent.grant_again(id, terms, &door)?,
            None => agent.grant(terms, &door)?,
        };
        let id = grant.id().to_owned();
        tell(&self.0.sender, &agent);
        let sender = self.0.sender.clone();
        tasks::spawn(async move {
            // What ends with us is served again by the next backend; anything else has ended for good.
            if agent.serve(&grant, door, stopped).await != End::Stopped {
                tell(&sender, &agent);
            }
        });
        Ok(AgentOpened { id, address })
    }

    /// Answers what is asked; `false` if it is no longer asked, or too new to have been read.
    pub fn answer(&self, answer: &AgentAnswer) -> bool {
        let agent = self.lending().as_ref().map(|lending| lending.agent.clone());
        agent.is_some_and(|agent| agent.questions().answer(answer.id, answer.answer))
    }

    /// Every grant of this user, whichever process serves it.
    pub async fn all(&self) -> Vec<GrantReport> {
        crate::agent::all(&self.0.paths).await
    }

    /// Ends a grant, whichever process serves it.
    ///
    /// # Errors
    /// `invalid_argument` if there is none of this name.
    pub async fn revoke(&self, id: &str) -> Result<()> {
        crate::agent::revoke(&self.0.paths, id).await
    }

    /// Goes on with other settings.
    pub fn reconfigure(&self, broker: Broker, config: Config) {
        if let Some(lending) = self.lending().as_ref() {
            lending.home.reconfigure(broker, config);
        }
    }

    /// Ends all that is lent.
    pub fn end(&self) {
        if let Some(lending) = self.lending().take() {
            lending.stop.send_replace(true);
        }
    }

    fn begin(&self, home: Home) -> (Agent, watch::Receiver<bool>) {
        let mut lending = self.lending();
        let lending = lending.get_or_insert_with(|| {
            let agent = Agent::new(&self.0.paths, home.clone());
            tasks::spawn(pass_on(agent.questions().clone(), self.0.sender.clone()));
            Lending { agent, home, stop: watch::Sender::new(false) }
        });
        (lending.agent.clone(), lending.stop.subscribe())
    }

    fn lending(&self) -> MutexGuard<'_, Option<Lending>> {
        self.0.lending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn terms(params: &AgentOpen, logins: BTreeSet<LoginId>, now: i64) -> Terms {
    Terms {
        label: Terms::label(params.label.as_deref(), "whoever opens it"),
        logins,
        power: if params.token { GrantPower::Token } else { GrantPower::Use },
        lasting: params.lasting,
        ends: params.duration.map(|seconds| now.saturating_add(i64::from(seconds))),
        confirm: params.confirm,
    }
}

#[cfg(unix)]
fn door(params: &AgentOpen) -> Result<Door> {
    if params.lasting && !params.token {
        return Err(Error::new(Code::InvalidArgument, "`lasting` is of no use without `token`.")
            .with_hint("Set both, or neither."));
    }
    Door::unix(std::path::Path::new(&params.socket))
}

#[cfg(not(unix))]
fn door(_: &AgentOpen) -> Result<Door> {
    Err(Error::new(Code::InvalidArgument, "This system has no unix sockets that this program can use.")
        .with_hint("Run `convocations agent --listen 127.0.0.1:0` in a terminal."))
}

/// Tells the editor what it lends.
fn tell(sender: &RpcSender, agent: &Agent) {
    sender.event(&Event::Lent(EditorGrants { grants: agent.reports() }));
}

/// Tells the editor what is asked, at each change.
async fn pass_on(questions: crate::agent::Questions, sender: RpcSender) {
    let mut changes = questions.changes();
    while changes.changed().await.is_ok() {
        sender.event(&Event::Question(GrantQuestions { questions: questions.open() }));
    }
}

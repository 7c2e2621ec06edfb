//! What a `hello` set up: settings, store, broker and logins for one editor.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::agent::EditorAgent;
use super::gateway::EditorGateway;
use super::rpc_sender::RpcSender;
use crate::agent::Home;
use crate::broker::{self, Broker};
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::gateway::Forwarder;
use crate::login::{LoginRequest, Logins};
use crate::paths::Paths;
use crate::protocol::{Event, Level, LoginEvent, Notice, Stage};
use crate::remote::Agent;
use crate::services::Services;
use crate::store::Store;
use crate::tasks;
use crate::wording::Face;

/// One editor's session. A later `hello` makes a new one, which goes on with this one's refreshes.
pub struct Session {
    /// Settings.
    pub config: Config,
    /// Where logins are kept.
    pub store: Store,
    /// Hands out credentials.
    pub broker: Broker,
    /// Logins under way; they outlive a new `hello`.
    pub logins: Logins,
    /// The editor's gateway; it outlives a new `hello` too.
    pub gateway: EditorGateway,
    /// What the editor lends, likewise.
    pub agent: EditorAgent,
    services: Services,
    sender: RpcSender,
    background: Vec<JoinHandle<()>>,
}

impl Session {
    /// Reads the settings and starts the background work. Touches no keyring.
    ///
    /// # Errors
    /// `config_invalid`.
    pub fn start(
        paths: &Paths,
        options: Option<&Value>,
        logins: Logins,
        gateway: EditorGateway,
        agent: EditorAgent,
        sender: RpcSender,
        before: Option<&Self>,
    ) -> Result<Self> {
        let config = Config::load(paths, options)?;
        config.problems().iter().for_each(|problem| tell(&sender, problem.clone()));
        let store = Store::new(paths, &config.store);
        let lender = Agent::from_env()?;
        let services = Services { agent: lender, ..Services::new(config.clone(), store.clone()) };
        let broker = match before {
            Some(before) => before.broker.reconfigured(services.clone()),
            None => Broker::new(services.clone()),
        };
        let events = tasks::spawn(pass_on(broker.clone(), store.clone(), sender.clone()));
        let background = vec![broker.run_background(), events];
        Ok(Self { config, store, broker, logins, gateway, agent, services, sender, background })
    }

    /// Sends the gateway's requests by this session's settings.
    pub fn forwarder(&self) -> Forwarder {
        Forwarder::new(self.broker.clone(), self.config.clone(), Face::Editor)
    }

    /// The logins of this machine by this session's settings.
    pub fn home(&self) -> Home {
        Home::new(self.broker.clone(), self.config.clone(), self.services.clock.clone())
    }

    /// Begins a login, whose events go to the editor.
    ///
    /// # Errors
    /// As for [`Logins::start`].
    pub fn start_login(&self, request: LoginRequest) -> Result<u64> {
        let (sender, mut events) = mpsc::unbounded_channel::<LoginEvent>();
        let id = self.logins.start(&self.services.interactive(), request, sender)?;
        let (sender, broker) = (self.sender.clone(), self.broker.clone());
        tasks::spawn(async move {
            while let Some(event) = events.recv().await {
                if matches!(event.stage, Stage::Done { .. }) {
                    // The new credential and state are there before the editor hears of the end.
                    broker.login_changed(&event.login).await;
                }
                sender.event(&Event::Login(Box::new(event)));
            }
        });
        Ok(id)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for task in &self.background {
            task.abort();
        }
    }
}

/// Tells a mistake in the settings, which fails nothing but what it is about.
fn tell(sender: &RpcSender, error: Error) {
    sender.event(&Event::Log(Notice { level: Level::Warn, error, login: None }));
}

/// Sends the broker's events, and the store's warnings, to the editor.
async fn pass_on(broker: Broker, store: Store, sender: RpcSender) {
    let mut events = broker.subscribe();
    loop {
        match events.recv().await {
            Ok(broker::Event::Credential(credential)) => sender.event(&Event::Credential(credential)),
            Ok(broker::Event::Changed(changed)) => sender.event(&Event::Changed(changed)),
            Ok(broker::Event::Notice(notice)) => sender.event(&Event::Log(notice)),
            Ok(broker::Event::Waiting(waiting)) => sender.event(&Event::Waiting(waiting)),
            // Too slow to hear all of it: the state of now makes up for what was missed.
            Err(RecvError::Lagged(_)) => broker.tell_all().await,
            Err(RecvError::Closed) => return,
        }
        for text in store.take_warnings() {
            let error = Error::new(Code::StoreUnwritable, text);
            // Something that was dealt with: no error of the login that it happened to.
            sender.event(&Event::Log(Notice { level: Level::Info, error, login: None }));
        }
    }
}

/// The session, or what to say to a call that comes before `hello`.
pub fn said_hello(session: Option<Arc<Session>>) -> Result<Arc<Session>> {
    session.ok_or_else(|| {
        Error::new(Code::InvalidArgument, "The first call must be `hello`.")
            .with_hint("The plugin and the backend may be of different versions; update both.")
    })
}

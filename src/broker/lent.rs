//! Logins that another machine lends (`CONVOCATIONS_AGENT`): they go before everything of this machine's.
//!
//! Guarantees: while it is not known what is lent, no login is taken for this machine's own, so that a broken
//! connection never moves a person to another account or another bill; what was handed out is kept in memory
//! alone; a connection that breaks is told once, and once when it is back.

use std::time::Duration;

use super::{Broker, Event};
use crate::error::{Code, Error, Level, Result};
use crate::login_id::LoginId;
use crate::protocol::{Credential, LenderReport, Notice};
use crate::remote::{Agent, Known};
use crate::secret::Secret;
use crate::tasks;

/// How often the agent is asked how things are, by a process that somebody listens to: while all is well, and
/// while it cannot be reached.
const LOOK_EVERY: Duration = Duration::from_secs(30);
const LOOK_FOR_IT_EVERY: Duration = Duration::from_secs(2);

/// Who wants a token that is lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Somebody who waits for it.
    Now,
    /// Nobody yet (rule 6).
    Ahead,
}

impl Broker {
    /// The agent, where it lends this login.
    ///
    /// # Errors
    /// If it cannot be asked, and has not said before that it does not.
    pub async fn lender(&self, login: &LoginId) -> Result<Option<&Agent>> {
        let Some(agent) = &self.0.agent else { return Ok(None) };
        let before = agent.known();
        let lends = agent.lends(login).await;
        self.note_agent(agent, &before).await;
        Ok(lends?.then_some(agent))
    }

    /// Whether a login can be made, changed or removed here.
    ///
    /// # Errors
    /// `invalid_argument` if another machine keeps it, with that machine's name; as for [`Broker::lender`].
    pub async fn check_kept_here(&self, login: &LoginId) -> Result<()> {
        let Some(agent) = self.lender(login).await? else { return Ok(()) };
        let message = format!("The login `{login}` is kept on {} and only lent here.", agent.shown());
        Err(Error::new(Code::InvalidArgument, message)
            .with_hint("Log in or out there, in Neovim or at a terminal of it."))
    }

    /// A credential of a login that is lent.
    pub(super) async fn borrow(
        &self,
        agent: &Agent,
        login: &LoginId,
        min_validity: Option<i64>,
        rejected: Option<Secret>,
        asked: Asked,
    ) -> Result<Credential> {
        let before = agent.known();
        let borrowed = agent.token(login, min_validity, rejected).await;
        self.note_agent(agent, &before).await;
        let credential = borrowed?;
        self.cache().keep(&credential, Some(self.0.store.stamp()), asked == Asked::Now);
        Ok(credential)
    }

    /// What is known of the machine that lends logins, if one is named.
    pub fn lender_report(&self) -> Option<LenderReport> {
        let agent = self.0.agent.as_ref()?;
        let Known { offer, trouble, .. } = agent.known();
        let offer = offer.as_deref();
        Some(LenderReport {
            address: agent.address().shown(),
            home: offer.map(|offer| offer.home.clone()),
            label: offer.map(|offer| offer.label.clone()).filter(|label| !label.is_empty()),
            power: offer.map(|offer| offer.power),
            ends: offer.and_then(|offer| offer.ends),
            problem: trouble,
        })
    }

    /// Asks the agent, if there is one, how things are.
    pub(super) async fn look_at_agent(&self) {
        let Some(agent) = &self.0.agent else { return };
        let before = agent.known();
        // What came of it is known from now on.
        let _ = agent.look().await;
        self.note_agent(agent, &before).await;
    }

    /// At each tick: asks when it is time, so that the end of a grant shows, and a connection that is back.
    pub(super) fn look_at_agent_in_time(&self) {
        let Some(agent) = &self.0.agent else { return };
        let known = agent.known();
        let every = if known.trouble.is_some() { LOOK_FOR_IT_EVERY } else { LOOK_EVERY };
        if known.age().is_none_or(|age| age >= every)
            && let Some(turn) = agent.turn_to_look()
        {
            let broker = self.clone();
            tasks::spawn(async move {
                broker.look_at_agent().await;
                drop(turn);
            });
        }
    }

    /// Whether a token of it may be asked for ahead of time: not while the agent cannot be reached, which is
    /// looked at by itself, and not where a person would be asked though nobody has asked for anything.
    pub(super) fn borrows_ahead(&self) -> bool {
        let Some(Known { offer, trouble, .. }) = self.0.agent.as_ref().map(Agent::known) else {
            return false;
        };
        trouble.is_none() && offer.is_some_and(|offer| !offer.confirm)
    }

    /// A newer token of a login that is lent, before anybody needs it.
    ///
    /// # Errors
    /// As for [`Broker::borrow`].
    pub(super) async fn borrow_ahead(&self, old: &Credential, seconds: i64) -> Result<Credential> {
        match self.lender(&old.login).await? {
            Some(agent) => self.borrow(agent, &old.login, Some(seconds), None, Asked::Ahead).await,
            // It is lent no longer: whoever asks next is told.
            None => Ok(old.clone()),
        }
    }

    /// Tells what is different from before, and that before whoever asked is answered: what a refusal is
    /// about is known by then.
    async fn note_agent(&self, agent: &Agent, before: &Known) {
        let now = agent.known();
        if now.says_the_same(before) {
            return;
        }
        match (&before.trouble, &now.trouble) {
            (None, Some(trouble)) => self.tell_of_agent(Level::Warn, trouble.clone()),
            (Some(before), None) => {
                let text = format!("The logins of {} can be used again.", agent.shown());
                self.tell_of_agent(Level::Info, Error::new(before.code(), text));
            }
            _ => {}
        }
        self.tell_all().await;
    }

    fn tell_of_agent(&self, level: Level, error: Error) {
        tracing::info!(error = %error.code(), "agent: {error}");
        self.tell(Event::Notice(Notice { level, error, login: None }));
    }
}

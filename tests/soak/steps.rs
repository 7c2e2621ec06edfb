//! What happens: time passes, programs ask, providers fail, people log in and out, processes come and go.

use std::time::Duration;

use convocations::error::{Code, Error};
use convocations::login_id::LoginId;
use convocations::protocol::Credential;
use rand::RngExt;
use serde_json::{Value, json};

use crate::common::fault;
use crate::world::{LOGINS, World, about};

type Answer = (LoginId, Result<Credential, Error>);

impl World {
    pub async fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..25 => {
                let seconds = self.random.random_range(1..45);
                self.advance(seconds);
            }
            25..26 => self.sleep(),
            26..27 => self.set_clock(),
            27..60 => self.ask_at_once().await,
            60..68 => self.refuse_tokens().await,
            68..90 => self.plant_fault(),
            90..93 => self.sandbox.no_faults(),
            93..95 => self.replace_process().await,
            95..97 => self.log_out_while_others_ask().await,
            97..99 => self.log_in_while_others_ask().await,
            _ => {
                self.count("ended");
                let (_, _, provider, _) = about(&self.login());
                self.sandbox.expire(provider);
            }
        }
    }

    fn login(&mut self) -> LoginId {
        let index = self.random.random_range(0..LOGINS.len());
        LOGINS[index].0.parse().unwrap()
    }

    /// The machine is closed for the night.
    fn sleep(&mut self) {
        self.count("sleep");
        self.advance(8 * 3600);
    }

    /// Somebody sets this machine's clock, or sets it right again.
    fn set_clock(&mut self) {
        self.count("clock set");
        let skew = if self.skew == 0 { [-43_200, 43_200][self.random.random_range(0..2)] } else { 0 };
        self.clock.advance(skew - self.skew);
        self.skew = skew;
    }

    /// Several programs ask several processes, all at once.
    async fn ask_at_once(&mut self) {
        let mut asked = Vec::new();
        for _ in 0..self.random.random_range(1..7) {
            let (login, process) = (self.login(), self.random.random_range(0..self.processes.len()));
            let broker = self.processes[process].broker.clone();
            asked.push(tokio::spawn(async move { (login.clone(), broker.get(&login, None).await) }));
        }
        for answer in asked {
            let answer = answer.await.unwrap();
            self.judge(answer);
        }
    }

    /// An API answers 401: everybody who holds the token says so.
    async fn refuse_tokens(&mut self) {
        let login = self.login();
        let Ok(Some(stored)) = self.store().read(&login) else { return };
        let mut asked = Vec::new();
        for process in &self.processes {
            let (broker, login) = (process.broker.clone(), login.clone());
            let token = stored.tokens.access_token.clone();
            asked.push(tokio::spawn(async move { (login.clone(), broker.invalidate(&login, &token).await) }));
        }
        self.count("refused token");
        for answer in asked {
            let answer = answer.await.unwrap();
            self.judge(answer);
        }
    }

    fn plant_fault(&mut self) {
        let (_, _, _, route) = about(&self.login());
        // One that takes the whole time limit, twice, is rarer.
        let fault = match self.random.random_range(0..200) {
            0 if self.patient => fault::hang(),
            other => FAULTS[other % FAULTS.len()](),
        };
        let grant = if route.starts_with("github") { Value::Null } else { json!("refresh_token") };
        let times = self.random.random_range(1..4);
        self.sandbox.plant(json!({ "route": route, "grant": grant, "times": times, "fault": fault }));
        self.count("fault");
    }

    /// A process ends as an editor does, and another one starts.
    async fn replace_process(&mut self) {
        let index = self.random.random_range(0..self.processes.len());
        let new = self.process();
        let old = std::mem::replace(&mut self.processes[index], new);
        if self.random.random() {
            old.broker.finish_in_flight().await;
        }
        self.count("new process");
    }

    async fn log_out_while_others_ask(&mut self) {
        let login = self.login();
        let (asking, broker) = (self.others_ask(&login), self.processes[0].broker.clone());
        let out = broker.logout(&login).await;
        self.truth.logged_out(&login);
        assert!(out.is_ok() || out.as_ref().is_err_and(|error| error.code() == Code::NotLoggedIn), "{out:?}");
        for answer in asking {
            let _ = answer.await.unwrap();
        }
        assert!(self.store().read(&login).unwrap().is_none(), "{login} is back after its logout");
        self.count("logout");
        self.log_in(&login);
    }

    async fn log_in_while_others_ask(&mut self) {
        let login = self.login();
        let asking = self.others_ask(&login);
        self.log_in(&login);
        for answer in asking {
            let _ = answer.await.unwrap();
        }
        self.count("login");
    }

    fn others_ask(&self, login: &LoginId) -> Vec<tokio::task::JoinHandle<Answer>> {
        let ask = |process: &crate::world::Process| {
            let (broker, login) = (process.broker.clone(), login.clone());
            tokio::spawn(async move { (login.clone(), broker.get(&login, None).await) })
        };
        self.processes.iter().map(ask).collect()
    }

    /// What was handed out is good by the clock here and stored; what was not has a reason that passes, or
    /// one that the check after the step will look into.
    fn judge(&mut self, (login, answer): Answer) {
        match answer {
            Ok(credential) => {
                self.count("token");
                let now = self.clock.now();
                let (end, skew) = (credential.expires_at, self.skew);
                assert!(end.is_none_or(|end| end > now), "{login}: {end:?} is over at {now}, skew {skew}");
                let stored = self.store().read(&login).unwrap().unwrap().entry;
                assert!(stored.revision >= credential.revision, "{login}: handed out before it was stored");
            }
            Err(error) if error.code() == Code::LoginExpired => self.count("expired"),
            Err(error) => {
                let passing = error.is_transient() || error.code() == Code::ProviderRefused;
                assert!(passing, "{login}: {error:?}");
                self.count("failure");
            }
        }
    }

    /// After all: with nothing in the way, every login gives a token, if need be after its person logged in
    /// again.
    pub async fn everybody_gets_a_token(&mut self) {
        for (name, ..) in LOGINS {
            let login: LoginId = name.parse().unwrap();
            // A new process: the old ones leave a failing provider alone for a while.
            let process = self.process();
            let end = tokio::time::Instant::now() + Duration::from_secs(60);
            while let Err(error) = process.broker.get(&login, None).await {
                assert!(tokio::time::Instant::now() < end, "{login}: {error:?}");
                if error.code() == Code::LoginExpired {
                    self.log_in(&login);
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// What providers and networks do.
const FAULTS: &[fn() -> Value] = &[
    || fault::status(500),
    || fault::status(503),
    || fault::status(408),
    || fault::json_body(429, json!({})),
    fault::dropped,
    || fault::shape("html"),
    || fault::shape("empty"),
    || fault::shape("binary"),
    || fault::redirect("http://127.0.0.1:1/"),
    || fault::oauth_error(400, "temporarily_unavailable"),
    || fault::oauth_error(401, "invalid_client"),
    || fault::json_body(200, json!({ "error": { "type": "api_error" } })),
    || fault::json_body(403, json!("<html>no</html>")),
    || fault::delay(150),
    || fault::drip(1),
    || fault::omit(&["expires_in", "token_type"]),
    || fault::set(json!({ "scope": 7, "extra": [1] })),
    fault::lost_reply,
    || fault::shape("truncated"),
    || fault::shape("cut-short"),
    || fault::omit(&["access_token", "token"]),
    || fault::oauth_error(400, "invalid_grant"),
];

//! Logins that another machine lends, in this one's broker: a real agent at the other end of a socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use convocations::agent::{Agent, Door, Grant, Home, Terms};
use convocations::broker::{Broker, Event};
use convocations::config::Config;
use convocations::credential::{Kind, Tokens};
use convocations::login_id::LoginId;
use convocations::protocol::{GrantAnswer, GrantPower};
use convocations::remote::{Address, Agent as Lender};
use convocations::secret::Secret;
use convocations::services::Services;
use convocations::store::{NewLogin, Store};
use serde_json::json;
use tokio::sync::watch;

use crate::common::{TestDir, fault};
use crate::fixture::{Fixture, LIFE, event};

/// A home with a login whose tokens end and are refreshed, and another machine that it is lent to.
struct Lent {
    home: Fixture,
    far: TestDir,
    agent: Agent,
    grant: Grant,
    stop: watch::Sender<bool>,
    broker: Broker,
    first: String,
}

fn login() -> LoginId {
    "mycorp".parse().unwrap()
}

impl Lent {
    async fn start(confirm: bool) -> Self {
        let home = Fixture::with_options(json!({}));
        let at = |path: &str| home.sandbox.at(&format!("/generic/{path}"));
        let method = json!({
            "grant": "authorization-code", "client_id": "sandbox-public", "scopes": ["offline_access"],
            "authorize_url": at("authorize"), "token_url": at("token"),
        });
        let provider = json!({ "base_url": at("v1"), "login": { "browser": method } });
        let options =
            json!({ "store": { "backend": "local-encrypted" }, "providers": { "mycorp": provider } });
        let config = Config::load(&home.dir.paths(), Some(&options)).unwrap();
        let home = Fixture { config, ..home };
        let minted = home.sandbox.mint("generic", "oauth");
        let mut tokens =
            Tokens::api_key(Secret::new(minted["access_token"].as_str().unwrap()), home.clock.now());
        tokens.refresh_token = Some(Secret::new(minted["refresh_token"].as_str().unwrap()));
        tokens.expires_at = Some(home.clock.now() + LIFE);
        home.store.put(&login(), NewLogin::new("browser", Kind::Oauth, tokens.clone())).unwrap();
        let agent =
            Agent::new(&home.dir.paths(), Home::new(home.broker(), home.config.clone(), home.clock.clone()));
        let door = Door::unix(&home.dir.path().join("lent/agent.sock")).unwrap();
        let address = Address::parse(&door.address()).unwrap();
        let terms = Terms {
            label: "far".to_owned(),
            logins: [login()].into(),
            power: GrantPower::Token,
            lasting: false,
            ends: None,
            confirm,
        };
        let grant = agent.grant(terms, &door).unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = (agent.clone(), grant.clone());
        tokio::spawn(async move { serving.0.serve(&serving.1, door, stopped).await });
        let far = TestDir::new();
        let broker = far_broker(&far, &home, address);
        let first = tokens.access_token.expose().to_owned();
        Self { home, far, agent, grant, stop, broker, first }
    }

    fn tokens_handed_out(&self) -> u64 {
        self.grant.report().by_login.iter().map(|used| used.tokens).sum()
    }
}

/// The other machine's: it has nothing of its own, and the time is the same.
fn far_broker(far: &TestDir, home: &Fixture, address: Address) -> Broker {
    far.write_config(&home.sandbox.config_toml());
    let options = json!({ "store": { "backend": "local-encrypted" } });
    let config = Config::load(&far.paths(), Some(&options)).unwrap();
    let store = Store::new(&far.paths(), &config.store);
    let services = Services::new(config, store);
    Broker::new(Services { clock: home.clock.clone(), agent: Some(Lender::new(address)), ..services })
}

async fn ask(broker: &Broker) -> String {
    broker.get(&login(), None).await.unwrap().token.expose().to_owned()
}

/// Rule 6: no request waits for the way home.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lent_token_that_is_used_is_fetched_before_its_margin_and_pushed() {
    let lent = Lent::start(false).await;
    let mut events = lent.broker.subscribe();
    let background = lent.broker.run_background();
    assert_eq!(ask(&lent.broker).await, lent.first);
    lent.home.leave(299);
    let newer = event(&mut events, |event| match event {
        Event::Credential(credential) => Some(*credential),
        _ => None,
    })
    .await;
    assert_ne!(newer.token.expose(), lent.first);
    assert_eq!((newer.source.as_str(), lent.tokens_handed_out()), ("agent", 2));
    // The way home is gone, and nobody has to wait for it.
    lent.stop.send(true).unwrap();
    assert_eq!(ask(&lent.broker).await, newer.token.expose());
    assert_eq!(lent.home.sandbox.refreshes("generic.token"), 1);
    assert!(lent.far.files_with(&[newer.token.expose().to_owned()]).is_empty());
    background.abort();
}

/// Nobody has asked for anything: no question comes up under the person's fingers at home.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_would_be_asked_for_is_not_fetched_ahead_of_time() {
    let lent = Lent::start(true).await;
    // A login of the far machine's own, which shows when the background has gone round.
    let own = lent.home.minted();
    let anthropic = crate::fixture::anthropic();
    let store = Store::new(&lent.far.paths(), &lent.home.config.store);
    store.put(&anthropic, NewLogin::new("subscription", Kind::Oauth, own)).unwrap();
    let mut events = lent.broker.subscribe();
    let mut asked = lent.agent.questions().changes();
    let asking = tokio::spawn({
        let broker = lent.broker.clone();
        async move { ask(&broker).await }
    });
    while lent.agent.questions().open().is_empty() {
        asked.changed().await.unwrap();
    }
    let question = lent.agent.questions().open().remove(0);
    while !lent.agent.questions().answer(question.id, GrantAnswer::Once) {
        // In its first second it takes no answer.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(asking.await.unwrap(), lent.first);
    lent.broker.get(&anthropic, None).await.unwrap();
    lent.home.leave(299);
    let background = lent.broker.run_background();
    event(&mut events, |event| matches!(event, Event::Credential(_)).then_some(())).await;
    lent.broker.status(None).await.unwrap();
    assert!(lent.agent.questions().open().is_empty());
    assert_eq!(lent.tokens_handed_out(), 1);
    background.abort();
}

/// The provider fails at home: that is no trouble of the connection, and nothing is told of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_at_home_is_not_said_of_the_connection() {
    let lent = Lent::start(false).await;
    let mut events = lent.broker.subscribe();
    assert_eq!(ask(&lent.broker).await, lent.first);
    lent.home.sandbox.fault_refresh("generic.token", 100, fault::dropped());
    lent.home.leave(-10);
    let error = lent.broker.get(&login(), None).await.unwrap_err();
    assert!(lent.broker.lender_report().unwrap().problem.is_none(), "{error}");
    let notices = crate::fixture::notices(&mut events);
    assert!(notices.is_empty(), "{notices:?}");
}

/// A tunnel that hangs takes whatever is said and answers nothing: one that waits there is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_that_hangs_is_said_after_a_while_and_asked_once_at_a_time() {
    let home = Fixture::new();
    let path = home.dir.path().join("hangs");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            kept.push(stream);
        }
    });
    let far = TestDir::new();
    let broker = far_broker(&far, &home, Address::parse(&format!("unix:{}", path.display())).unwrap());
    let mut events = broker.subscribe();
    let background = broker.run_background();
    let told = async {
        loop {
            if let Event::Notice(notice) = events.recv().await.unwrap() {
                return notice;
            }
        }
    };
    let notice = tokio::time::timeout(Duration::from_secs(60), told).await.unwrap();
    assert!(notice.error.message().contains("does not answer"), "{notice:?}");
    assert_eq!(taken.load(Ordering::SeqCst), 1);
    background.abort();
}

//! A login through the browser: authorization code (RFC 6749, RFC 8252), and its relatives that mint a key.
//!
//! Guarantees: the port is bound before any address is told; each address carries its own `state` and PKCE
//! pair, and the exchange repeats the `redirect_uri` of the very address that was answered.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::answer::{Answer, Expected, Refusal};
use super::attempt::Attempt;
use super::client;
use super::flow::Flow;
use super::listener::{Listener, Site};
use super::pages::Words;
use super::port;
use super::qr::Qr;
use super::race::Race;
use super::stage::{Input, Stage};
use crate::credential::Tokens;
use crate::error::{Code, Error, Result};
use crate::oauth::{self, AuthorizeRequest, CodeExchange, Failure, Pkce};
use crate::provider::{Grant, Redirect};
use crate::secret::Secret;

/// Told where the browser may run on another machine, which has nothing at the callback's address.
const PASTE_ADDRESS: &str =
    "If the browser ends at a page that it cannot open, paste the whole address of that page here.";

/// What the person is offered.
struct Offer {
    /// The loopback's comes first, if there is one.
    attempts: Vec<Attempt>,
    notice: Option<String>,
}

/// Waits for the person, then asks for the tokens.
pub(super) async fn obtain(flow: &mut Flow) -> Result<Tokens> {
    let offer = offer(flow).await?;
    tell(flow, &offer);
    let (teller, expires_at) = (flow.teller.clone(), flow.deadline.expires_at);
    let report = |ignored| teller.tell(waiting(expires_at, ignored));
    report(0);
    let race = Race {
        attempts: &offer.attempts,
        listener: flow.listener.as_mut(),
        typed: &mut flow.typed,
        deadline: &flow.deadline,
    };
    let (index, answer) = race.run(report).await?;
    flow.typed.close();
    match (answer, offer.attempts.into_iter().nth(index)) {
        (Answer::Code(code), Some(attempt)) => exchange(flow, attempt, code).await,
        (Answer::Code(_), None) => {
            Err(Error::new(Code::StateMismatch, "The answer is none of this login's."))
        }
        (Answer::Refused(refusal), _) => Err(refused(flow, refusal)),
    }
}

async fn offer(flow: &mut Flow) -> Result<Offer> {
    let Some(redirect) = flow.method.redirect.clone() else {
        return Ok(Offer { attempts: vec![attempt(flow, None, None)?], notice: None });
    };
    match (&redirect.page, flow.browser) {
        (Some(page), false) => {
            client::prepare(flow, page).await?;
            Ok(Offer { attempts: by_page(flow, &redirect)?.into_iter().collect(), notice: None })
        }
        _ => with_loopback(flow, &redirect).await,
    }
}

/// The page that shows a code, if the provider has one.
fn by_page(flow: &Flow, redirect: &Redirect) -> Result<Option<Attempt>> {
    let Some(page) = redirect.page.clone() else { return Ok(None) };
    Ok(Some(Attempt { shows_code: true, ..attempt(flow, Some(page), None)? }))
}

/// The loopback, and beside it the page.
async fn with_loopback(flow: &mut Flow, redirect: &Redirect) -> Result<Offer> {
    let bound = match port::bind(&flow.ports(redirect)).await {
        Ok(bound) => bound,
        Err(error) => return without_port(flow, redirect, error).await,
    };
    let elsewhere = (!flow.browser && redirect.page.is_none()).then(|| PASTE_ADDRESS.to_owned());
    let notice = sentences([bound.notice.clone(), elsewhere]);
    let secret = (flow.method.grant == Grant::MintKey).then(random);
    let path = match &secret {
        // OpenRouter may not echo `state`: the secret goes into the path (rule 14).
        Some(secret) => format!("{}/{}", redirect.path.trim_end_matches('/'), secret.expose()),
        None => redirect.path.clone(),
    };
    let uri = format!("http://{}:{}{path}", redirect.host, bound.port);
    client::prepare(flow, &uri).await?;
    let attempt = attempt(flow, Some(uri), secret)?;
    let site = Site {
        host: redirect.host.clone(),
        path: Secret::new(path),
        done_path: Secret::new(format!("/done/{}", random().expose())),
        expected: attempt.expected.clone(),
        words: Words { provider: flow.provider.name.clone(), place: flow.context.place.clone() },
    };
    flow.listener = Some(Listener::open(bound, site));
    let attempts = std::iter::once(attempt).chain(by_page(flow, redirect)?).collect();
    Ok(Offer { attempts, notice })
}

/// The loopback cannot be had: the page that shows a code, or the address to be pasted from a browser
/// elsewhere.
async fn without_port(flow: &mut Flow, redirect: &Redirect, error: Error) -> Result<Offer> {
    let notice = |what: &str| Some(format!("{} Paste {what} instead.", error.message()));
    match (&redirect.page, flow.ports(redirect).first()) {
        (Some(page), _) => {
            client::prepare(flow, page).await?;
            let attempts = by_page(flow, redirect)?.into_iter().collect();
            Ok(Offer { attempts, notice: notice("the code that the page shows") })
        }
        (None, Some(port)) if !flow.browser => {
            let uri = format!("http://{}:{port}{}", redirect.host, redirect.path);
            client::prepare(flow, &uri).await?;
            let notice = notice("the address that the browser ends at");
            Ok(Offer { attempts: vec![attempt(flow, Some(uri), None)?], notice })
        }
        _ => Err(with_device_code(flow, error)),
    }
}

/// Names the way that needs no port, where the provider has one.
fn with_device_code(flow: &Flow, error: Error) -> Error {
    let device = flow.provider.methods.iter().find(|method| method.grant == Grant::DeviceCode);
    match device {
        Some(device) => error.with_hint(format!(
            "End the program that holds it, or log in by device code: `:ConvLogin {0} {1}`.",
            flow.teller.login, device.id
        )),
        None => error,
    }
}

/// A request of its own. `path_secret` stands for `state` where the provider may not echo one.
fn attempt(flow: &Flow, redirect_uri: Option<String>, path_secret: Option<Secret>) -> Result<Attempt> {
    let pkce = Pkce::new();
    let state = (path_secret.is_none() && redirect_uri.is_some()).then(random);
    let request = AuthorizeRequest {
        redirect_uri: redirect_uri.clone(),
        state: state.clone(),
        code_challenge: pkce.challenge,
    };
    let url = oauth::authorize_url(&flow.method, &request)?;
    Ok(Attempt {
        url: Secret::new(url.as_str()),
        expected: Expected {
            state_optional: state.is_none(),
            state,
            issuer: flow.method.issuer.clone(),
            iss_required: flow.method.iss_required,
        },
        shows_code: redirect_uri.is_none(),
        redirect_uri,
        code_verifier: pkce.verifier,
    })
}

/// Those that are there, one behind the other.
fn sentences(notices: [Option<String>; 2]) -> Option<String> {
    notices.into_iter().flatten().reduce(|first, second| format!("{first} {second}"))
}

/// 256 random bits, as text for a URL.
fn random() -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

fn tell(flow: &Flow, offer: &Offer) {
    let mut urls = offer.attempts.iter().map(|attempt| attempt.url.clone());
    let Some(url) = urls.next() else { return };
    let elsewhere = !flow.browser && flow.listener.is_none();
    flow.teller.tell(Stage::OpenUrl {
        qr: elsewhere.then(|| Qr::of(url.expose())).flatten(),
        url,
        paste_url: urls.next(),
        input: Input::Code,
        loopback: flow.listener.is_some(),
        port: flow.listener.as_ref().map(|listener| listener.port),
        notice: sentences([flow.notice.clone(), offer.notice.clone()]),
        expires_at: flow.deadline.expires_at,
    });
}

fn waiting(expires_at: i64, ignored: u64) -> Stage {
    Stage::Waiting { input: Input::Code, label: None, page: None, expires_at, ignored }
}

async fn exchange(flow: &Flow, attempt: Attempt, code: Secret) -> Result<Tokens> {
    flow.teller.tell(Stage::Exchanging);
    let exchange = CodeExchange {
        code,
        code_verifier: attempt.code_verifier,
        redirect_uri: attempt.redirect_uri,
        state: attempt.expected.state,
    };
    let now = flow.context.clock.now();
    let (http, provider, method) = (&flow.context.http, &flow.provider, &flow.method);
    let result = match oauth::exchange_code(http, provider, method, &exchange, now).await {
        // It never reached the provider, so the code is not spent: one more try.
        Err(Failure::Transient { sent: false, error, .. }) if error.code() == Code::Network => {
            oauth::exchange_code(http, provider, method, &exchange, now).await
        }
        result => result,
    };
    result.map_err(Failure::into_error)
}

/// What a refusal on the consent page ends the login with. The provider's own words stay out of it.
fn refused(flow: &mut Flow, refusal: Refusal) -> Error {
    flow.description = refusal.description;
    let name = &flow.provider.name;
    let again = format!("Start again with `:ConvLogin {}`", flow.login);
    match refusal.code {
        Some("access_denied") => {
            Error::new(Code::LoginDenied, format!("The login to {name} was not allowed."))
                .with_hint(format!("{again}, and allow it on the page, if this was a slip."))
        }
        Some("server_error" | "temporarily_unavailable") => {
            Error::new(Code::ProviderError, format!("{name} has a fault of its own at the moment."))
                .with_hint(format!("{again} in a few minutes."))
        }
        Some(code) => {
            Error::new(Code::ProviderRefused, format!("{name} refused the login request ({code})."))
                .with_hint(format!(
                    "Compare `[providers.{}.login.{}]` in config.toml with what {name} allows.",
                    flow.provider.id, flow.method.id
                ))
        }
        None => Error::new(Code::ProviderRefused, format!("{name} refused the login."))
            .with_hint(format!("The page in the browser says why. {again}.")),
    }
}

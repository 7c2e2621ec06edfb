//! A login through the browser: authorization code (RFC 6749, RFC 8252), and its relatives that mint a key.
//!
//! Guarantees: the port is bound before any address is told; each address carries its own `state` and PKCE
//! pair, and the exchange repeats the `redirect_uri` of the very address that was answered; what cannot show
//! that it is the answer to this login never ends it.

use url::Url;

use crate::credential::Tokens;
use crate::error::{Code, Error, Result};
use crate::login::attempt::Attempt;
use crate::login::authorization_request::AuthorizationRequest;
use crate::login::callback::pages::Words;
use crate::login::callback::params::{Answer, ErrorResponse};
use crate::login::callback::port;
use crate::login::callback::server::{Listener, Site};
use crate::login::callback::wait::{Arrival, CallbackWait, Came};
use crate::login::conversation::Conversation;
use crate::login::events::{Input, Stage};
use crate::login::method_selection;
use crate::login::qr::Qr;
use crate::login::registered_client;
use crate::oauth::{Client, CodeExchange, Failure};
use crate::paths::SETTINGS_FILE;
use crate::provider::{Grant, Redirect};
use crate::secret::Secret;

/// Told where the browser may run on another machine, which has nothing at the callback's address.
const PASTE_ADDRESS: &str =
    "If the browser ends at a page that it cannot open, paste the whole address of that page here.";

/// What the person is offered.
struct Offer {
    /// Who asks for the tokens.
    client: Client,
    /// The loopback's comes first, if there is one.
    requests: Vec<AuthorizationRequest>,
    notice: Option<String>,
}

/// Waits for the person, then asks for the tokens. `listener` is left open for the page that tells of the
/// end.
pub(in crate::login) async fn obtain(
    attempt: &mut Attempt,
    talk: &mut Conversation,
    listener: &mut Option<Listener>,
) -> Result<Tokens> {
    let offer = offer(attempt, listener).await?;
    tell(attempt, talk, &offer, listener.as_ref());
    let attempt = &*attempt;
    let provider = &attempt.provider.name;
    let mut quote = None;
    let result = {
        let mut wait =
            CallbackWait::new(&offer.requests, &attempt.method.code, provider, listener.as_mut(), talk);
        wait.report(None);
        loop {
            let arrival = wait.next().await?;
            let Some(request) = offer.requests.get(arrival.index) else { continue };
            match conclude(attempt, &offer.client, request, &arrival, &mut wait, &mut quote).await {
                Err(failure) if may_go_on(&arrival.came, &failure) => {
                    tracing::info!(error = %failure.error().code(), "an answer was not this login's: {}", failure.error());
                    wait.go_on(arrival.came, failure.into_error());
                }
                result => {
                    wait.close();
                    break result;
                }
            }
        }
    };
    if let (Some(listener), Some(quote)) = (listener, quote) {
        listener.quote = Some(quote);
    }
    result.map_err(Failure::into_error)
}

/// Whether a failure says nothing of the login, since the answer may have been anybody's or a slip.
fn may_go_on(came: &Came, failure: &Failure) -> bool {
    let is_about_code = failure.error().code() == Code::ProviderRefused;
    match came {
        Came::Ours => false,
        Came::Pasted => is_about_code && !matches!(failure, Failure::Transient { .. }),
        Came::Unproven(_) => true,
    }
}

/// From an answer to tokens.
async fn conclude(
    attempt: &Attempt,
    client: &Client,
    request: &AuthorizationRequest,
    Arrival { answer, came, .. }: &Arrival,
    wait: &mut CallbackWait<'_>,
    quote: &mut Option<String>,
) -> Result<Tokens, Failure> {
    let code = match answer {
        Answer::Code(code) => code,
        Answer::Refused(refusal) => {
            *quote = refusal.description.clone().filter(|_| matches!(came, Came::Ours));
            return Err(Failure::Refused(refused(attempt, refusal)));
        }
    };
    match came {
        Came::Ours => {
            wait.close();
            wait.report_exchange();
        }
        Came::Pasted => wait.report_exchange(),
        // Told once it has worked: anybody may have sent it.
        Came::Unproven(_) => {}
    }
    tracing::info!(login = %attempt.login, "exchanges the code");
    let tokens = exchange(client, request, code.clone()).await?;
    if matches!(came, Came::Unproven(_)) {
        wait.report_exchange();
    }
    Ok(tokens)
}

async fn offer(attempt: &mut Attempt, listener: &mut Option<Listener>) -> Result<Offer> {
    let Some(redirect) = attempt.method.redirect.clone() else {
        let client = registered_client::described(attempt)?;
        let requests = vec![request(attempt, &client, None, None)?];
        return Ok(Offer { client, requests, notice: None });
    };
    match (&redirect.page, attempt.browser) {
        (Some(page), false) => {
            let client = registered_client::prepare(attempt, page).await?;
            let requests = by_page(attempt, &client, &redirect)?.into_iter().collect();
            Ok(Offer { client, requests, notice: None })
        }
        _ => with_loopback(attempt, &redirect, listener).await,
    }
}

fn request(
    attempt: &Attempt,
    client: &Client,
    redirect_uri: Option<String>,
    redirect: Option<&Redirect>,
) -> Result<AuthorizationRequest> {
    AuthorizationRequest::new(client, &attempt.method, redirect_uri, redirect)
}

/// The page that shows a code, if the provider has one.
fn by_page(attempt: &Attempt, client: &Client, redirect: &Redirect) -> Result<Option<AuthorizationRequest>> {
    let Some(page) = redirect.page.clone() else { return Ok(None) };
    let request = request(attempt, client, Some(page), None)?;
    Ok(Some(AuthorizationRequest { shows_code: true, ..request }))
}

/// The loopback, and beside it the page.
async fn with_loopback(
    attempt: &mut Attempt,
    redirect: &Redirect,
    listener: &mut Option<Listener>,
) -> Result<Offer> {
    let ports = attempt.ports(redirect);
    let bound = match port::bind(&ports).await {
        Ok(bound) => bound,
        Err(error) => return without_port(attempt, redirect, error).await,
    };
    let elsewhere = (!attempt.browser && redirect.page.is_none()).then(|| PASTE_ADDRESS.to_owned());
    let moved =
        bound.notice.clone().map(|notice| match method_selection::without_callback(&attempt.provider) {
            Some(other) if attempt.method.grant == Grant::MintKey => {
                format!("{notice} {}", moved_callback(attempt, &other.id, ports.first()))
            }
            _ => notice,
        });
    let notice = sentences([moved, elsewhere]);
    let path = match redirect.nonce {
        true => format!("{}/{}", redirect.path.trim_end_matches('/'), Secret::random().expose()),
        false => redirect.path.clone(),
    };
    let uri = format!("http://{}:{}{path}", redirect.host, bound.port);
    let client = registered_client::prepare(attempt, &uri).await?;
    let request = request(attempt, &client, Some(uri), Some(redirect))?;
    let site = Site {
        host: redirect.host.clone(),
        path: Secret::new(path),
        done_path: Secret::new(format!("/done/{}", Secret::random().expose())),
        expected: request.expected.clone(),
        words: Words { provider: attempt.provider.name.clone(), place: attempt.place },
    };
    *listener = Some(Listener::open(bound, site));
    let requests = std::iter::once(request).chain(by_page(attempt, &client, redirect)?).collect();
    Ok(Offer { client, requests, notice })
}

/// What a login should know whose provider makes an app of each callback address.
fn moved_callback(attempt: &Attempt, other: &str, wanted: Option<u16>) -> String {
    let name = &attempt.provider.name;
    let free = wanted.map(|port| format!("free port {port}, or ")).unwrap_or_default();
    format!(
        "{name} may answer a changed address with 409 (\"Failed to create or update app\"): then {free}set \
         `RCONV_HTTP_PORT` to a port that stays free, or use `:ConvLogin {} {other}`, which needs none.",
        attempt.login
    )
}

/// The loopback cannot be had: the page that shows a code, or the address to be pasted from a browser
/// elsewhere.
async fn without_port(attempt: &mut Attempt, redirect: &Redirect, error: Error) -> Result<Offer> {
    let notice = |what: &str| Some(format!("{} Paste {what} instead.", error.message()));
    match (&redirect.page, attempt.ports(redirect).first()) {
        (Some(page), _) => {
            let client = registered_client::prepare(attempt, page).await?;
            let requests = by_page(attempt, &client, redirect)?.into_iter().collect();
            Ok(Offer { client, requests, notice: notice("the code that the page shows") })
        }
        (None, Some(port)) if !attempt.browser => {
            let uri = format!("http://{}:{port}{}", redirect.host, redirect.path);
            let client = registered_client::prepare(attempt, &uri).await?;
            let requests = vec![request(attempt, &client, Some(uri), None)?];
            Ok(Offer { client, requests, notice: notice("the address that the browser ends at") })
        }
        _ => Err(with_device_code(attempt, error)),
    }
}

/// Names the way that needs no port, where the provider has one.
fn with_device_code(attempt: &Attempt, error: Error) -> Error {
    let device = attempt.provider.methods.iter().find(|method| method.grant == Grant::DeviceCode);
    match device {
        Some(device) => error.with_hint(format!(
            "End the program that holds it, or log in by device code: `:ConvLogin {0} {1}`.",
            attempt.login, device.id
        )),
        None => error,
    }
}

/// Those that are there, one behind the other.
fn sentences(notices: [Option<String>; 2]) -> Option<String> {
    notices.into_iter().flatten().reduce(|first, second| format!("{first} {second}"))
}

fn tell(attempt: &Attempt, talk: &Conversation, offer: &Offer, listener: Option<&Listener>) {
    let mut urls = offer.requests.iter().map(|request| request.url.clone());
    let Some(url) = urls.next() else { return };
    let port = listener.map(|listener| listener.port);
    tracing::info!(login = %attempt.login, method = attempt.method.id, port, address = without_query(&url), "waits");
    let elsewhere = !attempt.browser && listener.is_none();
    talk.tell(Stage::OpenUrl {
        qr: elsewhere.then(|| Qr::of(url.expose())).flatten(),
        url,
        paste_url: urls.next(),
        input: Input::Code,
        loopback: listener.is_some(),
        port,
        notice: sentences([attempt.notice.clone(), offer.notice.clone()]),
        expires_at: talk.deadline.expires_at,
    });
}

fn without_query(url: &Secret) -> String {
    let Ok(mut url) = Url::parse(url.expose()) else { return String::new() };
    url.set_query(None);
    url.to_string()
}

async fn exchange(client: &Client, request: &AuthorizationRequest, code: Secret) -> Result<Tokens, Failure> {
    let exchange = CodeExchange {
        code,
        code_verifier: request.code_verifier.clone(),
        redirect_uri: request.redirect_uri.clone(),
        state: request.expected.state.clone(),
        nonce: request.nonce.clone(),
    };
    match client.exchange(&exchange).await {
        // It never reached the provider, so the code is not spent: one more try.
        Err(Failure::Transient { sent: false, error, .. }) if error.code() == Code::Network => {
            client.exchange(&exchange).await
        }
        result => result,
    }
}

/// What a refusal on the consent page ends the login with. The provider's own words stay out of it.
fn refused(attempt: &Attempt, refusal: &ErrorResponse) -> Error {
    let name = &attempt.provider.name;
    let again = format!("Start again with `:ConvLogin {}`", attempt.login);
    match refusal.code {
        Some("access_denied") => {
            Error::new(Code::LoginDenied, format!("The login to {name} was not allowed."))
                .with_hint(format!("{again}, and allow it on the page, if this was a slip."))
        }
        Some("server_error" | "temporarily_unavailable") => {
            Error::new(Code::ProviderError, format!("{name} reports a fault of its own."))
                .with_hint(format!("{again} in a few minutes."))
        }
        Some(code) => {
            Error::new(Code::ProviderRefused, format!("{name} refused the login request ({code})."))
                .with_hint(format!(
                    "Compare `[providers.{}.login.{}]` in {SETTINGS_FILE} with what {name} allows.",
                    attempt.provider.id, attempt.method.id
                ))
        }
        None => Error::new(Code::ProviderRefused, format!("{name} refused the login."))
            .with_hint(format!("The page in the browser says why. {again}.")),
    }
}

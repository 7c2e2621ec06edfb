//! `convocations login`: the same login as in the editor, at a terminal.
//!
//! Guarantees: what is pasted is never shown; the browser's callback ends the prompt; Ctrl-C, SIGTERM and the
//! end of the terminal leave it as it was, no listener, no half login.

use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::context::Context;
use super::{output, prompt};
use crate::error::{Code, Error, Result};
use crate::login::{self, LoginRequest, Logins, Stage};
use crate::login_id::LoginId;
use crate::provider::{Grant, Method, Provider};
use crate::secret::Secret;
use crate::signals;
use crate::wording::Face;

mod hidden;
mod screen;

use hidden::Typed;
use screen::Screen;

/// What was typed.
pub struct Wanted {
    pub login: Option<String>,
    pub method: Option<String>,
    pub no_browser: bool,
    pub challenge: Option<String>,
    pub organization: Option<String>,
}

pub fn run(context: &Context, wanted: Wanted) -> Result<ExitCode> {
    let Wanted { login, method, no_browser, challenge, organization } = wanted;
    let login = match login {
        Some(login) => login.parse()?,
        None => choose_provider(context)?,
    };
    context.check_kept_here(&login)?;
    let provider = context.config.provider(login.provider())?;
    let obstacle = login::obstacle();
    let browser = !no_browser && obstacle.is_none();
    let method = match method {
        Some(method) => Some(method),
        None => choose_method(&provider)?,
    };
    if let (false, true, Some(obstacle)) = (no_browser, wants_browser(&provider, method.as_deref()), obstacle)
    {
        output::note(&format!(
            "You are {obstacle}, so a browser may not reach this machine: log in by a pasted code or a \
             device code."
        ));
    }
    let confirmed = confirm_notice(context, &provider, method.as_deref())?;
    let place = Face::Terminal;
    let request = LoginRequest { login, method, browser, confirmed, challenge, organization, place };
    context.block_on(async { converse(context, request, &provider).await })
}

fn choose_provider(context: &Context) -> Result<LoginId> {
    let ids = context.config.provider_ids();
    let index = context.store.index().unwrap_or_default();
    let mut choices = Vec::new();
    for id in &ids {
        let provider = context.config.provider(id)?;
        let stored = index.logins.keys().any(|login| login.provider() == id);
        choices.push(format!("{}{}", provider.name, if stored { " (logged in)" } else { "" }));
    }
    let chosen = prompt::choose("Log in to which provider?", &choices)?;
    ids.get(chosen).map_or("", String::as_str).parse()
}

/// Asks at a terminal if there are several; else the login's own rule decides.
fn choose_method(provider: &Provider) -> Result<Option<String>> {
    use std::io::IsTerminal as _;
    if provider.methods.len() < 2 || !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let labels: Vec<String> = provider.methods.iter().map(|method| method.label.clone()).collect();
    let chosen = prompt::choose(&format!("How do you want to log in to {}?", provider.name), &labels)?;
    Ok(provider.methods.get(chosen).map(|method| method.id.clone()))
}

/// The method of this name, or the provider's default.
fn named<'a>(provider: &'a Provider, method: Option<&str>) -> Option<&'a Method> {
    match method {
        Some(method) => provider.method(method),
        None => provider.default_method(),
    }
}

/// Whether a browser on this machine would be of use.
fn wants_browser(provider: &Provider, method: Option<&str>) -> bool {
    let grant = named(provider, method).map(|method| method.grant);
    matches!(grant, None | Some(Grant::AuthorizationCode | Grant::MintKey))
}

fn confirm_notice(context: &Context, provider: &Provider, method: Option<&str>) -> Result<bool> {
    let method = named(provider, method);
    let Some((method, notice)) = method.and_then(|method| Some((method, method.notice.as_ref()?))) else {
        return Ok(false);
    };
    if context.store.index_for_login()?.confirmed_notices.contains(&provider.notice_name(method)) {
        return Ok(true);
    }
    output::note(&format!("\n{notice}\n"));
    match prompt::confirm("Go on?")? {
        true => Ok(true),
        false => Err(Error::new(Code::Cancelled, "Not logged in.").with_hint("Nothing was changed.")),
    }
}

async fn converse(context: &Context, request: LoginRequest, provider: &Provider) -> Result<ExitCode> {
    let logins = Logins::default();
    let (sender, mut events) = mpsc::unbounded_channel();
    let browser = request.browser;
    let id = logins.start(&context.interactive(), request, sender)?;
    let mut screen = Screen::new(browser, &provider.name);
    let mut typed: Option<hidden::Lines> = None;
    let (mut hope, mut refused) = (Hope::Typing, None);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = std::pin::pin!(signals::asked_to_end());
    let mut result = Ok(ExitCode::SUCCESS);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                // The channel closes when the browser has its page too.
                None => break,
                Some(event) => {
                    match &event.stage {
                        Stage::Failed { .. } if hope == Hope::None => {
                            result = Err(refused.take().unwrap_or_else(nothing_typed));
                        }
                        Stage::Failed { error } => result = Err(error.clone()),
                        Stage::Waiting { error: Some(error), .. } if hope == Hope::Provider => {
                            (hope, refused) = (Hope::Typing, Some(error.clone()));
                            if screen.only_typing() && hidden::have_ended(&typed) {
                                hope = Hope::None;
                                logins.cancel(id);
                            }
                        }
                        _ => {}
                    }
                    if screen.show(&event) && typed.is_none() {
                        typed = Some(hidden::Lines::open());
                    }
                    if event.stage.is_last() {
                        typed = None;
                    }
                }
            },
            line = hidden::next(&mut typed) => match line {
                Typed::Line(line) => hope = if typed_in(&logins, id, line).await { Hope::Provider } else { hope },
                // The end of input: the browser may still come, if it has where to come to.
                Typed::Ended if screen.only_typing() && hope == Hope::Typing => {
                    hope = Hope::None;
                    logins.cancel(id);
                }
                Typed::Ended => {}
            },
            () = &mut end => {
                output::note("");
                logins.cancel(id);
                end.set(signals::asked_to_end());
            }
            _ = second.tick() => screen.tick(context.clock.now()),
        }
    }
    drop(typed);
    result
}

/// What a login may still end well by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hope {
    /// What is typed, if not the browser.
    Typing,
    /// What was typed is with the provider.
    Provider,
    /// Nothing is typed any more, and there is no other way.
    None,
}

/// Hands a line to the login; whether that took it.
async fn typed_in(logins: &Logins, id: u64, line: Secret) -> bool {
    if line.expose().trim().is_empty() {
        return false;
    }
    let taken = logins.input(id, line).await;
    if let Err(error) = &taken {
        output::progress(&[]);
        output::fail(error);
    }
    taken.is_ok()
}

fn nothing_typed() -> Error {
    Error::new(Code::InvalidArgument, "Standard input ended, and with it the only way to finish this login.")
        .with_hint("Run it at a terminal, or pipe the code or key in as one line.")
}

//! What is used although, or because, a stored login was changed: a person who has just stored a key, or
//! removed one, is told of the source that is asked all the same.

use super::context::Context;
use super::output;
use crate::login_id::LoginId;
use crate::wording;

/// After something was stored: says what goes before it, if something does.
pub async fn tell_after_storing(context: &Context, login: &LoginId) {
    match used(context, login).await {
        Some(Source::Variable(name)) => output::note(&wording::goes_before(&name)),
        Some(Source::App) => output::note("The key of the Convocations app goes before it."),
        Some(Source::Command) => output::note("What the command of your settings gives goes before it."),
        None => {}
    }
}

/// After something was removed, or nothing was there: says what is used now, if something is.
pub async fn tell_after_removing(context: &Context, login: &LoginId) {
    match used(context, login).await {
        Some(Source::Variable(name)) => {
            output::note(&format!("`{name}` of the environment is used for {login}. Unset that too."));
        }
        Some(Source::App) => output::note(&format!(
            "The key of the Convocations app is used for {login}. It belongs to the app: remove it in the app's settings."
        )),
        Some(Source::Command) => output::note(&format!(
            "What the command of your settings gives is used for {login}. Take \"command\" out of its `sources`."
        )),
        None => {}
    }
}

/// A source that is no stored login.
enum Source {
    Variable(String),
    Command,
    App,
}

async fn used(context: &Context, login: &LoginId) -> Option<Source> {
    let status = context.broker().status(Some(login)).await.ok()?.pop()?;
    match status.source?.as_str() {
        "app" => Some(Source::App),
        "command" => Some(Source::Command),
        source => source.strip_prefix("env:").map(|name| Source::Variable(name.to_owned())),
    }
}

//! `convocations doctor`: the usual troubles, and what to do about each.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::context::Context;
use super::{online, output};
use crate::broker;
use crate::credential::BackendKind;
use crate::error::{Code, Error, Result};
use crate::http::Authorities;
use crate::login;
use crate::paths::Paths;
use crate::protocol::{DoctorAnswer, Finding, LenderReport, LoginStatus, Mark, Reach, Weight};
use crate::store::STORE_LOCK_FILE;

/// What was found, in the order it is shown.
#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
    online: Option<Vec<Reach>>,
    first_problem: Option<Code>,
}

impl Report {
    fn good(&mut self, text: &str) {
        self.say(Mark::Ok, text, None);
    }

    fn note(&mut self, text: &str, hint: &str) {
        self.say(Mark::Note, text, Some(hint));
    }

    fn bad(&mut self, error: &Error) {
        self.first_problem.get_or_insert(error.code());
        self.say(Mark::Bad, error.message(), error.hint());
    }

    fn say(&mut self, mark: Mark, message: &str, hint: Option<&str>) {
        let finding = Finding { mark, message: message.to_owned(), hint: hint.map(str::to_owned) };
        // A missing key, say, is the trouble of every login.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn show(self, json: bool) -> Result<ExitCode> {
        let status = self.first_problem.map_or(ExitCode::SUCCESS, |code| ExitCode::from(code.exit_status()));
        if json {
            output::json(&DoctorAnswer { findings: self.findings, online: self.online })?;
        } else {
            output::beside(&self.findings.iter().map(row).collect::<Vec<_>>())?;
        }
        Ok(status)
    }
}

fn row(finding: &Finding) -> (String, String) {
    let mark = match finding.mark {
        Mark::Ok => "ok    ",
        Mark::Note => "note  ",
        Mark::Bad => "BAD   ",
    };
    let hint = finding.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
    (mark.to_owned(), format!("{}{hint}", finding.message))
}

pub fn run(paths: Paths, is_online: bool, json: bool) -> Result<ExitCode> {
    let mut report = Report::default();
    report.good(&format!("convocations {}", env!("CARGO_PKG_VERSION")));
    match Context::new(&paths) {
        Ok(context) => look(&context, is_online, &mut report),
        Err(error) => report.bad(&error),
    }
    report.good(&format!("The log is `{}` (level: `CONVOCATIONS_LOG`).", paths.log_file().display()));
    report.show(json)
}

fn look(context: &Context, is_online: bool, report: &mut Report) {
    settings(context, report);
    store(context, report);
    let logins = logins(context, report);
    locks(context, report);
    port(context, report);
    lent(context, report);
    surroundings(context, report);
    if is_online {
        match context.block_on(async { Ok(online::walk(context, &logins).await) }) {
            Ok(reached) => {
                for reach in &reached {
                    match online::outcome(reach) {
                        Ok(text) => report.good(&text),
                        Err(error) => report.bad(&error),
                    }
                }
                if reached.is_empty() {
                    report.note("No provider is in use, so none was asked.", "`convocations login` begins.");
                }
                report.online = Some(reached);
            }
            Err(error) => report.bad(&error),
        }
    }
    for warning in context.store.take_warnings() {
        report.note(&warning, "It was repaired.");
    }
}

fn settings(context: &Context, report: &mut Report) {
    let (own, shared) = (context.paths().settings_file(), context.paths().config_file());
    context.config.problems().iter().for_each(|problem| report.bad(problem));
    if context.config.problems().is_empty() {
        report.good(&format!("Settings are valid (`{}`).", own.display()));
    }
    if context.config.is_shared_with_the_app() {
        report.note(
            &format!(
                "The Convocations app overwrites `{}`, without the settings for this program.",
                shared.display()
            ),
            &format!("Move them to `{}`, which nobody else writes.", own.display()),
        );
    }
}

fn store(context: &Context, report: &mut Report) {
    let found = context.store.backend_report();
    match found.problem {
        Some(problem) => report.bad(&problem),
        None => report.good(&format!("New logins go to: {} ({})", found.backend.as_str(), found.reason)),
    }
    // Before the first login there is no folder to write to.
    if context.paths().config_dir().exists()
        && keeps_logins(context)
        && let Err(error) = context.store.check_writable()
    {
        report.bad(&error);
    }
}

/// Where logins are only lent nothing is made, not to see whether it could be either.
fn keeps_logins(context: &Context) -> bool {
    context.agent.is_none() || context.paths().index_file().exists()
}

fn logins(context: &Context, report: &mut Report) -> Vec<LoginStatus> {
    let found = context.block_on(async {
        let broker = context.broker();
        let logins = broker.status(None).await?;
        if let Some(found) = broker.lender_report() {
            lender(&found, report);
        }
        Ok(logins)
    });
    let logins = match found {
        Ok(logins) => logins,
        Err(error) => {
            report.bad(&error);
            return Vec::new();
        }
    };
    if logins.is_empty() {
        report.note("Nothing is stored yet.", "`convocations login` begins.");
    }
    for login in &logins {
        one_login(login, report);
        identity(context, login, report);
    }
    logins
}

/// The identity of this machine that is there for nothing, since a key goes before it.
fn identity(context: &Context, status: &LoginStatus, report: &mut Report) {
    let source = match status.source.as_deref().unwrap_or_default() {
        "login" => "the stored login".to_owned(),
        "command" => "the command of your settings".to_owned(),
        "app" => "the key of the Convocations app".to_owned(),
        other => format!("`{}` of the environment", other.trim_start_matches("env:")),
    };
    let login = &status.login;
    match broker::hides_identity(&context.config, status) {
        Ok(false) => {}
        Ok(true) => report.note(
            &format!("This machine has an identity for `{login}`, and {source} goes before it."),
            &format!("Take that away to use the identity, or put \"workload\" first in `providers.{login}.sources`."),
        ),
        Err(error) => report.note(
            &format!("`{login}` is used by {source}. {}", error.message()),
            error.hint().unwrap_or("See `:h conv-workload`."),
        ),
    }
}

/// The machine that `CONVOCATIONS_AGENT` names, and why it cannot be asked.
fn lender(found: &LenderReport, report: &mut Report) {
    match (&found.problem, &found.home) {
        (Some(problem), _) => report.bad(problem),
        (None, Some(home)) => report.good(&format!("{home} lends logins here, at `{}`.", found.address)),
        (None, None) => {}
    }
}

/// In the words that every face has for its state.
fn one_login(status: &LoginStatus, report: &mut Report) {
    let (login, state) = (&status.login, status.state);
    let text = format!("`{login}`: {}. {}", state.word(), state.sentence());
    match (state.weight(), &status.error) {
        (Weight::Error, Some(error)) => report.bad(error),
        (Weight::Warn | Weight::Error, _) => {
            let error = Error::new(Code::LoginExpired, text);
            report.bad(&error.with_hint(format!("Log in again with `:ConvLogin {login}`.")));
        }
        _ if status.lender.is_some() => {
            report.good(&format!("{text} (lent by {})", status.lender.as_deref().unwrap_or("–")));
        }
        _ => {
            let store = status.store.map(BackendKind::as_str);
            report.good(&format!("{text} ({})", store.or(status.source.as_deref()).unwrap_or("–")));
        }
    }
}

fn locks(context: &Context, report: &mut Report) {
    if !keeps_logins(context) {
        return;
    }
    match context.store.lock(Duration::from_millis(300)) {
        Ok(_) => report.good("The store can be locked, and nobody holds it."),
        Err(error) if error.code() == Code::Busy => {
            let holder = holder(context.paths(), STORE_LOCK_FILE);
            report.bad(
                &Error::new(Code::Busy, format!("Another process holds the store's lock.{holder}"))
                    .with_hint("A lock ends with its process; if that one hangs, end it."),
            );
        }
        Err(error) => report.bad(&error),
    }
    for login in context.store.index().unwrap_or_default().logins.keys() {
        if let Ok(None) = context.store.try_lock_login(login) {
            let holder = holder(context.paths(), &format!("{login}.lock"));
            report.note(
                &format!("Another process is refreshing `{login}`.{holder}"),
                "That may take a minute; if the process hangs or was stopped, end it.",
            );
        }
    }
}

/// Who holds a lock, in a sentence.
fn holder(paths: &Paths, file: &str) -> String {
    process(&paths.locks_dir().join(file)).map_or_else(String::new, |pid| format!(" It is process {pid}."))
}

/// By the kernel's list of locks: device and inode of the file name it there.
#[cfg(target_os = "linux")]
fn process(lock: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let inode = std::fs::metadata(lock).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let line = locks.lines().find(|line| line.contains("FLOCK") && line.contains(&format!(":{inode} ")))?;
    line.split_whitespace().nth(4)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn process(_: &Path) -> Option<u32> {
    None
}

/// What is lent, and what keeps it from working.
#[cfg(unix)]
fn lent(context: &Context, report: &mut Report) {
    let Ok(found) = context.block_on(async { Ok(crate::agent::check(context.paths()).await) }) else {
        return;
    };
    match found.grants {
        0 => report.good("Nothing is lent."),
        1 => report.good("One grant is served; `convocations grants` shows it."),
        many => report.good(&format!("{many} grants are served; `convocations grants` shows them.")),
    }
    found.bad.iter().for_each(|problem| report.bad(problem));
    if found.removed > 0 {
        report.note("A process that lent has ended without taking its socket along.", "It was removed.");
    }
}

#[cfg(not(unix))]
fn lent(_: &Context, _: &mut Report) {}

fn port(context: &Context, report: &mut Report) {
    let port = context.config.callback.port;
    // As a login has it: a machine without IPv6 is no trouble, a stranger there is.
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).map(drop);
    let v6 = v6.or_else(|error| if error.kind() == ErrorKind::AddrInUse { Err(error) } else { Ok(()) });
    match v6.and_then(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, port))) {
        Ok(_) if port == 0 => report.good("Logins use any free callback port, as the settings say."),
        Ok(_) => report.good(&format!("The callback port {port} is free.")),
        Err(_) => report.note(
            &format!("The callback port {port} is taken; a login uses a free one."),
            "If OpenRouter then answers 409 (\"Failed to create or update app\"), or you forward a port: free this one, or set \
             `callback.port` or `RCONV_HTTP_PORT` to one that stays free. `:ConvLogin openrouter code` needs none.",
        ),
    }
}

/// The authorities of `http.ca_file`, and whether they still serve.
fn authorities(context: &Context, report: &mut Report) {
    let Ok(Some(Authorities { file, count, end })) = context.http.trust().authorities() else { return };
    let what = format!("`http.ca_file` (`{}`, {count} of them)", file.display());
    match end.filter(|end| *end <= context.clock.now()) {
        Some(_) => report.note(
            &format!("The authorities of {what} have all ended."),
            "Ask whoever runs your network for the newer ones.",
        ),
        None => report.good(&format!("The authorities of {what} are trusted beside the system's.")),
    }
}

fn surroundings(context: &Context, report: &mut Report) {
    authorities(context, report);
    match context.http.trust().uses_own_roots() {
        Ok(false) => {}
        Ok(true) => report.note(
            "This system has no list of certificate authorities: HTTPS uses Mozilla's, of the day this program was built.",
            "Install `ca-certificates`, or name a file in `http.ca_file`.",
        ),
        Err(error) => report.bad(&error),
    }
    if let Some(obstacle) = login::obstacle() {
        report.note(
            &format!("You are {obstacle}, so a browser may not reach this machine."),
            "Logins offer a pasted code or a device code first; `:ConvLogin!` does so anywhere. The machine \
             you connect from can lend its logins: `:h conv-remote-ssh`.",
        );
    }
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_FILE"] {
        if std::env::var_os(name).is_some() {
            report.note(&format!("`{name}` is set and is used."), "Unset it if providers cannot be reached.");
        }
    }
}

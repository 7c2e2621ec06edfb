//! What the person sees of a login at a terminal.
//!
//! Guarantees: an address and a code to type stay in sight: the line that counts the time is one line, and a
//! QR code is drawn only where there is room for it beside them. Knows nothing of how the login goes on.

use crate::cli::{layout, open, output};
use crate::error::Error;
use crate::login::{Input, LoginEvent, Qr, Stage};
use crate::secret::Secret;

/// What is on the terminal.
pub struct Screen {
    browser: bool,
    provider: String,
    wait: Option<Wait>,
    only_typing: bool,
    /// What was last told while waiting: said again and again, it would push the address out of sight.
    told: Option<String>,
}

/// Asked for while a browser login waits.
const PASTE: &str = "Paste the code or address here if you have one";

/// What is waited for, and until when (Unix seconds).
struct Wait {
    text: String,
    end: i64,
}

impl Screen {
    /// Nothing yet. `browser`: whether one is opened.
    pub fn new(browser: bool, provider: &str) -> Self {
        Self { browser, provider: provider.to_owned(), wait: None, only_typing: false, told: None }
    }

    /// Whether no listener waits for a browser and no provider is polled.
    pub fn only_typing(&self) -> bool {
        self.only_typing
    }

    /// Shows an event; whether something may be typed from now on.
    pub fn show(&mut self, event: &LoginEvent) -> bool {
        output::progress(&[]);
        match &event.stage {
            Stage::OpenUrl { url, paste_url, notice, qr, expires_at, loopback, .. } => {
                self.only_typing = !loopback;
                self.open_url(url, paste_url.as_ref(), notice.as_deref(), qr.as_ref());
                self.wait_for(PASTE, *expires_at);
                true
            }
            Stage::DeviceCode {
                user_code,
                verification_uri,
                verification_uri_complete,
                qr,
                expires_at,
                ..
            } => {
                let complete = verification_uri_complete.as_ref();
                self.device_code(user_code, verification_uri, complete, qr.as_ref());
                self.wait_for("Waiting for you to type the code there", *expires_at);
                false
            }
            Stage::Waiting { input, label, page, expires_at, notice, error, .. } => {
                self.only_typing |= *input == Input::ApiKey;
                self.tell_once(notice.clone().or_else(|| error.as_ref().map(still_waiting)));
                if *input == Input::Code && self.wait.is_none() {
                    self.wait_for(PASTE, *expires_at);
                }
                if *input == Input::ApiKey && self.wait.is_none() {
                    if let Some(page) = page {
                        output::note(&format!("Keys are made at {page}"));
                    }
                    let label = label.clone().unwrap_or_else(|| format!("{} key", self.provider));
                    self.wait_for(&format!("{label} (hidden)"), *expires_at);
                }
                *input != Input::None
            }
            Stage::Exchanging => {
                self.wait = None;
                output::progress(&[&format!("Asking {} …", self.provider)]);
                false
            }
            Stage::Done { identity, store, replaced, notices, .. } => {
                self.wait = None;
                let who = identity.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
                output::note(&format!("Logged in to {}{who} ({}).", event.login, store.as_str()));
                if let Some(replaced) = replaced {
                    let page = replaced.page.as_ref().map(|page| format!(" {page}")).unwrap_or_default();
                    output::note(&format!("{}{page}", replaced.message));
                }
                notices.iter().for_each(|notice| output::note(notice));
                false
            }
            Stage::Failed { .. } => {
                self.wait = None;
                false
            }
        }
    }

    /// Counts the time.
    pub fn tick(&self, now: i64) {
        let Some(Wait { text, end }) = &self.wait else { return };
        let left = (end - now).max(0);
        let left = format!("{}:{:02}", left / 60, left % 60);
        output::progress(&[
            &format!("{text} ({left} left, Ctrl-C cancels): "),
            &format!("{text} ({left}): "),
            &format!("{left}: "),
        ]);
    }

    fn tell_once(&mut self, text: Option<String>) {
        if text.is_some() && text != self.told {
            output::note(text.as_deref().unwrap_or_default());
            self.told = text;
        }
    }

    fn wait_for(&mut self, text: &str, end: i64) {
        self.wait = Some(Wait { text: text.to_owned(), end });
    }

    fn open_url(&self, url: &Secret, paste_url: Option<&Secret>, notice: Option<&str>, qr: Option<&Qr>) {
        let opened = self.browser && open::in_browser(url.expose());
        let begin =
            if opened { "Your browser opens this address:" } else { "Open this address in a browser:" };
        let mut text = notice.map(|notice| format!("{notice}\n")).unwrap_or_default();
        text.push_str(&format!("{begin}\n\n{}\n", url.expose()));
        if let Some(paste_url) = paste_url {
            let other = "Or, from another machine, this one, and paste the code it shows:";
            text.push_str(&format!("\n{other}\n\n{}\n", paste_url.expose()));
        }
        output::note(&text);
        show_qr(qr, &text);
    }

    fn device_code(&self, code: &Secret, uri: &str, complete: Option<&Secret>, qr: Option<&Qr>) {
        let text = format!("Type the code  {}  at {uri}", code.expose());
        output::note(&text);
        show_qr(qr, &text);
        if self.browser {
            open::in_browser(complete.map_or(uri, Secret::expose));
        }
    }
}

fn still_waiting(error: &Error) -> String {
    format!("{} The login still waits.", error.message())
}

/// Draws the code if it leaves `shown`, which stands above it, and the line that counts the time in sight.
fn show_qr(qr: Option<&Qr>, shown: &str) {
    let Some(qr) = qr.filter(|_| output::is_watched()) else { return };
    let size = layout::size();
    let columns = qr.lines().iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let rows = qr.lines().len() + layout::rows_of(shown, size.columns) + 1;
    if columns > size.columns || rows > size.rows {
        let needed = format!("A QR code of the address needs a terminal of {columns} × {rows} cells.");
        return output::note(&needed);
    }
    output::drawing(qr.lines());
}

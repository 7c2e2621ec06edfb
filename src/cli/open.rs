//! Opens an address in the person's browser. No shell takes part, and only web addresses are opened (D1). A
//! browser that is started here outlives the terminal: Ctrl-C is for the login.

use std::path::Path;
use std::process::{Command, Stdio};

/// Starts the browser; `false` if none can be started. That it was started does not mean that anybody sees
/// it.
pub fn in_browser(url: &str) -> bool {
    if !(url.starts_with("https://") || url.starts_with("http://")) || url.chars().any(char::is_control) {
        return false;
    }
    openers(url).into_iter().any(start)
}

fn start(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    match command.spawn() {
        Ok(mut child) => {
            // Not waited for: some openers stay as long as the browser does.
            std::thread::spawn(move || child.wait());
            true
        }
        Err(_) => false,
    }
}

/// The commands that may open the address, best first.
fn openers(url: &str) -> Vec<Command> {
    if let Some(browsers) = std::env::var_os("BROWSER").filter(|value| !value.is_empty()) {
        return match browsers.to_str().filter(|list| !Path::new(list).exists()) {
            Some(list) => list
                .split(if cfg!(windows) { ';' } else { ':' })
                .filter_map(|browser| with_arguments(browser, url))
                .collect(),
            None => vec![with_address(Command::new(browsers), url)],
        };
    }
    if cfg!(windows) {
        // `start` would cut the address at `&`.
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        return vec![with_address(command, url)];
    }
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    vec![with_address(Command::new(opener), url)]
}

/// One of `BROWSER`'s list: a program and its arguments, with the address where they say `%s`, else at their
/// end.
fn with_arguments(browser: &str, url: &str) -> Option<Command> {
    let mut words = browser.split_whitespace();
    let mut command = Command::new(words.next()?);
    command.args(words.map(|word| word.replace("%s", url)));
    Some(if browser.contains("%s") { command } else { with_address(command, url) })
}

fn with_address(mut command: Command, url: &str) -> Command {
    command.arg(url);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(browser: &str) -> Option<Vec<String>> {
        let command = with_arguments(browser, "https://x.example/?a=1&b=%s")?;
        let all = std::iter::once(command.get_program()).chain(command.get_args());
        Some(all.map(|word| word.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn a_browser_may_have_arguments_and_a_place_for_the_address() {
        let url = "https://x.example/?a=1&b=%s";
        assert_eq!(words("firefox").unwrap(), ["firefox", url]);
        assert_eq!(words("firefox --new-window").unwrap(), ["firefox", "--new-window", url]);
        assert_eq!(words(" w --app=%s -x ").unwrap(), ["w", &format!("--app={url}"), "-x"]);
        assert_eq!(words(" "), None);
    }
}

//! Opens an address in the person's browser. No shell takes part, and only web addresses are opened (D1). A browser that
//! is started here outlives the terminal: Ctrl-C is for the login.

use std::process::{Command, Stdio};

/// Starts the browser; `false` if none can be started. That it was started does not mean that anybody sees it.
pub fn in_browser(url: &str) -> bool {
    if !(url.starts_with("https://") || url.starts_with("http://")) || url.chars().any(char::is_control) {
        return false;
    }
    let mut command = opener();
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
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

fn opener() -> Command {
    if let Some(browser) = std::env::var_os("BROWSER").filter(|value| !value.is_empty()) {
        return Command::new(browser);
    }
    if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        // `start` would cut the address at `&`.
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        command
    } else {
        Command::new("xdg-open")
    }
}

//! Where the person sits: decides whether a browser can be expected to reach this machine.

use std::path::Path;

/// What stands between a browser and this machine, if something does.
pub fn obstacle() -> Option<&'static str> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    // Who names a browser has one: remote editors set this to a helper that forwards the callback too.
    if set("BROWSER") {
        return None;
    }
    if set("SSH_CONNECTION") || set("SSH_TTY") {
        return Some("SSH");
    }
    if set("WSL_DISTRO_NAME") || set("WSL_INTEROP") {
        return Some("WSL");
    }
    if is_container() {
        return Some("a container");
    }
    if cfg!(target_os = "linux") && !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
        return Some("no display");
    }
    None
}

fn is_container() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() || set("REMOTE_CONTAINERS")
}

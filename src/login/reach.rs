//! Where the person sits: decides, for the editor and the command line alike, whether a browser can be
//! expected to reach this machine.
//!
//! Guarantees: looks at the environment and at two files; asks nobody.

use std::path::Path;

/// What stands between a browser and this machine, if something does, in words that complete "You are …".
pub fn obstacle() -> Option<&'static str> {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let any = |names: &[&str]| names.iter().any(set);
    // Who names a browser has one: remote editors set this to a helper that forwards the callback too.
    if any(&["BROWSER"]) {
        return None;
    }
    if any(&["SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"]) {
        return Some("connected over SSH");
    }
    if any(&["WSL_DISTRO_NAME", "WSL_INTEROP"]) || is_wsl() {
        return Some("inside WSL");
    }
    // `container`: systemd's and podman's word; `REMOTE_CONTAINERS`: that of VS Code.
    let marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists());
    if marked || any(&["container", "REMOTE_CONTAINERS"]) {
        return Some("inside a container");
    }
    if cfg!(target_os = "linux") && !any(&["DISPLAY", "WAYLAND_DISPLAY"]) {
        return Some("without a display");
    }
    None
}

/// The kernel's own word, where the variables were left behind.
fn is_wsl() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    cfg!(target_os = "linux") && release.to_ascii_lowercase().contains("microsoft")
}

//! A program in a sandbox whose only way out is the socket: the folder of a grant, mounted.

use std::path::Path;
use std::process::Command;

use crate::common::{Ran, TestDir, run};
use crate::gateway::{SECRET, home_with_key};
use crate::host::is_possible;
use crate::lent::{Lent, discreet};

#[test]
fn a_sandbox_without_a_network_has_the_login_by_the_folder_that_is_mounted() {
    if !is_possible() {
        return;
    }
    let (upstream, heard) = discreet();
    let home = home_with_key(&upstream.url());
    let folder = home.path().join("lent");
    let lent =
        Lent::of(home.convocations(["agent", "--json", "up", "--socket"]).arg(folder.join("agent.sock")));
    let script = format!(
        "curl -s --max-time 5 {}/direct && echo reached; \
         /opt/convocations exec --gateway up -- sh -c 'curl -s $OPENAI_BASE_URL/models -H \"x-api-key: $OPENAI_API_KEY\"'; \
         curl -s --unix-socket /lent/agent.sock http://agent/up/models; find / -xdev -name secret.key; env",
        upstream.url()
    );
    let ran = sandboxed(&home, &folder, "1000", &script);
    assert!(!ran.stdout.contains("reached") && ran.stdout.contains("answeredanswered"), "{ran:?}");
    assert!(!ran.stdout.contains(SECRET) && !ran.stdout.contains("secret.key"), "{ran:?}");
    let lines: Vec<String> = heard.try_iter().map(|head| head.line).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");

    // As an engine without root maps it: root inside is the person outside.
    let ran = sandboxed(&home, &folder, "0", "/opt/convocations status").ok();
    assert!(ran.stdout.contains("lent by"), "{ran:?}");

    // The grant is made anew in the same folder: a mounted folder has the new socket, a mounted file would
    // not.
    drop(lent);
    assert!(folder.exists());
}

fn sandboxed(home: &TestDir, folder: &Path, uid: &str, script: &str) -> Ran {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--die-with-parent", "--uid", uid, "--gid", uid, "--clearenv"]);
    for folder in ["/usr", "/bin", "/lib", "/lib64", "/sbin"] {
        command.args(["--ro-bind-try", folder, folder]);
    }
    command
        .args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/home", "--tmpfs", "/opt", "--tmpfs", "/etc"]);
    command.arg("--bind").arg(folder).arg("/lent");
    command.arg("--ro-bind").arg(env!("CARGO_BIN_EXE_convocations")).arg("/opt/convocations");
    command.args(["--ro-bind", home.config().join("config.toml").to_str().unwrap(), "/home/config.toml"]);
    for (name, value) in [
        ("PATH", "/usr/bin:/bin"),
        ("HOME", "/home"),
        ("CONVOCATIONS_DIR", "/home"),
        ("CONVOCATIONS_AGENT", "unix:/lent/agent.sock"),
    ] {
        command.args(["--setenv", name, value]);
    }
    run(command.args(["sh", "-c", script]), "")
}

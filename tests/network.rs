//! Networks as people have them: a certificate authority of their own, and a proxy in between.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use std::net::TcpListener;

use common::proxy::proxy;
use common::{Ran, Sandbox, TestDir, run};

/// A provider whose issuer is reached by TLS. Its document names the sandbox's other address, so a login ends
/// with that complaint once the document has come through, and with another one if it has not.
fn dir(sandbox: &Sandbox) -> TestDir {
    let dir = TestDir::new();
    let (url, pem) = sandbox.tls();
    dir.write_config(&format!("[providers.corp]\nissuer = \"{url}/generic\"\n"));
    std::fs::write(dir.paths().config_dir().join("ca.pem"), pem).unwrap();
    dir
}

fn login(dir: &TestDir, variables: &[(&str, &str)]) -> Ran {
    let mut command = dir.convocations(["login", "corp", "--no-browser"]);
    command.env("SSL_CERT_FILE", dir.paths().config_dir().join("ca.pem"));
    run(command.envs(variables.iter().copied()), "")
}

fn came_through(ran: &Ran) -> bool {
    ran.code() == 2 && ran.stderr.contains("names another issuer")
}

#[test]
fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let dir = dir(&sandbox);
    let trusted = login(&dir, &[]);
    assert!(came_through(&trusted), "{trusted:?}");
    let foreign = run(&mut dir.convocations(["login", "corp", "--no-browser"]), "");
    assert_eq!(foreign.code(), 5, "{foreign:?}");
    assert!(foreign.stderr.contains("certificate of localhost is not trusted"), "{foreign:?}");
    assert!(foreign.stderr.contains("SSL_CERT_FILE"), "{foreign:?}");
    for wrong in ["/nonexistent", "/dev/null"] {
        let ran = login(&dir, &[("SSL_CERT_FILE", wrong)]);
        assert_eq!(ran.code(), 5, "{wrong}: {ran:?}");
        assert!(ran.stderr.contains("SSL_CERT_FILE"), "{wrong}: {ran:?}");
    }
}

#[test]
fn a_proxy_is_used_unless_it_is_to_be_passed_by() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let dir = dir(&sandbox);
    let (proxy, asked) = proxy();
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let ran = login(&dir, &[(name, &proxy)]);
        assert!(came_through(&ran), "{ran:?}");
        let line = asked.try_recv().expect("the proxy was asked");
        assert!(line.starts_with("CONNECT localhost:"), "{line}");
        assert_eq!(asked.try_iter().filter(|line| !line.starts_with("CONNECT localhost:")).count(), 0);
    }
    let ran = login(&dir, &[("HTTPS_PROXY", &proxy), ("NO_PROXY", "localhost")]);
    assert!(came_through(&ran), "{ran:?}");
    assert!(asked.try_recv().is_err(), "the proxy was passed by");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = login(&dir, &[("HTTPS_PROXY", &format!("http://{gone}"))]);
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert!(ran.stderr.contains("HTTPS_PROXY"), "{ran:?}");
}

/// Plain HTTP is for this machine alone: a proxy would read the secrets in it.
#[test]
fn what_stays_on_this_machine_passes_no_proxy() {
    let sandbox = Sandbox::start();
    let dir = TestDir::new();
    dir.write_config(&format!("{}\n[store]\nbackend = \"local-encrypted\"\n", sandbox.config_toml()));
    sandbox.switch(serde_json::json!({ "github": { "interval": 1 } }));
    sandbox.control("consent", serde_json::json!({ "mode": "auto" }));
    let (proxy, asked) = proxy();
    let mut command = dir.convocations(["login", "github-copilot", "--method", "device"]);
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(name, &proxy);
    }
    run(&mut command, "").ok();
    assert!(asked.try_recv().is_err(), "the proxy was passed by");
}

/// As in a minimal container: the folders where systems keep their authorities are empty. `None` where a
/// process may not have a root of its own.
#[cfg(target_os = "linux")]
fn without_authorities(dir: &TestDir, args: &str) -> Option<std::process::Command> {
    let own_root = ["--user", "--map-root-user", "--mount"];
    let may = std::process::Command::new("unshare").args(own_root).arg("true").output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: this process may not unshare its mounts");
        return None;
    }
    let hide = "for d in /etc/ssl /usr/lib/ssl /usr/local/ssl /etc/pki /usr/share/ca-certificates /var/lib/ca-certificates; \
                do [ ! -d $d ] || mount -t tmpfs none $d; done";
    let program = env!("CARGO_BIN_EXE_convocations");
    let mut command = dir.command("unshare");
    command.args(own_root).args(["sh", "-c", &format!("{hide}; exec {program} {args}")]);
    Some(command)
}

/// Nobody's certificate is needed to talk to this machine.
#[cfg(target_os = "linux")]
#[test]
fn a_system_without_authorities_logs_in_on_this_machine() {
    let (sandbox, dir) = (Sandbox::start(), TestDir::new());
    dir.write_config(&format!("{}\n[store]\nbackend = \"local-encrypted\"\n", sandbox.config_toml()));
    sandbox.switch(serde_json::json!({ "github": { "interval": 1 } }));
    sandbox.control("consent", serde_json::json!({ "mode": "auto" }));
    let Some(mut login) = without_authorities(&dir, "login github-copilot --method device") else { return };
    run(&mut login, "").ok();
}

#[cfg(target_os = "linux")]
#[test]
fn a_system_without_authorities_trusts_mozillas() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let dir = dir(&sandbox);
    let Some(mut login) = without_authorities(&dir, "login corp --no-browser") else { return };
    let ran = run(&mut login, "");
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert!(ran.stderr.contains("certificate of localhost is not trusted"), "HTTPS was spoken: {ran:?}");
    let Some(mut doctor) = without_authorities(&dir, "doctor") else { return };
    let ran = run(&mut doctor, "");
    assert!(ran.stdout.contains("HTTPS uses Mozilla's"), "{ran:?}");
    let mut named = without_authorities(&dir, "login corp --no-browser").unwrap();
    let ran = run(named.env("SSL_CERT_FILE", "/nonexistent"), "");
    assert!(ran.stderr.contains("cannot be set up"), "a file that was named has to be there: {ran:?}");
}

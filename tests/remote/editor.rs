//! A real Neovim on the other host, and a companion plugin in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::common::dir::contains;
use crate::common::process::{LIMIT, wait_for};
use crate::common::{Child, Sandbox, run};
use crate::gateway::home_with_login;
use crate::host::{Host, is_possible};
use crate::lent::{discreet, secrets};

/// The Neovim that `make deps` found or installed.
fn neovim() -> Option<PathBuf> {
    let named = std::env::var_os("NVIM").map(PathBuf::from);
    let found = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".deps/bin/nvim"));
    let found = std::fs::canonicalize(found).ok();
    if found.is_none() {
        println!("skipped: there is no Neovim; `make deps` brings one");
    }
    found
}

#[test]
fn a_companion_plugins_requests_have_the_login_of_home_also_after_a_refresh_there() {
    let Some(neovim) = neovim().filter(|_| is_possible()) else { return };
    let sandbox = Sandbox::start();
    let (upstream, heard) = discreet();
    let home = home_with_login(&upstream, &sandbox);
    let host = Host::start();
    let mut all = secrets(&home, "mycorp");
    let script = format!(
        "FAR_ENDPOINT={}/base/chat/completions {} --headless -u /opt/repository/tests/nvim/far_editor.lua </dev/null",
        upstream.url(),
        neovim.display()
    );
    let session = Child::spawn(&mut host.lend(&home, &["--login", "mycorp", "--label", "desk"], &[&script]));
    let said = |name: &str| {
        let said = wait_for(Duration::from_secs(60), || {
            let text = std::fs::read_to_string(host.seen("/srv/far/said")).ok()?;
            let said: Value = serde_json::from_str(&text).ok()?;
            assert!(said["problem"].is_null(), "{said}");
            said.get(name).cloned()
        });
        said.unwrap_or_else(|| panic!("nothing of {name}: {} {}", session.stdout(), session.stderr()))
    };
    let sent = || {
        let head = heard.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(head.line, "POST /base/chat/completions HTTP/1.1");
        head.header("authorization").unwrap().to_owned()
    };
    assert_eq!(said("first")["body"], "answered", "{}", said("first"));
    assert_eq!(sent(), format!("Bearer {}", all[0]));

    sandbox.expire("generic");
    run(&mut home.convocations(["token", "mycorp", "--rejected"]), &all[0].clone()).ok();
    all.extend(secrets(&home, "mycorp"));
    std::fs::write(host.seen("/srv/far/go"), "").unwrap();
    assert_eq!(said("second")["body"], "answered");
    let newest = run(&mut home.convocations(["token", "mycorp"]), "").ok().stdout;
    assert_eq!(sent(), format!("Bearer {}", newest.trim()));
    assert_ne!(all[0], newest.trim());

    assert!(said("token")["value"].is_null() && said("token")["code"] == "login_denied", "{}", said("token"));
    let status = said("status");
    assert!(status["state"] == "valid" && status["gateway_only"] == true, "{status}");
    assert!(status["lender"].as_str().unwrap().ends_with("(desk)"), "{status}");
    assert!(said("statusline").as_str().unwrap().contains("mycorp ("), "{}", said("statusline"));
    assert_eq!(said("gateway"), true);
    assert!(said("login").as_str().unwrap().contains("is kept on"), "{}", said("login"));
    let window = said("window");
    let window = window.as_str().unwrap();
    assert!(window.contains("through the gateway only") && window.contains("lends logins here"), "{window}");
    session.finish(LIMIT);

    assert!(host.dir.files_with(&all).is_empty(), "no file over there has any of it, shada and logs neither");
    let ours = crate::far::files(&host.seen("/srv/far"));
    let ours: Vec<_> =
        ours.iter().filter(|path| contains(path.as_os_str().as_encoded_bytes(), b"convocations")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

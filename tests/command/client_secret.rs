//! A client secret that a command prints: run at each use, kept nowhere.

use serde_json::json;

use crate::asking::{NO_ARGS, WAITS, are_gone, waiting};
use crate::backend::Backend;
use crate::common::{Sandbox, run};
use crate::vault::{Vault, fails};

fn configured(sandbox: &Sandbox, body: &str) -> Vault {
    let vault = Vault::new(body, "");
    vault.dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[providers.ci]\nissuer = \"{}/generic\"\nclient_id = \"sandbox-confidential\"\n\
         [providers.ci.client_secret_command]\nargv = [\"{}\", \"secret\"]\n\
         [providers.ci.login.machine]\ngrant = \"client-credentials\"\n",
        sandbox.url(),
        vault.program().display()
    ));
    vault
}

#[test]
fn a_program_logs_in_and_refreshes_by_it() {
    let sandbox = Sandbox::start();
    let vault = configured(&sandbox, "echo sandbox-confidential-secret");
    vault.cli("login ci").ok();
    let logged_in = vault.runs();
    assert!(logged_in >= 1);
    let first = vault.cli("token ci").ok().stdout;
    assert_eq!(vault.runs(), logged_in, "a token that is there needs no secret");
    let newer = run(&mut vault.dir.convocations(["token", "ci", "--rejected"]), first.trim()).ok().stdout;
    assert_ne!(newer, first);
    assert_eq!(vault.runs(), logged_in + 1);
    let found = vault.dir.files_with(&["sandbox-confidential-secret".to_owned()]);
    assert_eq!(found, [vault.program()], "it is kept nowhere");
}

#[test]
fn a_command_that_fails_is_said_and_keeps_the_login() {
    let sandbox = Sandbox::start();
    let vault = configured(&sandbox, "echo sandbox-confidential-secret");
    let first = {
        vault.cli("login ci").ok();
        vault.cli("token ci").ok().stdout
    };
    vault.says("exit 7");
    let ran = run(&mut vault.dir.convocations(["token", "ci", "--rejected"]), first.trim());
    fails(&ran, 6, "`vault` ended with exit status 7");
    vault.says("echo sandbox-confidential-secret");
    run(&mut vault.dir.convocations(["token", "ci", "--rejected"]), first.trim()).ok();
}

#[test]
fn an_editor_is_told_of_it_too_and_can_cancel() {
    let sandbox = Sandbox::start();
    let vault = configured(&sandbox, "echo sandbox-confidential-secret");
    vault.cli("login ci").ok();
    let first = vault.cli("token ci").ok().stdout;
    vault.says(WAITS);
    let mut backend = Backend::start(&mut vault.dir.convocations(NO_ARGS), json!({}));
    let refused = backend.send("invalidate", json!({"login": "ci", "token": first.trim()}));
    let told = backend.event("waiting", |data| data["done"] == false);
    assert_eq!((&told["login"], &told["program"]), (&json!("ci"), &json!("vault")));
    let processes = waiting(&vault);
    backend.ok("command.cancel", json!({}));
    assert_eq!(backend.reply(refused).unwrap_err()["code"], "cancelled");
    are_gone(&processes);
    drop(backend);
    vault.says("echo sandbox-confidential-secret");
    let newer = run(&mut vault.dir.convocations(["token", "ci", "--rejected"]), first.trim()).ok().stdout;
    assert_ne!(newer, first, "the login is as it was");
}

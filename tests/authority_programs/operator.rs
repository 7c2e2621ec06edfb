//! `convocations authority` as an operator starts it: where the secret comes from, and what is said about
//! arguments.

use crate::common::{self, Child, TestDir, eventually};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

/// Starts it with these variables and arguments; returns it and its issuer.
fn start(dir: &TestDir, variables: &[(&str, &str)], args: &[&str]) -> (Child, String) {
    let all = [&["authority", "--listen", "127.0.0.1:0"], args].concat();
    let mut command = dir.convocations(all);
    let child = Child::spawn(command.envs(variables.iter().copied()));
    let said = || child.stderr().split_once("The authority ").map(|(_, rest)| rest.to_owned());
    let issuer = eventually("the authority", || Some(said()?.split(' ').next()?.to_owned()));
    (child, issuer)
}

fn register(issuer: &str) -> String {
    let body = serde_json::json!({ "redirect_uris": ["http://127.0.0.1/cb"] });
    let reply = common::post_json(&format!("{issuer}/register"), &body).json();
    reply["client_id"].as_str().unwrap().to_owned()
}

/// Whether a client that registered elsewhere is known here: whether both have the same secret.
fn knows(issuer: &str, client: &str) -> bool {
    let form = [("grant_type", "authorization_code"), ("client_id", client), ("code", "x")];
    let error = common::post_form(&format!("{issuer}/token"), &form).json()["error"].clone();
    assert!(error == "invalid_client" || error == "invalid_grant", "{error}");
    error == "invalid_grant"
}

#[test]
fn the_secret_comes_from_a_variable_of_its_own_name_first() {
    let dir = TestDir::new();
    let (_one, one) = start(&dir, &[("CONVOCATIONS_AUTHORITY_SECRET", SECRET)], &[]);
    let client = register(&one);
    let both = [("CONVOCATIONS_AUTHORITY_SECRET", SECRET), ("SECRET", OTHER)];
    let (child, same) = start(&dir, &both, &[]);
    assert!(knows(&same, &client));
    assert!(!child.stderr().contains("`SECRET`"), "{}", child.stderr());
    let rotated =
        [("CONVOCATIONS_AUTHORITY_SECRET", OTHER), ("CONVOCATIONS_AUTHORITY_SECRET_PREVIOUS", SECRET)];
    assert!(knows(&start(&dir, &rotated, &[]).1, &client), "the previous secret still opens");
    assert!(!knows(&start(&dir, &[], &[]).1, &client), "its own file is another secret");
}

#[test]
fn a_generic_secret_is_read_with_a_warning_and_after_a_file_that_was_named() {
    let dir = TestDir::new();
    let (_one, one) = start(&dir, &[("CONVOCATIONS_AUTHORITY_SECRET", SECRET)], &[]);
    let client = register(&one);
    let (child, old) = start(&dir, &[("SECRET", SECRET)], &[]);
    assert!(knows(&old, &client));
    assert!(child.stderr().contains("call it `CONVOCATIONS_AUTHORITY_SECRET`"), "{}", child.stderr());
    let file = dir.path().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (child, named) = start(&dir, &[("SECRET", OTHER)], &["--secret-file", file.to_str().unwrap()]);
    assert!(knows(&named, &client));
    assert!(!child.stderr().contains("`SECRET`"), "{}", child.stderr());
}

#[test]
fn rates_and_resources_are_checked_when_it_starts() {
    let dir = TestDir::new();
    let refused = |args: &[&str]| {
        let all = [&["authority", "--listen", "127.0.0.1:0"], args].concat();
        common::run(&mut dir.convocations(all), "")
    };
    let rate = refused(&["--rate-limit", "token=many"]);
    assert_eq!(rate.code(), 2);
    assert!(rate.stderr.contains("token=50/15m"), "{}", rate.stderr);
    let resource = refused(&["--resource", "http://mcp.example/"]);
    assert_eq!(resource.code(), 2);
    assert!(resource.stderr.contains("https URL of an MCP server"), "{}", resource.stderr);
}

#[test]
fn a_rate_is_what_the_operator_says() {
    let dir = TestDir::new();
    let (_child, issuer) = start(&dir, &[], &["--rate-limit", "register=2/1h"]);
    let body = serde_json::json!({ "redirect_uris": ["http://127.0.0.1/cb"] });
    let statuses = [(); 3].map(|()| common::post_json(&format!("{issuer}/register"), &body).status);
    assert_eq!(statuses, [201, 201, 429]);
}

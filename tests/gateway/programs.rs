//! `exec --gateway`: what a program gets, and how it ends.

use serde_json::Value;

use crate::common::{Child, TestDir, eventually, run};
use crate::fixture::{SECRET, Served, Upstream};

#[test]
fn a_program_gets_an_address_and_a_key_and_no_secret() {
    let served = Served::with_key(&Upstream::echo());
    let mut command = served.dir.convocations(["exec", "--gateway", "up", "--", "env"]);
    let ran = run(command.env("UP_KEY", "x"), "").ok();
    let variable = |name: &str| {
        let line = ran.stdout.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name} is missing: {}", ran.stdout)).to_owned()
    };
    assert!(variable("OPENAI_BASE_URL").ends_with("/up/v1"));
    assert!(variable("OPENAI_API_KEY").starts_with("conv-"));
    assert!(!ran.stdout.contains(SECRET));
}

#[test]
fn its_exit_status_is_the_programs_and_the_gateway_ends_with_it() {
    let served = Served::with_key(&Upstream::echo());
    let exec = |script: &str| {
        run(&mut served.dir.convocations(["exec", "--gateway", "up", "--", "sh", "-c", script]), "")
    };
    assert_eq!(exec("exit 7").code(), 7);
    assert_eq!(exec("kill -TERM $$").code(), 128 + 15);
    let url = exec("echo $OPENAI_BASE_URL").ok().stdout;
    let host = url.trim_start_matches("http://").split('/').next().unwrap();
    assert!(std::net::TcpStream::connect(host).is_err(), "nobody listens any more");
}

#[test]
fn being_asked_to_end_is_passed_on() {
    let served = Served::with_key(&Upstream::echo());
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let child =
        Child::spawn(&mut served.dir.convocations(["exec", "--gateway", "up", "--", "sh", "-c", script]));
    eventually("the program", || child.stdout().contains("ready").then_some(()));
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.finish(std::time::Duration::from_secs(20)).code(), 9);
}

#[test]
fn a_key_of_the_same_provider_in_the_environment_is_taken_away() {
    let served = Served::with_key(&Upstream::echo());
    let mut set = served.dir.convocations(["secret", "set", "groq"]);
    run(&mut set, "gsk_0123456789\n").ok();
    let mut command = served.dir.convocations(["exec", "--gateway", "groq", "--", "env"]);
    let ran = run(command.env("GROQ_API_KEY_OLD", "keep"), "").ok();
    assert!(
        !ran.stdout.contains("GROQ_API_KEY=") && ran.stdout.contains("GROQ_API_KEY_OLD=keep"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_login_that_its_vendor_keeps_to_itself_is_not_served_and_the_reason_is_said() {
    let dir = TestDir::new();
    dir.write_config("[store]\nbackend = \"local-encrypted\"\n");
    let mut command = dir.convocations(["exec", "--gateway", "anthropic", "--", "true"]);
    let ran = run(command.env("ANTHROPIC_OAUTH_TOKEN", "sk-ant-oat01-x"), "");
    assert_eq!(ran.code(), 4, "{ran:?}");
    assert!(ran.stderr.contains("does not allow"), "{ran:?}");
    let mut command = dir.convocations(["gateway", "anthropic", "--json"]);
    let child = Child::spawn(command.env("ANTHROPIC_OAUTH_TOKEN", "sk-ant-oat01-x"));
    let line = eventually("the line", || Some(child.stdout()).filter(|line| line.ends_with('\n')));
    let doors: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| doors["logins"]["anthropic"][name].as_str().unwrap().to_owned();
    let answer =
        crate::common::http::get_with(&format!("{}/v1/models", text("url")), &[("x-api-key", &text("key"))]);
    assert_eq!(answer.status, 403);
    let body: Value = answer.json();
    assert_eq!(
        (&body["type"], &body["error"]["type"]),
        (&"error".into(), &"permission_error".into()),
        "{body}"
    );
}

//! Programs that others wrote, unmodified, behind `exec --gateway`, with a token that ends between two
//! requests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Child, Sandbox, TestDir, log_in};

/// Programs that load half of PyPI are slow to start.
const LIMIT: Duration = Duration::from_secs(120);

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".deps/clients")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/clients").join(name)
}

/// Somebody logged in to an API in OpenAI's or Anthropic's form, whose tokens are refreshed.
struct Person {
    sandbox: Sandbox,
    dir: TestDir,
}

impl Person {
    fn new(api: &str) -> Self {
        let sandbox = Sandbox::start();
        let dir = TestDir::new();
        let base = sandbox.at(if api == "openai" { "/generic/v1" } else { "/generic" });
        let variables = "ANTHROPIC_BASE_URL = \"{gateway_url}\"\nANTHROPIC_API_KEY = \"{gateway_key}\"\n";
        dir.write_config(&format!(
            "[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n[providers.mycorp]\nissuer = \"{}\"\nscopes = [\"offline_access\"]\napi = \"{api}\"\nbase_url = \"{base}\"\n[providers.mycorp.exec_gateway]\n{variables}",
            sandbox.at("/generic"),
        ));
        log_in(&mut dir.convocations(["login", "mycorp", "--method", "browser"])).ok();
        Self { sandbox, dir }
    }

    /// A program behind the gateway.
    fn exec(&self, program: &[&str]) -> Command {
        let mut command = self.dir.convocations(["exec", "--gateway", "mycorp", "--"].iter().chain(program));
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    /// Runs a client that asks twice, ends the token in between, and holds what the model said against the
    /// questions.
    fn asks_twice(&self, command: &mut Command) {
        let mut child = Child::spawn(command);
        let line = |child: &Child, number: usize| {
            let wait = crate::common::process::wait_for(LIMIT, || {
                child.stdout().lines().nth(number).map(str::to_owned)
            });
            wait.unwrap_or_else(|| panic!("no line {number}: {} {}", child.stdout(), child.stderr()))
        };
        assert!(text(&line(&child, 0)).ends_with("You said: one"), "{}", child.stdout());
        self.sandbox.expire("generic");
        child.say("\n");
        assert!(text(&line(&child, 1)).ends_with("You said: two"), "{}", child.stdout());
        child.close();
        child.finish(LIMIT).ok();
        assert_eq!(self.sandbox.refreshes("generic.token"), 1);
    }
}

fn text(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    line["text"].as_str().unwrap().to_owned()
}

fn python() -> Option<PathBuf> {
    let python = clients().join("python/bin/python");
    if !python.exists() {
        println!(
            "skipped: the Python SDKs are not in .deps/clients (`make deps` installs them where python3 is)"
        );
        return None;
    }
    Some(python)
}

fn node() -> Option<PathBuf> {
    let folder = clients().join("node");
    if !folder.join("node_modules/openai").exists() {
        println!("skipped: the Node SDKs are not in .deps/clients (`make deps` installs them where npm is)");
        return None;
    }
    Some(folder)
}

#[test]
fn openais_python_sdk_never_notices_that_its_token_ended() {
    let Some(python) = python() else { return };
    let person = Person::new("openai");
    let script = script("openai_client.py");
    person.asks_twice(&mut person.exec(&[python.to_str().unwrap(), script.to_str().unwrap()]));
}

#[test]
fn anthropics_python_sdk_never_notices_that_its_token_ended() {
    let Some(python) = python() else { return };
    let person = Person::new("anthropic");
    let script = script("anthropic_client.py");
    person.asks_twice(&mut person.exec(&[python.to_str().unwrap(), script.to_str().unwrap()]));
}

#[test]
fn openais_node_sdk_never_notices_that_its_token_ended() {
    let Some(folder) = node() else { return };
    let person = Person::new("openai");
    let script = script("openai_client.mjs");
    person.asks_twice(&mut person.exec(&["node", script.to_str().unwrap(), folder.to_str().unwrap()]));
}

#[test]
fn anthropics_node_sdk_never_notices_that_its_token_ended() {
    let Some(folder) = node() else { return };
    let person = Person::new("anthropic");
    let script = script("anthropic_client.mjs");
    person.asks_twice(&mut person.exec(&["node", script.to_str().unwrap(), folder.to_str().unwrap()]));
}

/// A shell that runs a program twice, as JSON lines, with a wait in between.
const TWICE: &str = "ask() { \"$@\" </dev/null | tr '\\n' ' ' | sed 's/\\\\/ /g; s/\"/ /g; s/ *$//; s/.*\\(You said: [a-z]*\\).*/{\"text\":\"\\1\"}/'; echo; }; ";

#[test]
fn llm_never_notices_that_its_token_ended() {
    let Some(python) = python() else { return };
    let person = Person::new("openai");
    let llm = format!("'{}' -m llm -m gpt-4o-mini", python.display());
    let script = format!("{TWICE} ask {llm} --no-stream one; read -r _; ask {llm} two");
    let mut command = person.exec(&["bash", "-c", &script]);
    person.asks_twice(command.env("LLM_USER_PATH", person.dir.path().join("llm")));
}

#[test]
fn aider_never_notices_that_its_token_ended() {
    let python = clients().join("aider/bin/python");
    if !python.exists() {
        println!("skipped: aider is not in .deps/clients (`make deps` installs it where python3 is)");
        return;
    }
    let person = Person::new("openai");
    let flags = "--model openai/sandbox-parrot --no-git --yes-always --no-check-update --no-show-model-warnings --no-analytics --no-pretty --map-tokens 0 --chat-mode ask --no-show-release-notes --no-auto-lint --no-detect-urls";
    let aider = format!("'{}' -m aider {flags} --message", python.display());
    let script = format!("{TWICE} ask {aider} one; read -r _; ask {aider} two");
    let mut command = person.exec(&["bash", "-c", &script]);
    command.current_dir(person.dir.path()).env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    person.asks_twice(&mut command);
}

//! Rows with a real keyring, and with the tools that people use instead, as far as they are installed.

#[path = "../common/keyring.rs"]
mod gnome;

use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{self, TestDir, run};
use crate::pipe::Pipe;
use crate::table::Table;
use crate::{KEY, RUNS, finish, floors, in_turns};

const SERVICE: &str = "com.convocations.app";
/// The variable that names the item for [`read_bare`].
const ACCOUNT: &str = "CONVOCATIONS_BENCH_ACCOUNT";

/// Reads the item, as bare as can be.
pub fn read_bare() {
    let account = std::env::var(ACCOUNT).unwrap();
    assert!(keyring::Entry::new(SERVICE, &account).unwrap().get_password().is_ok());
}

/// Where the program keeps its key.
fn account(dir: &TestDir) -> String {
    let index = std::fs::read_to_string(dir.config().join("credentials.toml")).unwrap();
    let line = index.lines().find_map(|line| line.strip_prefix("account = ")).unwrap();
    line.trim_matches('"').to_owned()
}

/// The rows of the budget.
pub fn rows(table: &mut Table) {
    if !gnome::Keyring::is_here() {
        return table.skipped("the keyring's rows");
    }
    let dir = TestDir::new();
    dir.write_config("[store]\nbackend = \"keyring\"\n");
    let keyring = gnome::Keyring::unlocked(&dir);
    let with_bus = |mut command: Command| {
        command.envs(keyring.environment());
        command
    };
    let mut set = with_bus(dir.convocations(["secret", "set-openrouter-key"]));
    assert_eq!(run(&mut set, &format!("{KEY}\n")).code(), 0);

    let account = account(&dir);
    let mut environment = keyring.environment();
    environment.push((ACCOUNT, account.clone()));
    let echo = || {
        let mut echo = Pipe::echo(&["keyring"], &environment);
        echo.round();
        echo
    };
    let first = || Pipe::backend(&mut with_bus(dir.convocations::<&str>([])));
    let what = "backend spawn to first token, keyring";
    table.row(what, "spawn to first echo and a bare keyring read", in_turns(RUNS, first, echo), 1.2);

    let lookup = || {
        let mut command = with_bus(dir.command("secret-tool"));
        command.args(["lookup", "service", SERVICE, "username", &account]);
        finish(command);
    };
    let token = || finish(with_bus(dir.convocations(["token", "openrouter"])));
    table.row("`convocations token`, keyring", "`secret-tool lookup`", in_turns(RUNS, token, lookup), 0.8);
}

/// What else prints a secret on this machine, against the floor of `convocations token`: no budget, for
/// comparison.
pub fn other_tools(table: &mut Table) {
    let dir = TestDir::new();
    let program = floors::read_a_file();
    let file = dir.path().join("secret");
    std::fs::write(&file, KEY).unwrap();
    let floor = || {
        let mut command = dir.command(&program);
        command.arg(&file);
        finish(command);
    };
    if is_installed("secret-tool") && gnome::Keyring::is_here() {
        let keyring = gnome::Keyring::unlocked(&dir);
        let mut store = dir.command("secret-tool");
        store.args(["store", "--label=x", "service", "x", "username", "y"]).envs(keyring.environment());
        run(&mut store, KEY).ok();
        let lookup = || {
            let mut command = dir.command("secret-tool");
            command.args(["lookup", "service", "x", "username", "y"]).envs(keyring.environment());
            finish(command);
        };
        table.compared("`secret-tool lookup`", in_turns(RUNS, lookup, floor));
    }
    if is_installed("gh") {
        let show = || {
            let mut command = dir.command("gh");
            command.args(["auth", "token"]).env("GH_CONFIG_DIR", dir.path());
            finish(command);
        };
        let hosts =
            "github.com:\n    user: someone\n    oauth_token: gho_0123456789\n    git_protocol: https\n";
        std::fs::write(dir.path().join("hosts.yml"), hosts).unwrap();
        table.compared("`gh auth token`", in_turns(RUNS, show, floor));
    }
    if is_installed("pass") && is_installed("gpg") {
        let show = || {
            let mut command = pass(&dir);
            command.args(["show", "openrouter"]);
            finish(command);
        };
        set_up_pass(&dir);
        table.compared("`pass show`", in_turns(RUNS, show, floor));
    }
}

fn is_installed(program: &str) -> bool {
    let found = Command::new("which").arg(program).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

fn pass(dir: &TestDir) -> Command {
    let mut command = dir.command("pass");
    command.env("PASSWORD_STORE_DIR", dir.path().join("pass")).env("GNUPGHOME", gnupg(dir.path()));
    command
}

/// Beside the runtime folder: an agent's socket path may not be long.
fn gnupg(dir: &Path) -> std::path::PathBuf {
    dir.join("gpg")
}

/// A key without a passphrase, and the secret under it.
fn set_up_pass(dir: &TestDir) {
    let home = gnupg(dir.path());
    std::fs::create_dir(&home).unwrap();
    common::dir::restrict(&home);
    let mut key = dir.command("gpg");
    let user = "bench@example.test";
    let args = [
        "--batch",
        "--quiet",
        "--passphrase",
        "",
        "--quick-generate-key",
        user,
        "default",
        "default",
        "never",
    ];
    common::run(key.args(args).env("GNUPGHOME", &home), "").ok();
    common::run(pass(dir).args(["init", user]), "").ok();
    common::run(pass(dir).args(["insert", "--multiline", "openrouter"]), KEY).ok();
}

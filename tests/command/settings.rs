//! Which commands may run at all: the person's own, from their own files, found where nobody else puts
//! programs.

use serde_json::json;

use crate::backend::Backend;
use crate::common::{TestDir, run};
use crate::vault::{Vault, fails};

const NO_ARGS: [&str; 0] = [];

#[test]
fn a_mistake_is_told_with_its_full_path() {
    for (table, words) in [
        ("argv = []", "`providers.openai.command.argv` is not valid: it is missing"),
        ("argv = \"op read x\"", "`providers.openai.command.argv` is not valid: it must be a list"),
        ("argv = [\"./op\"]", "a name that `PATH` leads to, or a whole path"),
        ("argv = [\"op\"]\nttl = 0", "`providers.openai.command.ttl` is not valid: it must be 1 to"),
        ("argv = [\"op\"]\ntimeout = 9999999", "`providers.openai.command.timeout` is not valid"),
        ("argv = [\"op\"]\nformat = \"yaml\"", "`providers.openai.command.format` is not valid"),
        ("argv = [\"op\"]\ncach = \"store\"", "did you mean `cache`?"),
    ] {
        let dir = TestDir::new();
        dir.write_config(&format!(
            "[providers.openai]\nsources = [\"command\"]\n[providers.openai.command]\n{table}\n"
        ));
        let ran = run(&mut dir.convocations(["token", "openai"]), "");
        fails(&ran, 2, words);
    }
}

#[test]
fn a_command_is_a_source_and_described_or_neither() {
    let dir = TestDir::new();
    dir.write_config("[providers.openai.command]\nargv = [\"op\"]\n");
    fails(&run(&mut dir.convocations(["token", "openai"]), ""), 2, "`providers.openai.sources`");
    dir.write_config("[providers.openai]\nsources = [\"command\"]\n");
    fails(&run(&mut dir.convocations(["token", "openai"]), ""), 2, "`providers.openai.command`");
}

#[test]
fn the_editors_options_may_not_name_a_command() {
    for options in [
        json!({"providers": {"openai": {"sources": ["command"], "command": {"argv": ["/bin/echo", "x"]}}}}),
        json!({"providers": {"mine": {"client_secret_command": {"argv": ["/bin/echo", "x"]}}}}),
    ] {
        let dir = TestDir::new();
        let mut backend = Backend::spawn(&mut dir.convocations(NO_ARGS));
        let hello = json!({"protocol": 1, "version": "test", "options": options});
        let error = backend.fails("hello", hello, "config_invalid");
        assert!(
            error["message"].as_str().unwrap().contains("command` is not valid: a project may"),
            "{error}"
        );
        assert!(error["hint"].as_str().unwrap().contains("convocations.toml"), "{error}");
    }
}

#[test]
fn no_file_of_the_current_directory_is_run() {
    let vault = Vault::new("echo planted", "");
    let folder = vault.dir.path().join("cloned");
    std::fs::create_dir(&folder).unwrap();
    let theirs = vault.script("cloned/vaultx", "#!/bin/sh\ntouch \"${0%/*}/ran\"\necho planted\n");
    vault.dir.write_config(
        "[providers.openai]\nsources = [\"command\"]\n[providers.openai.command]\nargv = [\"vaultx\"]\n",
    );
    for path in [".:/usr/bin:/bin", ":/usr/bin", "", "../cloned:/bin"] {
        let mut command = vault.dir.convocations(["token", "openai"]);
        let ran = run(command.env("PATH", path).current_dir(&folder), "");
        fails(&ran, 2, "There is no program `vaultx`");
        assert!(!folder.join("ran").exists(), "{path}: {} ran", theirs.display());
    }
    let own = vault.dir.path().join("bin");
    std::fs::create_dir(&own).unwrap();
    vault.script("bin/vaultx", "#!/bin/sh\necho \"$PWD $PATH\"\n");
    let mut command = vault.dir.convocations(["token", "openai"]);
    let ran = run(command.env("PATH", format!(".:{}:/bin", own.display())).current_dir(&folder), "").ok();
    let expected = format!("{} {}:/bin", vault.dir.home().display(), own.display());
    assert_eq!(ran.stdout.trim(), expected, "it runs in the home folder, with absolute entries of PATH");
}

#[test]
fn a_folder_with_blanks_is_one_like_any_other() {
    let vault = Vault::new("true", "");
    let folder = vault.dir.path().join("my own  vault");
    std::fs::create_dir(&folder).unwrap();
    let program = vault.script("my own  vault/the key", "#!/bin/sh\necho \"from $0\"\n");
    let source = |argv: &str| {
        vault.dir.write_config(&format!(
            "[providers.openai]\nsources = [\"command\"]\n[providers.openai.command]\nargv = [\"{argv}\"]\n"
        ));
    };
    source(&program.display().to_string());
    let expected = format!("from {}", program.display());
    assert_eq!(vault.token(), expected);
    source("the key");
    let mut command = vault.dir.convocations(["token", "openai"]);
    let ran = run(command.env("PATH", format!("{}:/bin:/usr/bin", folder.display())), "").ok();
    assert_eq!(ran.stdout.trim(), expected);
}

/// A program of that name which this user may not run is passed over, as a shell does.
#[test]
#[cfg(target_os = "linux")]
fn what_this_user_may_not_run_is_passed_over() {
    use std::os::unix::fs::PermissionsExt as _;
    let vault = Vault::new("true", "");
    for folder in ["theirs", "ours"] {
        std::fs::create_dir(vault.dir.path().join(folder)).unwrap();
        vault.script(&format!("{folder}/vaultx"), &format!("#!/bin/sh\necho {folder}\n"));
    }
    // Its owner may not run it, though others may.
    let theirs = vault.dir.path().join("theirs/vaultx");
    std::fs::set_permissions(&theirs, std::fs::Permissions::from_mode(0o655)).unwrap();
    vault.dir.write_config(
        "[providers.openai]\nsources = [\"command\"]\n[providers.openai.command]\nargv = [\"vaultx\"]\n",
    );
    let path = ["theirs", "ours"].map(|folder| vault.dir.path().join(folder).display().to_string());
    // Root may run whatever anybody may; in a user namespace of its own it is nobody special.
    let nobody = ["--user", "--map-user=1000", "--map-group=1000"];
    let may = std::process::Command::new("unshare").args(nobody).arg("true").output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: this process may not unshare its users");
        return;
    }
    let mut command = vault.dir.convocations(["token", "openai"]);
    command.env("PATH", format!("{}:/bin:/usr/bin", path.join(":")));
    let mut unshared = vault.dir.command("unshare");
    unshared.args(nobody).arg(command.get_program()).args(command.get_args());
    unshared.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(run(&mut unshared, "").ok().stdout.trim(), "ours");
}

#[test]
fn no_shell_reads_its_arguments() {
    let vault = Vault::new("printf '%s' \"$2\"", "");
    vault.dir.write_config(&format!(
        "[providers.openai]\nsources = [\"command\"]\n[providers.openai.command]\nargv = ['{}', 'read', '$(id); `id` \"a b\" *']\n",
        vault.program().display()
    ));
    assert_eq!(vault.token(), "$(id); `id` \"a b\" *");
}

#[test]
fn a_command_that_asks_for_its_own_login_is_told_so() {
    let vault = Vault::new("true", "timeout = 20");
    let program = env!("CARGO_BIN_EXE_convocations");
    vault.says(&format!("'{program}' token openai 2> \"$D/said\""));
    fails(&vault.cli("token openai"), 6, "ended with exit status 2");
    let said = std::fs::read_to_string(vault.dir.path().join("said")).unwrap();
    assert!(said.contains("The command of `openai` asks for `openai` itself."), "{said}");
}

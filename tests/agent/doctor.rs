//! What `doctor` knows of the home side, and what is said where a grant could not be found again.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::{Ran, TestDir, run};
use crate::fixture::{Lent, socket};
use crate::gateway::{Upstream, home_with_key};

fn doctor(dir: &TestDir) -> Ran {
    run(&mut dir.convocations(["doctor"]), "")
}

#[test]
fn it_counts_what_is_lent_and_knows_a_socket_that_is_gone_and_an_open_folder() {
    let dir = home_with_key(&Upstream::echo().url());
    assert!(doctor(&dir).ok().stdout.contains("Nothing is lent."));
    let lent = Lent::start(&dir, &["up"]);
    assert!(doctor(&dir).ok().stdout.contains("One grant is served"));

    let folder = lent.path().parent().unwrap().to_owned();
    let open = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    open(0o755);
    let ran = doctor(&dir);
    assert!(ran.code() == 2 && ran.stdout.contains("can be opened by other users"), "{ran:?}");
    open(0o700);

    std::fs::remove_file(lent.path()).unwrap();
    let ran = doctor(&dir);
    let said = format!("The socket of the grant {} is gone", lent.id);
    assert!(ran.code() == 6 && ran.stdout.contains(&said), "{ran:?}");
}

#[test]
fn what_a_dead_process_left_is_removed_and_said_and_one_that_hangs_is_named() {
    let dir = home_with_key(&Upstream::echo().url());
    let mut lent = Lent::start(&dir, &["up"]);
    lent.child.kill();
    drop(lent);
    let ran = doctor(&dir).ok();
    assert!(ran.stdout.contains("has ended without taking its socket along"), "{ran:?}");
    assert!(!doctor(&dir).ok().stdout.contains("without taking its socket"), "it is removed by now");

    std::fs::remove_file(socket(&dir)).unwrap();
    let lent = Lent::start(&dir, &["up"]);
    let signal = |name: &str| {
        run(std::process::Command::new("kill").args(["-s", name, &lent.child.id().to_string()]), "").ok();
    };
    signal("STOP");
    let ran = doctor(&dir);
    signal("CONT");
    assert!(ran.code() == 5 && ran.stdout.contains("does not answer"), "{ran:?}");
}

#[test]
fn a_runtime_folder_whose_path_is_too_long_is_replaced_and_without_any_nothing_is_lent() {
    let dir = home_with_key(&Upstream::echo().url());
    let long = dir.path().join("x".repeat(90));
    let path = socket(&dir);
    let mut command = dir.convocations(["agent", "up", "--json", "--socket", path.to_str().unwrap()]);
    let lent = Lent::of(command.env("XDG_RUNTIME_DIR", &long));
    assert!(lent.report(&dir).is_some(), "it is found by the state folder");
    drop(lent);

    let mut command = dir.convocations(["agent", "up", "--json", "--socket", path.to_str().unwrap()]);
    let ran = run(command.env("XDG_RUNTIME_DIR", &long).env("XDG_STATE_HOME", &long), "");
    assert!(ran.code() == 2 && ran.stderr.contains("could not be listed or revoked"), "{ran:?}");
    assert!(ran.stderr.contains("XDG_RUNTIME_DIR"), "{ran:?}");
    let mut command = dir.convocations(["doctor"]);
    let ran = run(command.env("XDG_RUNTIME_DIR", &long).env("XDG_STATE_HOME", &long), "");
    assert!(ran.code() == 2 && ran.stdout.contains("too long for a socket"), "{ran:?}");
}

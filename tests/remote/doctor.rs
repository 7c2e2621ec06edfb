//! What `doctor` says on a machine that logins are lent to.

use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::common::{Ran, TestDir};
use crate::far::Far;
use crate::gateway::{Upstream, home_with_key};
use crate::host::{Host, Kind, is_possible};
use crate::lent::{Lent, socket};

fn doctor(address: &str) -> Ran {
    Far::new(address).run(&["doctor"])
}

/// That it says this, as a trouble, with a hint of this.
#[track_caller]
fn assert_bad(ran: &Ran, code: i32, message: &str, hint: &str) {
    let said = ran.stdout.lines().skip_while(|line| !line.starts_with("BAD")).collect::<Vec<_>>().join(" ");
    assert_eq!(ran.code(), code, "{ran:?}");
    assert!(said.contains(message) && said.contains(hint), "{ran:?}");
}

#[test]
fn it_says_who_lends_what_and_makes_nothing() {
    let home = home_with_key(&Upstream::echo().url());
    let lent = Lent::start(&home, &["up"]);
    let far = Far::new(&lent.address);
    let ran = far.run(&["doctor"]).ok();
    assert!(ran.stdout.contains("lends logins here, at `unix:") && ran.stdout.contains("`up`: "), "{ran:?}");
    assert_eq!(far.files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn it_knows_a_dead_socket_one_that_was_never_made_and_a_tunnel_with_nobody_behind_it() {
    let dir = TestDir::new();
    let at = |name: &str| format!("unix:{}", dir.path().join(name).display());
    drop(UnixListener::bind(dir.path().join("dead")).unwrap());
    assert_bad(&doctor(&at("dead")), 5, "Nobody serves logins at", "convocations ssh");
    assert_bad(&doctor(&at("none")), 5, "There is no socket", "AllowStreamLocalForwarding");
    let listener = UnixListener::bind(dir.path().join("closes")).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    assert_bad(&doctor(&at("closes")), 5, "ended the connection without an answer", "may have ended there");
    assert_bad(&doctor("http://conv-planted@127.0.0.1:9"), 5, "Nobody serves logins at", "convocations ssh");
}

#[test]
fn it_knows_a_path_that_is_too_long_and_what_is_no_address() {
    let long = format!("unix:/{}", "x".repeat(120));
    assert_bad(&doctor(&long), 2, "too long for a socket", "shorter folder");
    let ran = doctor("conv-planted@far");
    assert_bad(&ran, 2, "is neither `unix:PATH` nor", "unset");
    assert!(!ran.stdout.contains("planted"), "{ran:?}");
}

/// Only root can be somebody else.
#[test]
fn it_knows_a_socket_of_another_users() {
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: only root can act as another user");
    }
    let home = home_with_key(&Upstream::echo().url());
    let lent = Lent::start(&home, &["up"]);
    let far = TestDir::new();
    for folder in [home.path(), &home.home(), socket(&home).parent().unwrap()] {
        std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    // A socket that root has is root's word to everybody: let it be a third one's.
    std::os::unix::fs::chown(lent.path(), Some(1234), Some(1234)).unwrap();
    let ran = as_nobody(&far, &lent.address);
    assert_bad(&ran, 5, "belongs to another user", "In a container");
}

fn as_nobody(dir: &TestDir, address: &str) -> Ran {
    let mut stack = vec![dir.path().to_owned()];
    while let Some(folder) = stack.pop() {
        std::os::unix::fs::chown(&folder, Some(65534), Some(65534)).unwrap();
        stack.extend(std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()));
    }
    // The program itself may lie where nobody looks.
    let program = dir.path().join("convocations");
    std::fs::copy(Path::new(env!("CARGO_BIN_EXE_convocations")), &program).unwrap();
    let mut command = dir.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).arg("doctor");
    crate::common::run(command.env("CONVOCATIONS_AGENT", address), "")
}

/// As two lines of ssh_config ask for it: ssh says so at home, and over there nothing was made.
#[test]
fn it_knows_what_a_server_left_that_refuses_to_forward() {
    if !is_possible() {
        return;
    }
    let home = home_with_key(&Upstream::echo().url());
    let lent = Lent::start(&home, &["up"]);
    let host = Host::of(Kind { config: "AllowStreamLocalForwarding no", ..Kind::default() });
    let rule = format!("/srv/far/agent.sock:{}", lent.path().display());
    let doctor = "CONVOCATIONS_AGENT=unix:$HOME/agent.sock /opt/convocations doctor";
    let ran = crate::common::run(&mut host.ssh(&["-R", &rule, "far", doctor]), "");
    assert_bad(&ran, 5, "There is no socket", "AllowStreamLocalForwarding");
}

//! A write that fails, or whose process is killed, at every system call that changes a file: what is stored
//! is the old or the new content, no other login is touched, and who failed says so.

use std::time::Duration;

use std::process::Command;

use crate::common::{Ran, run};
use crate::control::{COUNT, KILL, WALL};
use crate::fixture::{Fixture, Logins, OTHER_KEY, each};

const OLD_KEY: &str = "sk-or-v1-the-old-key-0123456789";
const NEW_KEY: &str = "sk-or-v1-the-new-key-0123456789";
/// How long a process may take that follows one which was killed.
pub const TAKE_OVER: Duration = Duration::from_secs(2);

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blow {
    pub how: i64,
    pub stays: bool,
}

/// Once, so that what cleans up behind it works; for good, so that it does not; and the end of the process.
pub const BLOWS: [Blow; 5] = [
    Blow { how: libc::ENOSPC as i64, stays: false },
    Blow { how: libc::EIO as i64, stays: false },
    Blow { how: libc::ENOSPC as i64, stays: true },
    Blow { how: libc::EROFS as i64, stays: true },
    Blow { how: KILL, stays: true },
];

/// A command that writes.
struct Writing {
    what: &'static str,
    prepare: fn() -> Fixture,
    args: &'static str,
    input: &'static str,
}

const WRITINGS: [Writing; 7] = [
    Writing { what: "a first login", prepare: empty, args: "secret set openrouter", input: NEW_KEY },
    Writing { what: "a new login", prepare: with_other, args: "secret set openrouter", input: NEW_KEY },
    Writing { what: "a login anew", prepare: with_both, args: "secret set openrouter", input: NEW_KEY },
    Writing {
        what: "a login by its dialogue",
        prepare: with_both,
        args: "login openrouter --method api-key",
        input: NEW_KEY,
    },
    Writing { what: "a logout", prepare: with_both, args: "logout openrouter", input: "" },
    Writing { what: "a removal", prepare: with_both, args: "secret clear openrouter", input: "" },
    Writing {
        what: "modes that are mended",
        prepare: with_loose_modes,
        args: "secret set openrouter",
        input: NEW_KEY,
    },
];

fn empty() -> Fixture {
    Fixture::new()
}

fn with_other() -> Fixture {
    let fixture = Fixture::new();
    fixture.put_key("openrouter@other", OTHER_KEY);
    fixture
}

fn with_both() -> Fixture {
    let fixture = with_other();
    fixture.put_key("openrouter", OLD_KEY);
    fixture
}

fn with_loose_modes() -> Fixture {
    let fixture = with_both();
    for (name, mode) in [("", 0o755), ("credentials.toml", 0o644), ("secret.key", 0o644), ("locks", 0o755)] {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(fixture.dir.config().join(name), permissions).unwrap();
    }
    fixture
}

#[test]
fn a_write_that_fails_anywhere_leaves_the_old_or_the_new() {
    for writing in &WRITINGS {
        let (fixture, old) = begun(writing);
        fixture.unreliable.strike(0, 0, false);
        let ran = fixture.cli_unreliable(writing.args, &format!("{}\n", writing.input));
        assert_eq!(ran.code(), 0, "{}: {ran:?}", writing.what);
        let (new, calls) = (fixture.logins(), fixture.unreliable.get(COUNT));
        assert!(new != old && calls > 4, "{}: {:?}", writing.what, fixture.unreliable.kinds());
        let cases = (1..=calls + 1).flat_map(|at| BLOWS.map(|blow| (at, blow)));
        each(cases, 3, |(at, blow)| interrupt(writing, at, blow, &new, calls));
    }
}

fn begun(writing: &Writing) -> (Fixture, Logins) {
    let fixture = (writing.prepare)();
    let old = fixture.logins();
    (fixture, old)
}

fn interrupt(writing: &Writing, at: i64, blow: Blow, new: &Logins, calls: i64) {
    let (fixture, old) = begun(writing);
    fixture.unreliable.strike(at, blow.how, blow.stays);
    let ran = fixture.cli_unreliable(writing.args, &format!("{}\n", writing.input));
    let case = format!("{}, call {at} of {:?}, {blow:?}: {ran:?}", writing.what, fixture.unreliable.kinds());
    let found = fixture.logins();
    assert!(found == old || found == *new, "{case}\n{found:?}");
    match ran.status.code() {
        Some(0) => assert_eq!(found, *new, "it said that it was done: {case}"),
        Some(code) => {
            assert!(at <= calls, "nothing failed: {case}");
            assert_eq!(code, 6, "{case}");
            is_said(&ran, &case);
            let says_old = ran.stderr.contains("what was stored before is still there");
            assert!(!says_old || found == old, "it says what is not so: {case}");
        }
        None => assert!(blow.how == KILL && at <= calls, "{case}"),
    }
    let left: Vec<_> =
        fixture.files().into_iter().filter(|(name, _)| name.contains("convocations-new")).collect();
    let struck_cleaning = fixture.unreliable.kinds().get(usize::try_from(at).unwrap() - 1) == Some(&"unlink");
    assert!(left.is_empty() || blow.stays || struck_cleaning, "{case}: {left:?}");
    assert!(left.iter().all(|(_, mode)| mode & 0o077 == 0), "{case}: {left:?}");
    let again = fixture.cli(writing.args, &format!("{}\n", writing.input));
    assert!(again.took < TAKE_OVER, "{case}\n{again:?}");
    // A logout that was done before it failed has nothing more to do; nor has one that was written to its
    // end, which the next process takes up.
    let is_written = !left.is_empty() && fixture.unreliable.kinds().contains(&"fsync");
    let is_done = found == *new || is_written;
    assert!(again.code() == 0 || (again.code() == 3 && is_done), "{case}\n{again:?}");
    assert_eq!(fixture.logins(), *new, "{case}");
    assert!(fixture.files().values().all(|mode| mode & 0o077 == 0), "{case}: {:?}", fixture.files());
}

pub fn is_said(ran: &Ran, case: &str) {
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let [.., sentence, hint] = lines.as_slice() else { panic!("a sentence and a hint: {case}") };
    assert!(sentence.starts_with("convocations: ") && sentence.ends_with('.'), "{case}");
    assert!(hint.starts_with("  ") && hint.ends_with('.'), "{case}");
    assert!(!ran.stderr.contains("sk-or-"), "{case}");
}

/// What no program could read is set aside before anything is written: it is never lost on the way.
#[test]
fn a_damaged_index_is_never_lost_on_its_way_aside() {
    const DAMAGED: &str = "version = 1\n[logins.openrouter]\nbackend = \"loc";
    let begun = || {
        let fixture = Fixture::new();
        std::fs::write(fixture.dir.paths().index_file(), DAMAGED).unwrap();
        fixture
    };
    let untouched = begun();
    let calls = {
        assert_eq!(untouched.cli_unreliable("secret set openrouter", NEW_KEY).code(), 0);
        untouched.unreliable.get(COUNT)
    };
    each((1..=calls).flat_map(|at| BLOWS.map(|blow| (at, blow))), 3, |(at, blow)| {
        let fixture = begun();
        fixture.unreliable.strike(at, blow.how, blow.stays);
        let ran = fixture.cli_unreliable("secret set openrouter", NEW_KEY);
        let case = format!("call {at} of {:?}, {blow:?}: {ran:?}", fixture.unreliable.kinds());
        let kept = fixture.files().into_keys().any(|name| {
            std::fs::read(fixture.dir.config().join(name)).is_ok_and(|bytes| bytes == DAMAGED.as_bytes())
        });
        assert!(kept, "{case}: {:?}", fixture.files());
        let again = fixture.cli("secret set openrouter", NEW_KEY);
        assert_eq!((again.code(), fixture.logins().len()), (0, 1), "{case}: {again:?}");
    });
}

/// Nothing is said to be stored that a power cut could take back: the file is on the disk before it takes the
/// old one's place, and the folder after that; a key before it has its name.
#[test]
fn what_is_stored_is_on_the_disk() {
    let kinds = |prepare: fn() -> Fixture| {
        let fixture = prepare();
        fixture.cli_unreliable("secret set openrouter", NEW_KEY).ok();
        fixture.unreliable.kinds()
    };
    let index = ["open", "write", "fsync", "rename", "fsync"];
    assert!(kinds(with_both).ends_with(&index), "{:?}", kinds(with_both));
    let first = kinds(empty);
    let key = ["open", "write", "fsync", "link", "unlink", "fsync"];
    assert!(first.windows(key.len()).any(|part| part == key) && first.ends_with(&index), "{first:?}");
}

/// A killed process's half-written file is in nobody's way, and goes at a write ten minutes later.
#[test]
fn what_a_killed_process_left_is_cleared_away() {
    let fixture = with_both();
    let left = || fixture.files().into_keys().filter(|name| name.contains("convocations-new")).count();
    let write_at = 1 + untouched_kinds().iter().rposition(|kind| *kind == "write").unwrap() as i64;
    fixture.unreliable.strike(write_at, KILL, true);
    assert_eq!(fixture.cli_unreliable("secret set openrouter", NEW_KEY).status.code(), None);
    fixture.unreliable.strike(0, 0, false);
    assert_eq!((left(), fixture.cli("token openrouter", "").stdout.trim()), (1, OLD_KEY));
    assert_eq!(fixture.cli_unreliable("secret set openrouter", NEW_KEY).code(), 0);
    assert_eq!(left(), 1, "it may be that of a process that runs");
    fixture.unreliable.set(WALL, 601);
    assert_eq!(fixture.cli_unreliable("secret set openrouter", NEW_KEY).code(), 0);
    assert_eq!(left(), 0);
}

fn untouched_kinds() -> Vec<&'static str> {
    let fixture = with_both();
    assert_eq!(fixture.cli_unreliable("secret set openrouter", NEW_KEY).code(), 0);
    fixture.unreliable.kinds()
}

/// The calls that the tests count are all that the system sees.
#[test]
fn no_writing_call_is_missed() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not installed (`make deps` installs it)");
        return;
    }
    // The program keeps its memory, and so the names in its calls, from everybody but root.
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can trace a program that hides its memory");
        return;
    }
    for writing in &WRITINGS {
        let (counted, traced) = (begun(writing).0, begun(writing).0);
        counted.cli_unreliable(writing.args, writing.input);
        let log = traced.dir.path().join("strace");
        let mut command = traced.dir.command("strace");
        command.args(["-f", "-y", "-o"]).arg(&log).args(["-e", "trace=!read,futex,mmap,close,statx,fstat"]);
        command.arg(env!("CARGO_BIN_EXE_convocations")).args(writing.args.split_whitespace());
        let ran = run(&mut command, writing.input);
        if ran.stderr.contains("ptrace") {
            eprintln!("skipped: this machine allows no tracing");
            return;
        }
        assert_eq!(ran.code(), 0, "{ran:?}");
        let folder = traced.dir.config().display().to_string();
        let log = std::fs::read_to_string(log).unwrap();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&folder) && changes(line)).collect();
        assert_eq!(counted.unreliable.kinds().len(), lines.len(), "{}: {lines:#?}", writing.what);
    }
}

/// Whether a line of strace is a call that can change a file: whatever is not known to be harmless.
fn changes(line: &str) -> bool {
    let call = line.split_whitespace().nth(1).and_then(|call| call.split('(').next()).unwrap_or_default();
    match call {
        "open" | "openat" => line.contains("O_CREAT") || line.contains("O_TRUNC"),
        "execve" | "lstat" | "stat" | "newfstatat" | "access" | "flock" | "lseek" | "fcntl"
        | "getdents64" | "readlink" | "poll" | "exit_group" | "+++" => false,
        // The second half of a call that another thread came between.
        "<..." => false,
        _ => true,
    }
}

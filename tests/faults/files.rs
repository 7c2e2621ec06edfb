//! A folder in bad shape: what cannot be read is never taken for empty, what cannot be written loses nothing,
//! and each is told (rules 3, 8, 9 and 12).

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use convocations::error::Code;
use convocations::store::STORE_LOCK_FILE;
use serde_json::json;

use crate::backend::Backend;
use crate::common::{Ran, Sandbox, fault, run};
use crate::control::{LOCKING, READING, USER};
use crate::fixture::{Fixture, OTHER_KEY, each, is_good, sent};
use crate::table::{self, Row, Seen};

const NO_ARGS: [&str; 0] = [];
const NEW_KEY: &str = "sk-or-v1-the-new-key-0123456789";
const SET_ASIDE: &str = "set aside under a name of its own, and said; only then the new login is stored";

/// What becomes of a command.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Done,
    Failed(Code),
}
use End::{Done, Failed};

/// A folder in bad shape, and what becomes of three commands in it.
struct Case {
    fault: &'static str,
    make: fn(&Fixture),
    /// Brings back what was there, if a person would have to.
    mend: fn(&Fixture),
    /// A token that is good is asked for.
    read: End,
    /// A token that has to be refreshed is asked for.
    refreshed: End,
    /// A login is stored.
    written: End,
    then: &'static str,
}

const UNREADABLE: End = Failed(Code::StoreUnreadable);
const MISTRUSTED: End = Failed(Code::ConfigInvalid);
const UNWRITABLE: End = Failed(Code::StoreUnwritable);

/// Written by nobody: reading goes on.
fn unwritable(fault: &'static str, make: fn(&Fixture)) -> Case {
    Case { fault, make, mend: healthy, read: Done, refreshed: UNWRITABLE, written: UNWRITABLE, then: "" }
}

/// Read by nobody, and so not written either.
fn unreadable(fault: &'static str, make: fn(&Fixture), mend: fn(&Fixture)) -> Case {
    Case { fault, make, mend, read: UNREADABLE, refreshed: UNREADABLE, written: UNREADABLE, then: "" }
}

fn index(fixture: &Fixture) -> PathBuf {
    fixture.dir.paths().index_file()
}

fn key(fixture: &Fixture) -> PathBuf {
    fixture.dir.paths().key_file()
}

fn kept(fixture: &Fixture, file: &Path) -> PathBuf {
    fixture.dir.path().join(file.file_name().unwrap())
}

/// Nothing is wrong with the system's calls.
fn healthy(fixture: &Fixture) {
    fixture.unreliable.strike(0, 0, false);
    for word in [LOCKING, READING, USER] {
        fixture.unreliable.set(word, 0);
    }
}

fn put_back(fixture: &Fixture) {
    fs::create_dir_all(fixture.dir.config()).unwrap();
    mode(fixture.dir.config(), 0o700);
    for file in [index(fixture), key(fixture), fixture.dir.paths().config_file()] {
        let _ = fs::remove_file(&file);
        let _ = fs::remove_dir(&file);
        fs::copy(kept(fixture, &file), &file).unwrap();
    }
}

fn mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn locks(fixture: &Fixture) -> PathBuf {
    fixture.dir.paths().locks_dir()
}

fn cases() -> Vec<Case> {
    let mut all = refused_calls();
    all.extend(untrusted());
    all.extend(damaged());
    all.push(Case {
        fault: "no folder",
        make: |fixture| fs::remove_dir_all(fixture.dir.config()).unwrap(),
        mend: put_back,
        read: Failed(Code::NotLoggedIn),
        refreshed: Failed(Code::NotLoggedIn),
        written: Done,
        then: "it is made, with modes 0700 and 0600",
    });
    all
}

fn refused_calls() -> Vec<Case> {
    vec![
        unwritable("disk full", |fixture| fixture.unreliable.strike(1, libc::ENOSPC.into(), true)),
        unwritable("over quota", |fixture| fixture.unreliable.strike(1, libc::EDQUOT.into(), true)),
        unwritable("read-only folder", |fixture| fixture.unreliable.strike(1, libc::EROFS.into(), true)),
        unwritable("no permission to write", |fixture| {
            fixture.unreliable.strike(1, libc::EACCES.into(), true)
        }),
        unwritable("a disk that fails", |fixture| fixture.unreliable.strike(1, libc::EIO.into(), true)),
        unwritable("no locks on this file system (ENOLCK)", |fixture| {
            fixture.unreliable.set(LOCKING, libc::ENOLCK.into());
        }),
        unreadable("no permission to read", |d| d.unreliable.set(READING, libc::EACCES.into()), healthy),
        unreadable("a disk that cannot be read", |d| d.unreliable.set(READING, libc::EIO.into()), healthy),
        unreadable("too many open files", |d| d.unreliable.set(READING, libc::EMFILE.into()), healthy),
    ]
}

fn untrusted() -> Vec<Case> {
    vec![
        // Without settings, which would be told first; root's are believed, those of whoever tests are not.
        unreadable(
            "files of another user",
            |fixture| {
                fs::remove_file(fixture.dir.paths().config_file()).unwrap();
                fixture.unreliable.set(USER, 1);
            },
            |fixture| {
                healthy(fixture);
                put_back(fixture);
            },
        ),
        unreadable(
            "the index is a symbolic link",
            |fixture| replace_by_link(fixture, index(fixture)),
            put_back,
        ),
        unreadable("the key is a symbolic link", |fixture| replace_by_link(fixture, key(fixture)), put_back),
        unwritable("the locks are symbolic links", |fixture| {
            for name in [STORE_LOCK_FILE, "anthropic.lock", "openrouter.lock"] {
                let _ = fs::remove_file(locks(fixture).join(name));
                symlink(kept(fixture, &index(fixture)), locks(fixture).join(name)).unwrap();
            }
        })
        .mended(|fixture| fs::remove_dir_all(locks(fixture)).unwrap()),
        unreadable("an index that others may write to", |d| mode(index(d), 0o666), |d| mode(index(d), 0o600)),
        unreadable("a key that others may write to", |d| mode(key(d), 0o602), |d| mode(key(d), 0o600)),
        // The settings are read first, and say so for the whole folder.
        Case {
            read: MISTRUSTED,
            refreshed: MISTRUSTED,
            written: MISTRUSTED,
            ..unreadable(
                "a folder that others may write to",
                |fixture| mode(fixture.dir.config(), 0o777),
                |fixture| mode(fixture.dir.config(), 0o700),
            )
        },
        unreadable(
            "a folder in the index's place",
            |fixture| {
                fs::remove_file(index(fixture)).unwrap();
                fs::create_dir(index(fixture)).unwrap();
            },
            put_back,
        ),
    ]
}

fn damaged() -> Vec<Case> {
    let aside = |fault, make| Case { written: Done, then: SET_ASIDE, ..unreadable(fault, make, put_back) };
    vec![
        aside("an index that was cut off", |fixture| {
            let text = fs::read_to_string(index(fixture)).unwrap();
            fs::write(index(fixture), &text[..text.len() / 2]).unwrap();
        }),
        aside("an index of 0 bytes", |fixture| fs::write(index(fixture), "").unwrap()),
        aside("an index of garbage", |fixture| fs::write(index(fixture), b"\xff\xfe\x00garbage").unwrap()),
        unreadable(
            "an index that is far too large",
            |d| File::options().write(true).open(index(d)).and_then(|file| file.set_len(17 << 20)).unwrap(),
            put_back,
        ),
        unreadable(
            "an index of a newer version",
            |fixture| edit(fixture, "version = 1", "version = 2"),
            put_back,
        ),
        Case {
            written: Done,
            then: "the other login is stored, and the entry stays as it stands",
            ..unreadable(
                "entries that are not known",
                |fixture| edit(fixture, "local-encrypted", "punch-card"),
                put_back,
            )
        },
        unreadable("no key", |fixture| fs::remove_file(key(fixture)).unwrap(), put_back),
        unreadable("a key that was cut off", |fixture| fs::write(key(fixture), [7; 31]).unwrap(), put_back),
        Case {
            written: Done,
            then: "a new login is stored, and opens with this key",
            ..unreadable("another key", |fixture| fs::write(key(fixture), [7; 32]).unwrap(), put_back)
        },
    ]
}

fn replace_by_link(fixture: &Fixture, file: PathBuf) {
    fs::remove_file(&file).unwrap();
    symlink(kept(fixture, &file), &file).unwrap();
}

fn edit(fixture: &Fixture, from: &str, to: &str) {
    let text = fs::read_to_string(index(fixture)).unwrap();
    assert!(text.contains(from));
    fs::write(index(fixture), text.replace(from, to)).unwrap();
}

impl Case {
    fn mended(mut self, mend: fn(&Fixture)) -> Self {
        self.mend = mend;
        self
    }
}

/// A key, a login that has ended, and copies of the files beside the folder.
fn fixture(sandbox: &Sandbox, left: i64) -> Fixture {
    let fixture = Fixture::with(&sandbox.config_toml());
    fixture.put_key("openrouter@other", OTHER_KEY);
    fixture.put_login(sandbox, "anthropic", left);
    for file in [index(&fixture), key(&fixture), fixture.dir.paths().config_file()] {
        fs::copy(&file, kept(&fixture, &file)).unwrap();
    }
    fixture
}

#[test]
fn every_fault_of_the_folder_is_told_and_loses_nothing() {
    let sandbox = Sandbox::start();
    let mut rows = each(cases(), 3, |case| meet(&case, &sandbox)).concat();
    rows.extend(readable_by_others(&sandbox));
    rows.push(folder_that_vanishes(&sandbox));
    rows.push(output_on_a_full_disk(&sandbox));
    table::check("Files", &rows);
}

fn output_on_a_full_disk(sandbox: &Sandbox) -> Row {
    let fixture = fixture(sandbox, 3600);
    let mut shell = fixture.dir.command("sh");
    shell.args(["-c", "exec \"$0\" token anthropic >/dev/full"]).arg(env!("CARGO_BIN_EXE_convocations"));
    let seen = Seen::failed(&fixture, &run(&mut shell, ""), Code::StoreUnwritable);
    Row { fault: "standard output on a full disk: a token that is good".to_owned(), seen, then: "" }
}

#[test]
fn a_log_that_cannot_be_written_is_no_reason_to_fail() {
    let sandbox = Sandbox::start();
    let log = |fixture: &Fixture| fixture.dir.state_home().join("convocations");
    let made: [fn(&Path, &Path); 3] = [
        |log, _| fs::write(log, "not a folder").unwrap(),
        |log, _| {
            fs::create_dir(log).unwrap();
            mode(log, 0o777);
        },
        |log, elsewhere| {
            fs::create_dir(log).unwrap();
            symlink(elsewhere, log.join("convocations.log")).unwrap();
        },
    ];
    for make in made {
        let fixture = fixture(&sandbox, -10);
        let elsewhere = fixture.dir.path().join("somebody's file");
        fs::write(&elsewhere, "theirs").unwrap();
        make(&log(&fixture), &elsewhere);
        let mut command = fixture.dir.convocations(NO_ARGS);
        let mut backend = Backend::start(command.env("CONVOCATIONS_LOG", "debug"), json!({}));
        let token = backend.ok("get", json!({"login": "anthropic"}))["token"].clone();
        assert!(is_good(&sandbox, token.as_str().unwrap()));
        assert!(backend.close().success());
        assert_eq!(fs::read(&elsewhere).unwrap(), b"theirs", "rule 12: no link is followed");
        let file = fs::symlink_metadata(log(&fixture).join("convocations.log"));
        assert!(!file.is_ok_and(|file| file.is_file()), "nor is a folder trusted that others may write to");
    }
}

/// Its rows: one for each error that differs.
fn meet(case: &Case, sandbox: &Sandbox) -> Vec<Row> {
    let steps: [(&str, End, &str, &str); 3] = [
        ("a token that is good", case.read, "token openrouter@other", ""),
        ("a refresh", case.refreshed, "token anthropic", ""),
        ("a login", case.written, "secret set openrouter", NEW_KEY),
    ];
    let mut seen: Vec<(Seen, Vec<&str>)> = Vec::new();
    for (what, end, args, input) in steps {
        let fixture = fixture(sandbox, -10);
        let before = fixture.logins();
        (case.make)(&fixture);
        let ran = fixture.cli_unreliable(args, input);
        match end {
            Failed(code) => {
                let error = Seen::failed(&fixture, &ran, code);
                match seen.iter_mut().find(|(known, _)| *known == error) {
                    Some((_, steps)) => steps.push(what),
                    None => seen.push((error, vec![what])),
                }
                assert_eq!(sent(sandbox, before["anthropic"].1.as_ref()), 0, "{}: spent", case.fault);
            }
            Done => assert_eq!(ran.code(), 0, "{}, {what}: {ran:?}", case.fault),
        }
        if case.fault == "no folder" {
            assert!(fixture.files().values().all(|mode| mode & 0o077 == 0), "{:?}", fixture.files());
        }
        if case.then == SET_ASIDE && end == Done {
            is_kept_aside(&fixture, &ran);
        }
        (case.mend)(&fixture);
        healthy(&fixture);
        fixture.no_secret_wandered(sandbox, &ran.stderr);
        all_works(&fixture, sandbox, &format!("{}, {what}: {ran:?}", case.fault));
    }
    old_token_lives(case, sandbox);
    let row = |(seen, steps): (Seen, Vec<&str>)| Row {
        fault: format!("{}: {}", case.fault, steps.join(", ")),
        seen,
        then: case.then,
    };
    seen.into_iter().map(row).collect()
}

/// The bytes that nobody could read are under the name that was said.
fn is_kept_aside(fixture: &Fixture, ran: &Ran) {
    let name = ran.stderr.split('`').find(|part| part.contains("damaged-"));
    let aside = fs::read(name.unwrap_or_else(|| panic!("{ran:?}"))).unwrap();
    let good = fs::read(kept(fixture, &index(fixture))).unwrap();
    assert!(aside != good && (good.starts_with(&aside) || aside.starts_with(b"\xff")), "{ran:?}");
}

fn all_works(fixture: &Fixture, sandbox: &Sandbox, about: &str) {
    assert_eq!(fixture.cli("token openrouter@other", "").stdout.trim(), OTHER_KEY, "{about}");
    let refreshed = fixture.cli("token anthropic", "");
    assert!(is_good(sandbox, refreshed.stdout.trim()), "{about}\n{refreshed:?}");
    assert_eq!(fixture.cli("secret set openrouter", NEW_KEY).code(), 0, "{about}");
    assert_eq!(fixture.logins().len(), 3, "{about}");
}

/// Before its end, a token that cannot be refreshed is handed out as long as it can be read.
fn old_token_lives(case: &Case, sandbox: &Sandbox) {
    let fixture = fixture(sandbox, 60);
    let old = fixture.logins()["anthropic"].0.clone();
    (case.make)(&fixture);
    let ran = fixture.cli_unreliable("token anthropic", "");
    match case.read {
        Done => assert_eq!((ran.code(), ran.stdout.trim()), (0, old.as_str()), "{}: {ran:?}", case.fault),
        Failed(code) => assert_eq!(ran.code(), i32::from(code.exit_status()), "{}: {ran:?}", case.fault),
    }
}

/// With a backend that runs: a folder that vanishes, as a drive that is unmounted, and comes back.
fn folder_that_vanishes(sandbox: &Sandbox) -> Row {
    let fixture = fixture(sandbox, -10);
    let away = fixture.dir.path().join("away");
    let mut backend = Backend::start(&mut fixture.dir.convocations(NO_ARGS), json!({}));
    let (other, refreshes) = (json!({"login": "openrouter@other"}), sandbox.refreshes("anthropic.token"));
    assert_eq!(backend.ok("get", other.clone())["token"], OTHER_KEY);
    sandbox.fault_refresh("anthropic.token", 1, fault::hold("answer"));
    let asked = backend.send("get", json!({"login": "anthropic"}));
    sandbox.wait_for_hold("answer");
    fs::rename(fixture.dir.config(), &away).unwrap();
    sandbox.release("answer");
    let error = backend.reply(asked).unwrap_err();
    assert_eq!(error["code"], "store_unreadable", "{error}");
    backend.fails("get", other.clone(), "not_logged_in");
    fs::remove_dir_all(fixture.dir.config()).unwrap();
    fs::rename(&away, fixture.dir.config()).unwrap();
    let token = backend.event("credential", |data| data["login"] == "anthropic")["token"].clone();
    assert!(is_good(sandbox, token.as_str().unwrap()));
    assert_eq!(backend.ok("get", other)["token"], OTHER_KEY);
    assert_eq!(sandbox.refreshes("anthropic.token"), refreshes + 1, "what the provider gave out was kept");
    assert_eq!(fixture.logins()["anthropic"].0, token);
    Row {
        fault: "a folder that is removed while the provider answers: a refresh".to_owned(),
        seen: Seen::error(&fixture, &error),
        then: "the new token is in memory, and is stored by itself when the folder is back",
    }
}

/// What others may read is read all the same, and put right.
fn readable_by_others(sandbox: &Sandbox) -> Vec<Row> {
    let case = |fault: &str, file: fn(&Fixture) -> PathBuf| {
        let fixture = fixture(sandbox, 3600);
        mode(file(&fixture), 0o644);
        let ran = fixture.cli("token openrouter@other", "");
        assert_eq!(ran.stdout.trim(), OTHER_KEY, "{ran:?}");
        assert!(fixture.files().values().all(|mode| mode & 0o077 == 0), "{:?}", fixture.files());
        let again = fixture.cli("token openrouter@other", "").ok();
        assert_eq!(again.stderr, "", "it is said once");
        let seen = Seen::done(&fixture, &ran);
        Row { fault: format!("{fault}: a token that is good"), seen, then: "the token is printed" }
    };
    vec![case("an index that others may read", index), case("a key that others may read", key)]
}

/// `$0` is the folder, `$1` a copy of it. Nothing is written before the folder is the small disk.
const FULL: &str = "mount -t tmpfs -o size=32k,mode=700 none $0 && cd $0 && cp -a $1/. . && \
                    { head -c 64k /dev/zero >full 2>/dev/null; true; }";
const READ_ONLY: &str = "mount --bind $0 $0 && mount -o remount,ro,bind $0 && cd $0";

/// A disk that is really full, and a folder that is really read-only: mounted for one command, where that is
/// allowed.
#[test]
fn a_disk_that_is_really_full_and_a_folder_that_is_really_read_only() {
    let sandbox = Sandbox::start();
    for (mount, words) in [(FULL, "no storage space"), (READ_ONLY, "read-only")] {
        let fixture = fixture(&sandbox, -10);
        let before = fixture.logins();
        let copy = fixture.dir.path().join("copy");
        let copied = fixture.dir.command("cp").arg("-a").arg(fixture.dir.config()).arg(&copy).status();
        assert!(copied.unwrap().success());
        for (args, input) in [("token anthropic", ""), ("secret set openrouter", NEW_KEY)] {
            let script = format!("{mount} && {{ $2 {args}; code=$?; cp -a . $1.after; exit $code; }}");
            let mut command = fixture.dir.command("unshare");
            command
                .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
                .arg(fixture.dir.config());
            let ran = run(command.arg(&copy).arg(env!("CARGO_BIN_EXE_convocations")), input);
            if ran.stderr.contains("unshare") || ran.stderr.contains("mount:") {
                eprintln!("skipped: this machine lets nobody mount: {}", ran.stderr);
                return;
            }
            assert_eq!((ran.code(), ran.stdout.as_str()), (6, ""), "{ran:?}");
            assert!(ran.stderr.contains(words), "{ran:?}");
            assert_eq!(sent(&sandbox, before["anthropic"].1.as_ref()), 0, "nothing was spent");
            let after = fixture.dir.path().join("copy.after/credentials.toml");
            assert_eq!(fs::read(after).unwrap(), fs::read(index(&fixture)).unwrap());
            fs::remove_dir_all(fixture.dir.path().join("copy.after")).unwrap();
        }
        assert_eq!(fixture.logins(), before);
    }
}

/// What cannot be written is said where people look, and not only when a login cannot be stored. As somebody
/// else than root, who may write everywhere.
#[test]
fn a_folder_that_cannot_be_written_is_said_by_doctor_and_status() {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65_534;
    let fixture = Fixture::new();
    fixture.put_key("openrouter", OTHER_KEY);
    mode(fixture.dir.config(), 0o500);
    let is_root = fs::metadata(fixture.dir.config()).unwrap().uid() == 0;
    if is_root {
        let mut chown = std::process::Command::new("chown");
        assert!(chown.args(["-R", &NOBODY.to_string()]).arg(fixture.dir.path()).status().unwrap().success());
    }
    let ask = |args: &str| {
        let mut command = fixture.dir.convocations(args.split_whitespace());
        if is_root {
            command.uid(NOBODY);
        }
        run(&mut command, "")
    };
    let doctor = ask("doctor");
    assert!(doctor.code() == 6 && doctor.stdout.contains("cannot be written"), "{doctor:?}");
    let status: serde_json::Value = serde_json::from_str(&ask("status --json").ok().stdout).unwrap();
    assert_eq!(status["store"]["problem"]["code"], "store_unwritable", "{status}");
    mode(fixture.dir.config(), 0o700);
    assert!(ask("doctor").stdout.contains("New logins go to"));
}

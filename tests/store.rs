//! The store on files: one suite for a login's life, and what happens to a folder in bad shape.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/store_suite.rs"]
mod store_suite;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use common::TestDir;
use convocations::config::{StoreBackend, StoreConfig};
use convocations::credential::{Kind, Tokens};
use convocations::error::{Code, Error};
use convocations::login_id::LoginId;
use convocations::secret::Secret;
use convocations::store::{Backend, Change, Entry, NewLogin, Refusal, Store};

const WAIT: Duration = Duration::from_secs(5);

fn store(dir: &TestDir) -> Store {
    let config = StoreConfig { backend: StoreBackend::LocalEncrypted, ..StoreConfig::default() };
    Store::new(&dir.paths(), &config)
}

fn login(name: &str) -> LoginId {
    name.parse().unwrap()
}

fn put(store: &Store, name: &str, key: &str) -> Result<Entry, Error> {
    store.put(&login(name), NewLogin::new("api-key", Kind::ApiKey, Tokens::api_key(Secret::new(key), 1)))
}

fn key(store: &Store, name: &str) -> Option<String> {
    let stored = store.read(&login(name)).unwrap()?;
    Some(stored.tokens.access_token.expose().to_owned())
}

fn mode(path: impl AsRef<std::path::Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_encrypted_file_passes_the_suite() {
    let dir = TestDir::new();
    store_suite::run(&store(&dir), &dir);
}

/// A mask belongs to a whole process, so each is tried in a process of its own: this very test, called again.
#[test]
fn files_are_private_whatever_the_mask() {
    const CHILD: &str = "STORE_TEST_MASK_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return put_and_check_modes();
    }
    for mask in ["000", "022", "077"] {
        let script = format!("umask {mask}; exec \"$0\" --exact files_are_private_whatever_the_mask");
        let mut child = std::process::Command::new("sh");
        child.args(["-c", &script]).arg(std::env::current_exe().unwrap()).env(CHILD, "1");
        let output = child.output().unwrap();
        assert!(output.status.success(), "{mask}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

fn put_and_check_modes() {
    let dir = TestDir::new();
    fs::remove_dir_all(dir.config()).ok();
    put(&store(&dir), "openrouter", "k").unwrap();
    let config = dir.config();
    assert_eq!(mode(&config), 0o700);
    for entry in fs::read_dir(&config).unwrap().chain(fs::read_dir(config.join("locks")).unwrap()) {
        let entry = entry.unwrap();
        let wanted = if entry.file_type().unwrap().is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(entry.path()), wanted, "{}", entry.path().display());
    }
}

#[test]
fn nothing_in_clear_text() {
    let dir = TestDir::new();
    put(&store(&dir), "openrouter", "sk-planted-key").unwrap();
    assert_eq!(dir.files_with(&["sk-planted-key".to_owned()]), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_readable_file_is_mended_and_said() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "k").unwrap();
    let index = dir.paths().index_file();
    fs::set_permissions(&index, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(key(&store, "openrouter").as_deref(), Some("k"));
    assert_eq!(mode(&index), 0o600);
    assert!(store.take_warnings().iter().any(|text| text.contains("credentials.toml")));
}

#[test]
fn links_foreign_modes_and_folders_are_refused() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "k").unwrap();
    let index = dir.paths().index_file();
    let elsewhere = dir.path().join("elsewhere.toml");
    fs::rename(&index, &elsewhere).unwrap();
    symlink(&elsewhere, &index).unwrap();
    let error = store.index().unwrap_err();
    assert!(error.code() == Code::StoreUnreadable && error.message().contains("symbolic link"), "{error}");
    assert_eq!(put(&store, "openrouter", "new").unwrap_err().code(), Code::StoreUnreadable);
    fs::remove_file(&index).unwrap();
    fs::rename(&elsewhere, &index).unwrap();
    fs::set_permissions(&index, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(store.index().unwrap_err().code(), Code::StoreUnreadable);
    fs::set_permissions(&index, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(dir.config(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(put(&store, "openrouter", "new").is_err(), "a folder that others may write to");
    fs::set_permissions(dir.config(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(key(&store, "openrouter").as_deref(), Some("k"), "nothing was lost");
}

#[test]
fn what_cannot_be_read_is_never_empty() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "k").unwrap();
    let index = dir.paths().index_file();
    let good = fs::read(&index).unwrap();
    let newer = String::from_utf8(good.clone()).unwrap().replace("version = 1", "version = 2");
    for (bytes, aside) in [
        (&good[..good.len() / 2], true),
        (&b""[..], true),
        (&b"\xff\xfe garbage"[..], true),
        (newer.as_bytes(), false),
        (&b"version = 1\nlogins = 7\n"[..], false),
    ] {
        fs::write(&index, bytes).unwrap();
        assert_eq!(store.read(&login("openrouter")).unwrap_err().code(), Code::StoreUnreadable);
        let result = put(&store, "anthropic", "other");
        if aside {
            result.unwrap();
            let warnings = store.take_warnings().join(" ");
            let name = warnings.split('`').find(|part| part.contains("damaged-")).unwrap().to_owned();
            assert_eq!(fs::read(&name).unwrap(), bytes, "the damaged bytes are kept");
            fs::remove_file(name).unwrap();
        } else {
            assert_eq!(result.unwrap_err().code(), Code::StoreUnreadable);
            assert_eq!(fs::read(&index).unwrap(), bytes, "nothing is written over it");
        }
    }
    fs::write(&index, &good).unwrap();
    assert_eq!(key(&store, "openrouter").as_deref(), Some("k"), "and the key is still the old one");
}

#[test]
fn the_master_key_is_never_replaced_beside_a_blob() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "k").unwrap();
    let file = dir.paths().key_file();
    let key_bytes = fs::read(&file).unwrap();
    assert_eq!(key_bytes.len(), 32);
    fs::remove_file(&file).unwrap();
    assert_eq!(store.read(&login("openrouter")).unwrap_err().code(), Code::StoreUnreadable);
    assert_eq!(put(&store, "anthropic", "x").unwrap_err().code(), Code::StoreUnreadable);
    assert!(!file.exists(), "no new key beside an old blob");
    for wrong in [&key_bytes[..31], &[key_bytes.as_slice(), b"x"].concat(), b""] {
        fs::write(&file, wrong).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(store.read(&login("openrouter")).unwrap_err().code(), Code::StoreUnreadable);
        assert!(put(&store, "anthropic", "x").is_err());
        assert_eq!(fs::read(&file).unwrap(), wrong);
    }
    fs::write(&file, [0u8; 32]).unwrap();
    let error = store.read(&login("openrouter")).unwrap_err();
    assert!(error.message().contains("does not open"), "{error}");
    fs::write(&file, &key_bytes).unwrap();
    assert_eq!(key(&store, "openrouter").as_deref(), Some("k"));
}

#[test]
fn a_changed_or_swapped_blob_is_noticed() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "one").unwrap();
    put(&store, "anthropic", "two").unwrap();
    let index = dir.paths().index_file();
    let good = fs::read_to_string(&index).unwrap();
    let swapped =
        good.replace("logins.openrouter", "logins.x").replace("logins.anthropic", "logins.openrouter");
    fs::write(&index, swapped.replace("logins.x", "logins.anthropic")).unwrap();
    for name in ["openrouter", "anthropic"] {
        assert_eq!(store.read(&login(name)).unwrap_err().code(), Code::StoreUnreadable, "{name}");
    }
    fs::write(&index, &good).unwrap();
    let entry = store.index().unwrap().logins.remove(&login("openrouter")).unwrap();
    let Backend::LocalEncrypted { ciphertext, .. } = entry.backend else { panic!("sealed") };
    for at in 0..ciphertext.len() {
        let mut changed = ciphertext.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        fs::write(&index, good.replace(&ciphertext, std::str::from_utf8(&changed).unwrap())).unwrap();
        assert!(store.read(&login("openrouter")).is_err(), "byte {at}");
    }
}

#[test]
fn each_write_has_a_new_nonce() {
    let dir = TestDir::new();
    let store = store(&dir);
    let blob = |entry: Entry| match entry.backend {
        Backend::LocalEncrypted { nonce, .. } => nonce,
        Backend::Keyring { .. } => panic!("sealed"),
    };
    let (one, other) = (put(&store, "openrouter", "k").unwrap(), put(&store, "openrouter", "k").unwrap());
    assert_ne!(blob(one), blob(other));
}

#[test]
fn many_writers_lose_nothing() {
    let dir = TestDir::new();
    let writers: Vec<_> = (0..20)
        .map(|number| {
            let store = store(&dir);
            std::thread::spawn(move || {
                put(&store, &format!("openrouter@a{number}"), &format!("k{number}")).unwrap()
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let store = store(&dir);
    for number in 0..20 {
        assert_eq!(key(&store, &format!("openrouter@a{number}")), Some(format!("k{number}")));
    }
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "k").unwrap();
    let writer = {
        let store = self::store(&dir);
        std::thread::spawn(move || (0..40).for_each(|_| drop(put(&store, "openrouter", "k").unwrap())))
    };
    while !writer.is_finished() {
        assert_eq!(key(&store, "openrouter").as_deref(), Some("k"));
    }
    writer.join().unwrap();
}

#[test]
fn a_lock_in_other_hands_is_waited_for_and_then_named() {
    let dir = TestDir::new();
    let (one, other) = (store(&dir), store(&dir));
    let held = one.lock(WAIT).unwrap();
    assert_eq!(other.lock(Duration::from_millis(50)).unwrap_err().code(), Code::Busy);
    drop(held);
    other.lock(WAIT).unwrap();
    let login = login("openrouter");
    let held = one.lock_login(&login).unwrap();
    assert!(other.try_lock_login(&login).unwrap().is_none());
    assert!(other.try_lock_login(&self::login("anthropic")).unwrap().is_some(), "each login has its own");
    drop(held);
    assert!(other.try_lock_login(&login).unwrap().is_some());
}

#[test]
fn keys_of_a_newer_program_are_kept() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "k").unwrap();
    let index = dir.paths().index_file();
    let text = fs::read_to_string(&index).unwrap();
    let text = text
        .replace("version = 1", "version = 1\nfuture = \"x\"")
        .replace("method =", "colour = \"red\"\nmethod =");
    fs::write(&index, text).unwrap();
    put(&store, "openrouter", "k2").unwrap();
    put(&store, "anthropic", "k3").unwrap();
    let text = fs::read_to_string(&index).unwrap();
    assert!(text.contains("future = \"x\"") && text.contains("colour = \"red\""), "{text}");
}

#[test]
fn the_apps_key_is_read_and_never_written() {
    let dir = TestDir::new();
    let store = store(&dir);
    let blob = dir.app_key("sk-or-v1-app");
    let key = fs::read(dir.paths().key_file()).unwrap();
    fs::create_dir_all(dir.config().join("secrets")).unwrap();
    assert_eq!(store.app_key(None).unwrap(), None);
    assert_eq!(store.app_key(Some(&blob)).unwrap(), Some(Secret::new("sk-or-v1-app")));
    let copy = dir.config().join("secrets/openrouter_api_key.json");
    fs::write(&copy, blob.to_string()).unwrap();
    assert_eq!(store.app_key(None).unwrap(), Some(Secret::new("sk-or-v1-app")));
    put(&store, "openrouter", "ours").unwrap();
    assert_eq!(fs::read(dir.paths().key_file()).unwrap(), key, "one key for both");
    assert_eq!(store.app_key(None).unwrap(), Some(Secret::new("sk-or-v1-app")));
}

/// Rule 9: a key of the app's that cannot be read now is not taken for none.
#[test]
fn an_app_key_that_does_not_open_is_told() {
    let dir = TestDir::new();
    let store = store(&dir);
    let copy = dir.config().join("secrets/openrouter_api_key.json");
    fs::create_dir_all(dir.config().join("secrets")).unwrap();
    let unopened = |reference: Option<&serde_json::Value>| {
        assert_eq!(store.app_key(reference).unwrap_err().code(), Code::StoreUnreadable);
    };
    let blob =
        serde_json::json!({"backend": "local-encrypted", "nonce": "CQkJCQkJCQkJCQkJ", "ciphertext": "AAAA"});
    unopened(Some(&blob));
    for bytes in [blob.to_string(), "{".to_owned(), String::new()] {
        fs::write(&copy, bytes).unwrap();
        unopened(None);
    }
    fs::remove_file(&copy).unwrap();
    symlink(dir.path(), &copy).unwrap();
    unopened(None);
    fs::remove_file(&copy).unwrap();
    assert_eq!(store.app_key(None).unwrap(), None, "there is none");
    let keyring = serde_json::json!({"backend": "nothing that is known"});
    assert_eq!(store.app_key(Some(&keyring)).unwrap(), None);
}

/// D64: what a killed process left half written goes with the next write; what another is writing now stays.
#[test]
fn what_a_killed_process_left_is_cleared_away_in_time() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "k").unwrap();
    let (stale, young) =
        (dir.config().join(".convocations-new-dead"), dir.config().join(".convocations-new-alive"));
    for path in [&stale, &young] {
        fs::write(path, "half a fi").unwrap();
    }
    let hours_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
    fs::File::options().write(true).open(&stale).unwrap().set_modified(hours_ago).unwrap();
    put(&store, "openrouter", "newer").unwrap();
    assert!(!stale.exists() && young.exists());
    assert_eq!(key(&store, "openrouter").as_deref(), Some("newer"));
}

/// D64: whatever path leads to the folder, it is one lock.
#[test]
fn two_paths_to_one_folder_share_its_locks() {
    let dir = TestDir::new();
    let link = dir.path().join("link");
    symlink(dir.config(), &link).unwrap();
    let paths = convocations::paths::Paths::new(link, dir.path().join("state"));
    let config = StoreConfig { backend: StoreBackend::LocalEncrypted, ..StoreConfig::default() };
    let (one, other) = (store(&dir), Store::new(&paths, &config));
    let turn = one.try_lock_login(&login("openrouter")).unwrap();
    assert!(turn.is_some() && other.try_lock_login(&login("openrouter")).unwrap().is_none());
    let lock = one.lock(WAIT).unwrap();
    assert_eq!(other.lock(Duration::from_millis(50)).unwrap_err().code(), Code::Busy);
    drop((turn, lock));
    put(&other, "openrouter", "k").unwrap();
    assert_eq!(key(&one, "openrouter").as_deref(), Some("k"));
}

/// Rule 4: what was refused is one refresh token, and not the login that somebody has made since.
#[test]
fn a_refusal_does_not_mark_a_newer_login() {
    let dir = TestDir::new();
    let store = store(&dir);
    let old = put(&store, "openrouter", "k").unwrap();
    let refusal = Refusal {
        fingerprint: Secret::new("k").fingerprint(),
        revision: old.revision,
        reason: "It was refused.".to_owned(),
        ended_at: Some(1),
    };
    let mark = || {
        let change = Change::Refused(refusal.clone());
        store.update(&login("openrouter"), |_| Ok(change)).unwrap().entry
    };
    put(&store, "openrouter", "newer").unwrap();
    assert_eq!(mark(), None);
    let entry = store.index().unwrap().logins.remove(&login("openrouter")).unwrap();
    assert_eq!((entry.needs_login, entry.refused, entry.expires_at), (None, None, None));
    store.remove(&login("openrouter")).unwrap();
    assert_eq!(mark(), None, "nor does it bring one back");
    assert!(store.index().unwrap().logins.is_empty());
}

#[test]
fn no_login_shares_its_lock_with_the_store() {
    let dir = TestDir::new();
    let store = store(&dir);
    let _login = store.lock_login(&login("store")).unwrap();
    store.lock(Duration::from_millis(100)).unwrap();
    let stem = convocations::store::STORE_LOCK_FILE.trim_end_matches(".lock");
    assert!(!convocations::login_id::is_name(stem));
}

/// What the version before this one stored, by its own program (commit 007dc8e): two logins in the file.
fn stored_before_ids(dir: &TestDir) {
    let fixture =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store_before_ids/file");
    for name in ["credentials.toml", "secret.key"] {
        let path = dir.config().join(name);
        fs::copy(fixture.join(name), &path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_store_of_the_version_before_is_read_and_bound_at_its_next_write() {
    let dir = TestDir::new();
    stored_before_ids(&dir);
    let store = store(&dir);
    assert_eq!(key(&store, "openrouter").as_deref(), Some("sk-or-v1-fixture-0123456789"));
    let old = store.read(&login("anthropic")).unwrap().unwrap();
    assert!(old.tokens.access_token.expose().starts_with("sk-ant-oat01-") && old.tokens.origins.is_empty());
    assert_eq!(store.index().unwrap().store, None, "reading writes nothing");
    let new = NewLogin::new(&old.entry.method, old.entry.kind, old.tokens.clone());
    store.update(&login("anthropic"), |_| Ok(Change::Renewed(Box::new(new)))).unwrap();
    let index = store.index().unwrap();
    assert!(index.store.is_some_and(|id| id.len() == 32));
    assert!(index.confirmed_notices.contains("anthropic/subscription"));
    assert_eq!(store.read(&login("anthropic")).unwrap().unwrap().tokens, old.tokens);
    assert_eq!(key(&store, "openrouter").as_deref(), Some("sk-or-v1-fixture-0123456789"), "not yet bound");
}

/// Rule 20: a blob opens for the store and the login it was made for, with the very key that sealed it.
#[test]
fn an_entry_copied_from_another_folder_is_refused_and_named() {
    let (one, other) = (TestDir::new(), TestDir::new());
    put(&store(&one), "openrouter", "theirs").unwrap();
    fs::copy(one.paths().key_file(), other.paths().key_file()).unwrap();
    put(&store(&other), "anthropic", "ours").unwrap();
    let entry = fs::read_to_string(one.paths().index_file()).unwrap();
    let entry = &entry[entry.find("[logins.openrouter]").unwrap()..];
    let file = other.paths().index_file();
    let index = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{index}\n{entry}")).unwrap();
    let error = store(&other).read(&login("openrouter")).unwrap_err();
    assert_eq!(error.code(), Code::StoreUnreadable);
    assert!(error.message().contains("`openrouter` belongs to another login"), "{error}");
    assert_eq!(key(&store(&other), "anthropic").as_deref(), Some("ours"));
    put(&store(&other), "openrouter", "mine").unwrap();
    assert_eq!(key(&store(&other), "openrouter").as_deref(), Some("mine"), "a login mends it");
}

/// One entry that a newer program wrote, or a slip of the hand: that login alone fails, named, and stays as
/// it stands.
#[test]
fn an_entry_that_is_not_understood_fails_alone() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "k").unwrap();
    let index = dir.paths().index_file();
    let others = "[logins.mistral]\nbackend = \"punch-card\"\nmethod = \"m\"\nkind = \"api-key\"\n\
                  [logins.groq]\nbackend = \"keyring\"\naccount = \"a\"\nmethod = \"m\"\nkind = \"spell\"\n\
                  [logins.\"No Name\"]\nbackend = 7\n";
    fs::write(&index, format!("{}{others}", fs::read_to_string(&index).unwrap())).unwrap();
    assert_eq!(key(&store, "openrouter").as_deref(), Some("k"));
    put(&store, "anthropic", "new").unwrap();
    let removed = store.remove(&login("openrouter")).unwrap().unwrap();
    assert!(removed.entry.is_some());
    for name in ["mistral", "groq"] {
        let error = store.read(&login(name)).unwrap_err();
        assert!(error.code() == Code::StoreUnreadable && error.message().contains(name), "{error}");
        assert!(error.hint().is_some());
    }
    let kept = store.index().unwrap().unreadable;
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["No Name", "groq", "mistral"]);
    assert_eq!(kept["mistral"]["backend"].as_str(), Some("punch-card"));
    put(&store, "mistral", "mine").unwrap();
    assert_eq!(key(&store, "mistral").as_deref(), Some("mine"), "a login takes its place");
    assert!(store.remove(&login("groq")).unwrap().is_some(), "and it can be logged out of");
}

/// Killed between the new content and its name: whoever has the lock next takes it up.
#[test]
fn a_complete_write_that_never_got_its_name_is_taken_up() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "old").unwrap();
    let (file, unfinished) = (dir.paths().index_file(), dir.config().join(".convocations-new-dead"));
    let old = fs::read(&file).unwrap();
    put(&store, "openrouter", "new").unwrap();
    let new = fs::read(&file).unwrap();
    let leave = |bytes: &[u8]| {
        fs::write(&file, &old).unwrap();
        fs::write(&unfinished, bytes).unwrap();
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600)).unwrap();
    };
    leave(&new);
    drop(store.try_lock_login(&login("openrouter")).unwrap().unwrap());
    assert_eq!(key(&store, "openrouter").as_deref(), Some("new"));
    assert!(!unfinished.exists());
    leave(&new[..new.len() - 3]);
    drop(store.lock_login(&login("openrouter")).unwrap().unwrap());
    assert_eq!(key(&store, "openrouter").as_deref(), Some("old"), "half a text is nothing");
    leave(&new);
    put(&store, "anthropic", "x").unwrap();
    assert_eq!(key(&store, "openrouter").as_deref(), Some("new"), "a writer takes it up before it reads");
    fs::write(&unfinished, &new).unwrap();
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600)).unwrap();
    drop(store.lock(WAIT).unwrap());
    assert_eq!(key(&store, "anthropic").as_deref(), Some("x"), "what is older than the index is not");
    assert!(!unfinished.exists());
}

/// What was logged out of opens in no copy of ours, however damaged the copy is.
#[test]
fn a_logout_reaches_what_was_set_aside() {
    let dir = TestDir::new();
    let store = store(&dir);
    put(&store, "openrouter", "one").unwrap();
    put(&store, "anthropic", "two").unwrap();
    let file = dir.paths().index_file();
    let whole = fs::read_to_string(&file).unwrap();
    let blob = |store: &Store, name: &str| match store.index().unwrap().logins[&login(name)].backend.clone() {
        Backend::LocalEncrypted { ciphertext, .. } => ciphertext,
        Backend::Keyring { .. } => panic!("sealed"),
    };
    let (one, two) = (blob(&store, "openrouter"), blob(&store, "anthropic"));
    let headless = whole.replace("[logins.openrouter]", "[logins.open");
    let lost = whole[whole.find("[logins.openrouter]").unwrap() + 20..].to_owned();
    let broken = [format!("{whole}[logins"), headless, format!("\u{fffd}= {lost}")];
    for (number, text) in broken.iter().enumerate() {
        fs::write(&file, text).unwrap();
        put(&store, "openrouter", "newer").unwrap();
        assert!(dir.config().join(format!("credentials.damaged-{}", number + 1)).exists(), "{text}");
    }
    store.remove(&login("openrouter")).unwrap().unwrap();
    let kept: Vec<String> = (1..=broken.len())
        .map(|number| fs::read_to_string(dir.config().join(format!("credentials.damaged-{number}"))).unwrap())
        .collect();
    assert!(kept.iter().all(|text| !text.contains(&one)), "{kept:#?}");
    assert!(kept[0].contains(&two) && kept[1].contains(&two), "the other login's is still there");
}

/// A folder that was open is closed, and that is said; what a link leads to keeps its mode, since other
/// things than ours may be kept there.
#[test]
fn a_folder_that_others_may_list_is_closed_and_said_but_not_through_a_link() {
    let dir = TestDir::new();
    let open = |path: &std::path::Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(&dir.config());
    let store = store(&dir);
    put(&store, "openrouter", "k").unwrap();
    assert_eq!(mode(dir.config()), 0o700);
    assert!(store.take_warnings().iter().any(|text| text.contains("could be listed by other users")));
    let (kept, link) = (dir.path().join("dotfiles"), dir.path().join("link"));
    fs::create_dir(&kept).unwrap();
    open(&kept);
    symlink(&kept, &link).unwrap();
    let paths = convocations::paths::Paths::new(&link, dir.path().join("state"));
    let config = StoreConfig { backend: StoreBackend::LocalEncrypted, ..StoreConfig::default() };
    let linked = Store::new(&paths, &config);
    put(&linked, "openrouter", "k").unwrap();
    assert_eq!((mode(&kept), mode(kept.join("credentials.toml"))), (0o755, 0o600));
    assert!(linked.take_warnings().is_empty());
}

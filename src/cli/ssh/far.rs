//! What is done on the other host: shell scripts for any POSIX shell, which travel on standard input, so that
//! nothing of them shows in a list of processes there.
//!
//! Guarantees: what is made there is 0700 or 0600 and goes with the session; only what a dead session of ours
//! left is removed; a link that is not ours is left alone. Pure.

use std::ffi::OsStr;

use crate::remote::{LINK, VARIABLE};

/// What the first script's answer begins with: what a shell's own files print stands before it.
const MARK: &str = "convocations folder ";

/// Longest path of a folder in which a session's folder is made, in bytes: a socket's path has little room.
const MAX_BASE: usize = 60;

/// What the scripts ask: whether a folder is this user's own (in `/tmp` anybody makes folders) and of a
/// session that has not ended. A process that may not be signalled, as that of `sudo`, has not ended either.
const IS_ALIVE: &str = r#"is_ours() { [ -O "$1" ] && [ ! -h "$1" ] && [ -s "$1/pid" ]; }
is_alive() {
  said=$(LC_ALL=C kill -0 "$(cat "$1/pid")" 2>&1) && return 0
  case $said in *ermitted*|*enied*) return 0 ;; esac
  return 1
}
"#;

/// Makes a private folder, after removing those of sessions that have died.
pub fn open() -> String {
    format!(
        r#"umask 077
{IS_ALIVE}base=${{XDG_RUNTIME_DIR:-/tmp}}
case $base in *[!A-Za-z0-9/._+-]*) base=/tmp ;; esac
[ -d "$base" ] && [ -w "$base" ] && [ ${{#base}} -le {MAX_BASE} ] || base=/tmp
for old in "$base"/conv-agent.*; do
  is_ours "$old" || continue
  is_alive "$old" || rm -rf "$old"
done
folder=$(mktemp -d "$base/conv-agent.XXXXXXXXXX") || exit 1
printf '{MARK}%s\n' "$folder"
"#
    )
}

/// The folder that [`open`] made, if it did: a path that needs no quoting.
pub fn folder(answer: &str) -> Option<String> {
    let found = answer.lines().rev().find_map(|line| line.strip_prefix(MARK))?.trim_end();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte);
    (found.starts_with('/') && found.bytes().all(plain)).then(|| found.to_owned())
}

/// The socket in that folder.
pub fn socket(folder: &str) -> String {
    format!("{folder}/agent.sock")
}

/// Puts the session's script into the folder, and makes the link lead to its socket.
pub fn prepare(folder: &str, address: &str, command: Option<&OsStr>) -> Vec<u8> {
    let mut session = format!(
        "{VARIABLE}='{address}'\nexport {VARIABLE}\necho $$ >{folder}/pid\nrm -f {folder}/session\nexec \"${{SHELL:-/bin/sh}}\" "
    )
    .into_bytes();
    match command {
        Some(command) => {
            session.extend_from_slice(b"-c ");
            session.extend(quoted(command.as_encoded_bytes()));
        }
        None => session.extend_from_slice(b"-l"),
    }
    let mut script = b"umask 077\nprintf %s ".to_vec();
    script.extend(quoted(&session));
    script.extend_from_slice(format!(" >{folder}/session || exit 1\n").as_bytes());
    if address.starts_with("unix:") {
        script.extend_from_slice(link_to(&socket(folder)).as_bytes());
    }
    script
}

/// What opens the session.
pub fn session(folder: &str) -> String {
    format!("exec sh {folder}/session")
}

/// Makes the link lead to a socket, in one step, unless something else has its name; a home folder that takes
/// no link keeps no session from opening.
fn link_to(socket: &str) -> String {
    format!(
        r#"link=$HOME/{LINK}
case $(readlink "$link" 2>/dev/null) in
  */conv-agent.*/agent.sock) is_free=yes ;;
  *) [ -e "$link" ] || [ -h "$link" ] || is_free=yes ;;
esac
[ -z "${{is_free-}}" ] || {{ ln -s {socket} "$link.$$" && mv -f "$link.$$" "$link"; }} 2>/dev/null || :
"#
    )
}

/// Removes the folder; the link leads to another session that lives, or goes.
pub fn close(folder: &str) -> String {
    let socket = socket(folder);
    format!(
        r#"rm -rf {folder}
{IS_ALIVE}link=$HOME/{LINK}
[ "$(readlink "$link" 2>/dev/null)" = {socket} ] || exit 0
rm -f "$link"
for other in {base}/conv-agent.*; do
  is_ours "$other" && [ -S "$other/agent.sock" ] && is_alive "$other" || continue
  ln -s "$other/agent.sock" "$link"
  break
done
"#,
        base = folder.rsplit_once('/').map_or("/tmp", |(base, _)| base),
    )
}

/// One word for a POSIX shell.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in text {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// No process has this number: the kernel's highest is 4194304.
    const NOBODY: &str = "4194305";

    /// Runs a script as the other host would, in a home of its own.
    fn run(home: &Path, script: &[u8]) -> String {
        let mut child = Command::new("sh")
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home)
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_session_gets_its_address_and_its_command_word_for_word_and_leaves_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = std::env::temp_dir().join(format!("conv-far-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&home).unwrap();
        let folder = folder(&format!("Welcome\n{}", run(&home, open().as_bytes()))).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        let address = format!("unix:{}", socket(&folder));
        let command = "printf '%s|' \"$CONVOCATIONS_AGENT\" 'it'\\''s' \"a\\\\b\" \"$HOME\"";
        run(&home, &prepare(&folder, &address, Some(OsStr::new(command))));
        let script = Path::new(&folder).join("session");
        assert_eq!(std::fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o600);
        let printed = run(&home, session(&folder).as_bytes());
        assert_eq!(printed, format!("{address}|it's|a\\b|{}|", home.display()));
        assert!(!script.exists(), "the script is still there");
        let link = home.join(LINK);
        assert_eq!(std::fs::read_link(&link).unwrap().to_str(), Some(socket(&folder).as_str()));

        run(&home, close(&folder).as_bytes());
        assert!(!Path::new(&folder).exists() && std::fs::symlink_metadata(&link).is_err());
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn what_a_dead_session_left_goes_and_what_is_not_ours_stays() {
        let home = std::env::temp_dir().join(format!("conv-far-{:016x}", rand::random::<u64>()));
        let left = |name: &str, pid: &str| {
            let folder = home.join(format!("conv-agent.{name}"));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("pid"), pid).unwrap();
            folder
        };
        let old = left("old", NOBODY);
        let (lives, begins) = (left("lives", &std::process::id().to_string()), left("begins", ""));
        std::fs::write(home.join(LINK), "a file of the person's").unwrap();
        let folder = folder(&run(&home, open().as_bytes())).unwrap();
        assert!(!old.exists() && lives.exists() && begins.exists());
        run(&home, &prepare(&folder, "unix:/x", None));
        run(&home, close(&folder).as_bytes());
        assert_eq!(std::fs::read_to_string(home.join(LINK)).unwrap(), "a file of the person's");
        std::fs::remove_dir_all(&home).unwrap();
    }

    /// `sudo -i` as the session's command: its process is root's, and may not be signalled.
    #[test]
    fn a_session_whose_process_is_anothers_lives() {
        let home = std::env::temp_dir().join(format!("conv-far-{:016x}", rand::random::<u64>()));
        let folder = home.join("conv-agent.x");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("pid"), "1").unwrap();
        // What root runs may signal everybody.
        let line = format!("{IS_ALIVE}is_ours {0} && is_alive {0}", folder.display());
        let mut command = Command::new("sh");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&folder, Some(65534), Some(65534)).unwrap();
            command = Command::new("setpriv");
            command.args(["--reuid=65534", "--clear-groups", "sh"]);
        }
        assert!(command.args(["-c", &line]).status().unwrap().success());
        std::fs::remove_dir_all(&home).unwrap();
    }

    /// In `/tmp` anybody makes folders of any name. Only root can be somebody else.
    #[test]
    fn another_users_folder_is_neither_removed_nor_linked_to() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let home = std::env::temp_dir().join(format!("conv-far-{:016x}", rand::random::<u64>()));
        let (planted, living) = (home.join("conv-agent.a"), std::process::id().to_string());
        std::fs::create_dir_all(&planted).unwrap();
        let folder = folder(&run(&home, open().as_bytes())).unwrap();
        run(&home, &prepare(&folder, &format!("unix:{}", socket(&folder)), None));
        let listener = std::os::unix::net::UnixListener::bind(planted.join("agent.sock")).unwrap();
        std::os::unix::fs::chown(&planted, Some(65534), Some(65534)).unwrap();
        std::fs::write(planted.join("pid"), living).unwrap();
        run(&home, close(&folder).as_bytes());
        assert!(
            std::fs::symlink_metadata(home.join(LINK)).is_err(),
            "what is typed there would be a stranger's"
        );
        std::fs::write(planted.join("pid"), NOBODY).unwrap();
        run(&home, open().as_bytes());
        assert!(planted.exists());
        drop(listener);
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn a_link_of_the_persons_stays_and_a_home_that_takes_none_keeps_no_session_from_opening() {
        let home = std::env::temp_dir().join(format!("conv-far-{:016x}", rand::random::<u64>()));
        let (link, session) = (home.join(LINK), home.join("conv-agent.x"));
        std::fs::create_dir_all(&session).unwrap();
        let to = session.to_str().unwrap().to_owned();
        let prepare = |home: &Path, to: &str| {
            let script = prepare(to, &format!("unix:{}", socket(to)), None);
            run(home, &[&script[..], b"echo prepared=$?\n"].concat())
        };
        for own in ["/run/mine/agent.sock", "nowhere"] {
            std::os::unix::fs::symlink(own, &link).unwrap();
            assert_eq!(prepare(&home, &to), "prepared=0\n");
            assert_eq!(std::fs::read_link(&link).unwrap().to_str(), Some(own));
            std::fs::remove_file(&link).unwrap();
        }
        std::os::unix::fs::symlink("/run/conv-agent.gone/agent.sock", &link).unwrap();
        assert_eq!(prepare(&home, &to), "prepared=0\n");
        assert_eq!(std::fs::read_link(&link).unwrap().to_str(), Some(socket(&to).as_str()));
        assert_eq!(prepare(Path::new("/nonexistent"), &to), "prepared=0\n");
        assert_eq!(std::fs::read_dir(&home).unwrap().count(), 2, "nothing is left beside the link");
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn a_runtime_folder_with_a_long_path_is_left_for_a_short_one() {
        let home = std::env::temp_dir().join(format!("conv-far-{:060x}", rand::random::<u64>()));
        std::fs::create_dir(&home).unwrap();
        let folder = folder(&run(&home, open().as_bytes())).unwrap();
        assert!(folder.starts_with("/tmp/conv-agent."), "{folder}");
        std::fs::remove_dir_all(folder).unwrap();
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn only_the_mark_is_an_answer() {
        assert_eq!(
            folder("rc says hello\nconvocations folder /tmp/conv-agent.x1\n").as_deref(),
            Some("/tmp/conv-agent.x1")
        );
        for other in
            ["", "git> ", "convocations folder ", "convocations folder /a b", "convocations folder x;rm"]
        {
            assert_eq!(folder(other), None, "{other}");
        }
    }
}

//! What is done on the other host: shell scripts for any POSIX shell, which travel on standard input, so that
//! nothing of them shows in a list of processes there.
//!
//! Guarantees: what is made there is 0700 or 0600 and goes with the session; only what a dead session of ours
//! left is removed; a link that is not ours is left alone. Pure.

use std::ffi::OsStr;

use crate::remote::{LINK, VARIABLE};

/// What the first script's answer begins with: what a shell's own files print stands before it.
const MARK: &str = "convocations folder ";

/// Makes a private folder, after removing those of sessions that have died.
pub fn open() -> String {
    format!(
        r#"umask 077
base=${{XDG_RUNTIME_DIR:-/tmp}}
case $base in *[!A-Za-z0-9/._+-]*) base=/tmp ;; esac
[ -d "$base" ] && [ -w "$base" ] || base=/tmp
for old in "$base"/conv-agent.*; do
  [ -f "$old/pid" ] || continue
  kill -0 "$(cat "$old/pid")" 2>/dev/null || rm -rf "$old"
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
    script.extend_from_slice(format!(" >{folder}/session\n").as_bytes());
    if address.starts_with("unix:") {
        let socket = socket(folder);
        script.extend_from_slice(
            format!("link=$HOME/{LINK}\n[ -h \"$link\" ] && rm -f \"$link\"\n[ -e \"$link\" ] || ln -s {socket} \"$link\"\n").as_bytes(),
        );
    }
    script
}

/// What opens the session.
pub fn session(folder: &str) -> String {
    format!("exec sh {folder}/session")
}

/// Removes the folder; the link leads to another session that lives, or goes.
pub fn close(folder: &str) -> String {
    let socket = socket(folder);
    format!(
        r#"rm -rf {folder}
link=$HOME/{LINK}
[ "$(readlink "$link" 2>/dev/null)" = {socket} ] || exit 0
rm -f "$link"
for other in {base}/conv-agent.*; do
  [ -S "$other/agent.sock" ] && kill -0 "$(cat "$other/pid" 2>/dev/null)" 2>/dev/null || continue
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
        let old = home.join("conv-agent.old");
        std::fs::create_dir_all(&old).unwrap();
        // No process has this number: the kernel's highest is 4194304.
        std::fs::write(old.join("pid"), "4194305").unwrap();
        std::fs::write(home.join(LINK), "a file of the person's").unwrap();
        let folder = folder(&run(&home, open().as_bytes())).unwrap();
        assert!(!old.exists());
        run(&home, &prepare(&folder, "unix:/x", None));
        run(&home, close(&folder).as_bytes());
        assert_eq!(std::fs::read_to_string(home.join(LINK)).unwrap(), "a file of the person's");
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

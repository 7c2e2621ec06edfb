//! Another host: Debian's OpenSSH server on loopback, with a home, a `/tmp` and processes of its own, run by
//! a user who is nobody special (bubblewrap: a user namespace in which that user has number 1000).

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::process::wait_for;
use crate::common::{Child, TestDir, run};

/// Where the program is over there.
pub const PROGRAM: &str = "/opt/convocations";

/// A running server, and a client's configuration that knows it as `far`.
pub struct Host {
    /// The other host's own folders, and at home the client's files.
    pub dir: TestDir,
    pub server: Child,
    pub port: u16,
}

/// How a server differs from the usual one.
#[derive(Default, Clone, Copy)]
pub struct Kind {
    /// Lines of sshd_config.
    pub config: &'static str,
    /// What stands before the key in authorized_keys.
    pub key_options: &'static str,
    /// The user's login shell; bash, if none is named.
    pub shell: &'static str,
    /// The user's password; without one, only the key opens.
    pub password: &'static str,
}

/// Whether the programs are here; says so if not.
pub fn is_possible() -> bool {
    let has = |program: &str| Path::new(program).exists();
    let all = has("/usr/sbin/sshd") && has("/usr/bin/ssh") && has("/usr/bin/bwrap");
    let works = || {
        run(
            Command::new("bwrap").args(["--ro-bind", "/", "/", "--unshare-user", "--uid", "1000", "true"]),
            "",
        )
        .status
        .success()
    };
    let possible = all && works();
    if !possible {
        println!("skipped: OpenSSH's server and client, and bubblewrap with user namespaces, are needed");
    }
    possible
}

impl Host {
    pub fn start() -> Self {
        Self::of(Kind::default())
    }

    pub fn of(kind: Kind) -> Self {
        let dir = TestDir::new();
        for folder in ["far/srv/.sshd", "far/tmp", "far/opt"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let keys = dir.path().join("far/srv/.sshd");
        for (name, folder) in [("host", &keys), ("user", &dir.home())] {
            let mut command = Command::new("ssh-keygen");
            run(command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(name)), "").ok();
        }
        let own = std::fs::read_to_string(dir.home().join("user.pub")).unwrap();
        std::fs::write(keys.join("authorized"), format!("{} {own}", kind.key_options).trim_start()).unwrap();
        let shell = if kind.shell.is_empty() { "/bin/bash" } else { kind.shell };
        write(&dir, "passwd", &format!("root:x:0:0::/root:/bin/sh\nfar:x:1000:1000::/srv/far:{shell}\n"));
        write(&dir, "shadow", &format!("far:{}:19000:0:99999:7:::\n", crypted(kind.password)));
        write(&dir, "group", "root:x:0:\nfar:x:1000:\n");
        let (server, port) = (0..5).find_map(|_| serve(&dir, kind)).expect("a server that listens");
        let host_key = std::fs::read_to_string(keys.join("host.pub")).unwrap();
        let host = Self { dir, server, port };
        host.configure(&host_key, "");
        host
    }

    /// The client's files; `more` are further lines for `far`.
    fn configure(&self, host_key: &str, more: &str) {
        let (home, port) = (self.dir.home(), self.port);
        std::fs::write(home.join("known"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
        let config = format!(
            "Host far\n{more}\nHost far inner\n  HostName 127.0.0.1\n  Port {port}\n  User far\n  IdentityFile {0}/user\n  \
             IdentitiesOnly yes\n  UserKnownHostsFile {0}/known\n  GlobalKnownHostsFile /dev/null\n  \
             StrictHostKeyChecking yes\nHost inner\n  ProxyJump far\n",
            home.display()
        );
        std::fs::write(self.client_config(), config).unwrap();
    }

    /// Adds lines to the client's configuration for `far`.
    pub fn with(self, more: &str) -> Self {
        let host_key = std::fs::read_to_string(self.dir.path().join("far/srv/.sshd/host.pub")).unwrap();
        self.configure(&host_key, more);
        self
    }

    /// For `ssh -F`.
    pub fn client_config(&self) -> PathBuf {
        self.dir.home().join("ssh_config")
    }

    /// `ssh` itself, to there.
    pub fn ssh(&self, args: &[&str]) -> Command {
        let mut command = self.dir.command("ssh");
        command.arg("-F").arg(self.client_config()).args(args);
        command
    }

    /// `convocations ssh far`, with what is lent from `home`.
    pub fn lend(&self, home: &TestDir, terms: &[&str], command: &[&str]) -> Command {
        self.lend_to("far", home, terms, command)
    }

    pub fn lend_to(&self, destination: &str, home: &TestDir, terms: &[&str], command: &[&str]) -> Command {
        let mut program = home.convocations(["ssh"]);
        program.args(terms).arg(destination).arg("-F").arg(self.client_config()).args(command);
        program
    }

    /// What the other host's user has beside the server's own files.
    pub fn left_there(&self) -> Vec<PathBuf> {
        let all = ["far/srv", "far/tmp"].map(|folder| crate::far::files(&self.dir.path().join(folder)));
        all.into_iter()
            .flatten()
            .filter(|path| !path.components().any(|part| part.as_os_str() == ".sshd"))
            .collect()
    }

    /// A path over there, seen from here.
    pub fn seen(&self, there: &str) -> PathBuf {
        let place = there.strip_prefix("/srv/far").map(|rest| format!("far/srv{rest}"));
        self.dir.path().join(place.unwrap_or_else(|| format!("far{there}")))
    }
}

/// As crypt(5) has it; what no password gives, for none.
fn crypted(password: &str) -> String {
    if password.is_empty() {
        return "*".to_owned();
    }
    run(Command::new("openssl").args(["passwd", "-6", password]), "").ok().stdout.trim().to_owned()
}

fn write(dir: &TestDir, name: &str, text: &str) {
    std::fs::write(dir.path().join("far").join(name), text).unwrap();
}

/// One on a port that is free; none if somebody else was faster.
fn serve(dir: &TestDir, kind: Kind) -> Option<(Child, u16)> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey /srv/far/.sshd/host\nAuthorizedKeysFile /srv/far/.sshd/authorized\n\
         PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication {}\nKbdInteractiveAuthentication no\n\
         LogLevel VERBOSE\n{}\n",
        if kind.password.is_empty() { "no" } else { "yes" },
        kind.config
    );
    let file = dir.path().join("far/srv/.sshd/config");
    std::fs::write(&file, config).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = inside(dir);
    command.args(["/usr/sbin/sshd", "-D", "-e", "-f", "/srv/far/.sshd/config"]);
    let mut server = Child::spawn(&mut command);
    let up = wait_for(crate::common::process::LIMIT, || {
        let listens =
            server.stderr().contains("Server listening") && TcpStream::connect(("127.0.0.1", port)).is_ok();
        (listens || !server.is_running()).then_some(listens)
    });
    if up != Some(true) {
        println!("sshd: {}", server.stderr());
        return None;
    }
    Some((server, port))
}

/// A program on the other host, or rather what it is made of.
fn inside(dir: &TestDir) -> Command {
    let root = env!("CARGO_MANIFEST_DIR");
    let far = |name: &str| dir.path().join("far").join(name);
    let mut command = dir.command("bwrap");
    command.args(["--die-with-parent", "--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-pid"]);
    command.args([
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--tmpfs",
        "/srv",
        "--tmpfs",
        "/opt",
    ]);
    command.arg("--bind").arg(far("srv")).arg("/srv/far").arg("--bind").arg(far("tmp")).arg("/tmp");
    command.arg("--ro-bind").arg(far("passwd")).arg("/etc/passwd");
    command.arg("--ro-bind").arg(far("group")).arg("/etc/group");
    command.arg("--ro-bind").arg(far("shadow")).arg("/etc/shadow");
    command.arg("--ro-bind").arg(env!("CARGO_BIN_EXE_convocations")).arg(PROGRAM);
    command.args(["--ro-bind", root, "/opt/repository", "--chdir", "/"]);
    // Neovim knows its own path, which may be below a folder that is another here.
    let tools = std::path::Path::new(root).join(".deps");
    command.arg("--ro-bind-try").arg(&tools).arg(&tools);
    command.args(["--unsetenv", "XDG_RUNTIME_DIR", "--unsetenv", "CONVOCATIONS_DIR", "--unsetenv", "TMPDIR"]);
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.args(["--unsetenv", name]);
    }
    command
}

/// The same command at a terminal of its own.
pub fn at_a_terminal(home: &TestDir, command: &Command) -> Command {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let mut terminal = home.command("script");
    terminal.args(["-qec", &line, "/dev/null"]);
    terminal
}

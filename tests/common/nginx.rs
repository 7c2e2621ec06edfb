//! A real nginx in the foreground, one process, with all of its files in a test's folder.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::dir::TestDir;
use super::process::eventually;

/// nginx at work; ended when dropped.
#[derive(Debug)]
pub struct Nginx(Child);

/// A port that nobody listens on just now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Nginx {
    /// Starts one whose `http` block holds this, and waits until `port` of 127.0.0.1 answers. `None`, and a
    /// line that says so, where there is no nginx.
    pub fn start(dir: &TestDir, port: u16, http: &str) -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let Some(program) = program else {
            eprintln!("skipped: no nginx here (`make deps` installs it where apt-get is)");
            return None;
        };
        let at = dir.path().display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {at}/{name};\n"))
            .concat();
        let text = format!(
            "daemon off; master_process off; pid {at}/nginx.pid; error_log {at}/nginx.log crit;\n\
             events {{ worker_connections 2048; }}\nhttp {{ access_log off;\n{temporary}{http}}}\n"
        );
        let config = dir.path().join("nginx.conf");
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(&config).args(["-e", &format!("{at}/nginx.log")]);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let nginx = Self(quiet.spawn().unwrap());
        eventually("nginx", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

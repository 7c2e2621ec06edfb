//! The agent's row: a token through a grant's socket, each on a connection of its own as `curl` makes it,
//! beside the same from the memory of a backend on its pipe.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::common::{Child, TestDir, eventually};
use crate::pipe::Pipe;
use crate::table::Table;
use crate::{CALLS, in_turns};

const REQUEST: &[u8] =
    b"POST /v1/token/openrouter HTTP/1.1\r\nHost: agent\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Measures it for a login that is stored and good.
pub fn rows(dir: &TestDir, table: &mut Table) {
    let path = dir.path().join("agent/socket");
    let mut command = dir.convocations(["agent", "openrouter", "--token", "--lasting", "--json", "--socket"]);
    let child = Child::spawn(command.arg(&path));
    eventually("the line", || child.stdout().ends_with('\n').then_some(()));
    let mut backend = Pipe::backend(&mut dir.convocations::<&str>([]));
    let times = in_turns(CALLS, || token(&path), || backend.get());
    row(table, "a token through an agent's socket", times);
    let forwarded = forward(dir, path);
    let times = in_turns(CALLS, || token(&forwarded), || backend.get());
    row(table, "a token through a forwarded agent", times);
}

fn row(table: &mut Table, what: &str, [time, floor]: [std::time::Duration; 2]) {
    let more = (time.as_secs_f64() - floor.as_secs_f64()) * 1000.0;
    table.limit(&format!("{what}, beside one from a backend's memory ({floor:.0?}), ms more"), more, 1.0);
}

fn token(path: &Path) {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(REQUEST).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("sk-or-"), "{answer}");
}

/// A socket whose connections are carried to another one, as `ssh -R` does without a network between.
fn forward(dir: &TestDir, to: PathBuf) -> PathBuf {
    let path = dir.path().join("forwarded");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let to = to.clone();
            std::thread::spawn(move || {
                let far = UnixStream::connect(to).unwrap();
                let (mut from, mut into) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut into));
                let (mut from, mut into) = (far, near);
                let _ = std::io::copy(&mut from, &mut into);
                let _ = into.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    path
}

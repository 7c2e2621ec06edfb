//! A session bus in front of the real one, on which the keyring carries a write out at once and confirms it
//! late.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::common::TestDir;

/// What a client calls to write an item.
const WRITES: [&[u8]; 2] = [b"CreateItem", b"SetSecret"];

/// The slow bus. Its threads end with the test's process.
pub struct SlowBus(PathBuf);

impl SlowBus {
    /// One in front of the bus at `real`, whose answers come `delay` after a write was begun.
    pub fn before(dir: &TestDir, real: PathBuf, delay: Duration) -> Self {
        let path = dir.path().join(format!("slow-bus-{:08x}", rand::random::<u32>()));
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = UnixStream::connect(&real).unwrap();
                let is_writing = Arc::new(AtomicBool::new(false));
                let (there, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let seen = Arc::clone(&is_writing);
                std::thread::spawn(move || {
                    pass(there, server, |bytes| {
                        let writes =
                            WRITES.iter().any(|name| bytes.windows(name.len()).any(|part| part == *name));
                        seen.fetch_or(writes, Ordering::SeqCst);
                    })
                });
                let began = std::sync::OnceLock::new();
                std::thread::spawn(move || {
                    pass(back, client, |_| {
                        if is_writing.load(Ordering::SeqCst) {
                            let end = *began.get_or_init(Instant::now) + delay;
                            std::thread::sleep(end.saturating_duration_since(Instant::now()));
                        }
                    })
                });
            }
        });
        Self(path)
    }

    /// What a program needs to find it.
    pub fn environment(&self) -> [(&'static str, String); 1] {
        [("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", self.0.display()))]
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream, look: impl Fn(&[u8])) {
    let mut bytes = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        look(&bytes[..count]);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

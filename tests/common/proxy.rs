//! A proxy in between, as companies have them.

use std::io::{Read as _, Write as _, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// A proxy that tunnels whatever it is asked for, and tells the head of each request.
pub fn proxy() -> (String, Receiver<String>) {
    proxy_for(None)
}

/// The same for those who send this in `Proxy-Authorization`; all others are answered 407.
pub fn proxy_for(password: Option<&'static str>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (sender, stream) = (sender.clone(), stream.unwrap());
            std::thread::spawn(move || tunnel(stream, password, &|head| drop(sender.send(head))));
        }
    });
    (url, asked)
}

fn tunnel(mut near: TcpStream, password: Option<&str>, tell: &dyn Fn(String)) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if near.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let sent = head.lines().filter_map(|line| line.split_once(": "));
    let mut passwords = sent.filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"));
    let is_let_in = password.is_none_or(|password| passwords.any(|(_, sent)| sent == password));
    tell(head);
    if !is_let_in {
        let _ = near.write_all(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
              Content-Length: 0\r\n\r\n",
        );
        return;
    }
    let Ok(mut far) = TcpStream::connect(target) else { return };
    let _ = near.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    let (mut near_in, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let up = std::thread::spawn(move || {
        let _ = copy(&mut near_in, &mut far_out);
        let _ = far_out.shutdown(Shutdown::Write);
    });
    let _ = copy(&mut far, &mut near);
    let _ = near.shutdown(Shutdown::Both);
    let _ = up.join();
}

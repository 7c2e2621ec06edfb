//! A proxy in between, as companies have them.

use std::io::{Read as _, Write as _, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// A proxy that tunnels whatever it is asked for, and tells the head of each request.
pub fn proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (sender, stream) = (sender.clone(), stream.unwrap());
            std::thread::spawn(move || tunnel(stream, &|head| drop(sender.send(head))));
        }
    });
    (url, asked)
}

fn tunnel(mut near: TcpStream, tell: &dyn Fn(String)) {
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
    tell(head);
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

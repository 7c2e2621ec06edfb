//! Whose program is at the other end of a connection (rule 23), and whether it has closed it.
//!
//! Guarantees: on Linux a client on loopback is this user's or is refused; asked of the kernel once for each
//! connection. Where the system tells nothing of loopback clients (macOS, Windows), every client passes:
//! whoever listens needs another proof besides.

use std::io;
use std::net::SocketAddr;

#[cfg(target_os = "linux")]
use crate::descriptors;

/// Whether the client of a connection on loopback belongs to the user of this process.
///
/// # Errors
/// If the kernel does not say.
#[cfg(target_os = "linux")]
pub fn is_same_user(client: SocketAddr, here: SocketAddr) -> io::Result<bool> {
    let uid = match linux::by_sock_diag(client, here) {
        Ok(found) => found.uid,
        Err(error) if descriptors::are_out(&error) => return Err(error),
        Err(_) => linux::by_table(client, here)?,
    };
    Ok(uid == rustix::process::geteuid().as_raw())
}

/// As above; not told by this system.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn is_same_user(_: SocketAddr, _: SocketAddr) -> io::Result<bool> {
    Ok(true)
}

/// Whether the client of a connection on loopback has ended what it sends, even where that has not arrived
/// here.
///
/// # Errors
/// If the kernel does not say.
#[cfg(target_os = "linux")]
pub fn has_ended(client: SocketAddr, here: SocketAddr) -> io::Result<bool> {
    Ok(linux::by_sock_diag(client, here)?.has_ended)
}

/// As above; not told by this system.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn has_ended(_: SocketAddr, _: SocketAddr) -> io::Result<bool> {
    Ok(false)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io;
    use std::net::{IpAddr, SocketAddr};

    use rustix::net::netlink::{self, SocketAddrNetlink};
    use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

    /// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
    const BY_FAMILY: u16 = 20;
    /// `NLM_F_REQUEST` of linux/netlink.h.
    const REQUEST: u16 = 1;
    /// Bytes of `struct nlmsghdr`, of `struct inet_diag_req_v2` and where `idiag_state` and `idiag_uid` are
    /// in `struct inet_diag_msg` (linux/inet_diag.h).
    const HEADER: usize = 16;
    const QUESTION: usize = 56;
    const STATE_AT: usize = 1;
    const UID_AT: usize = 4 + 48 + 12;
    /// States in which a socket may still send (net/tcp_states.h): ESTABLISHED, SYN_SENT, SYN_RECV,
    /// CLOSE_WAIT.
    const OPEN: [u8; 4] = [1, 2, 3, 8];

    /// A socket as the kernel describes it.
    pub struct Found {
        pub uid: u32,
        pub has_ended: bool,
    }

    /// The client's socket, by its two addresses. Some microseconds.
    pub fn by_sock_diag(client: SocketAddr, here: SocketAddr) -> io::Result<Found> {
        let family = AddressFamily::NETLINK;
        let socket =
            net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
        net::sendto(&socket, &question(client, here), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut answer = [0; 1024];
        let (read, _) = net::recv(&socket, &mut answer, RecvFlags::DONTWAIT)?;
        let kind = answer.get(4..6).map(|kind| u16::from_ne_bytes([kind[0], kind[1]]));
        let uid = answer[..read].get(HEADER + UID_AT..HEADER + UID_AT + 4);
        match (kind, uid) {
            (Some(BY_FAMILY), Some(uid)) => Ok(Found {
                uid: u32::from_ne_bytes([uid[0], uid[1], uid[2], uid[3]]),
                has_ended: !OPEN.contains(&answer[HEADER + STATE_AT]),
            }),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn question(client: SocketAddr, here: SocketAddr) -> Vec<u8> {
        let (family, protocol) = if client.is_ipv4() { (2_u8, 6_u8) } else { (10, 6) };
        let mut bytes = Vec::with_capacity(HEADER + QUESTION);
        bytes.extend(u32::try_from(HEADER + QUESTION).unwrap_or(0).to_ne_bytes());
        bytes.extend(BY_FAMILY.to_ne_bytes());
        bytes.extend(REQUEST.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([family, protocol, 0, 0]);
        bytes.extend(u32::MAX.to_ne_bytes());
        bytes.extend(client.port().to_be_bytes());
        bytes.extend(here.port().to_be_bytes());
        bytes.extend(padded(client.ip()));
        bytes.extend(padded(here.ip()));
        bytes.extend(0_u32.to_ne_bytes());
        // INET_DIAG_NOCOOKIE, twice.
        bytes.extend([0xff; 8]);
        bytes
    }

    fn padded(ip: IpAddr) -> [u8; 16] {
        match ip {
            IpAddr::V6(ip) => ip.octets(),
            IpAddr::V4(ip) => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&ip.octets());
                bytes
            }
        }
    }

    /// The same from the kernel's tables, for a kernel without the module: 3 ms.
    pub fn by_table(client: SocketAddr, here: SocketAddr) -> io::Result<u32> {
        let row = format!("{} {} ", hex(client), hex(here));
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let text = fs::read_to_string(table).unwrap_or_default();
            let line = text.lines().find(|line| line.contains(&row));
            let uid = line.and_then(|line| line.split_whitespace().nth(7)?.parse().ok());
            if let Some(uid) = uid {
                return Ok(uid);
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// `0100007F:0FA0`: the address in the machine's byte order, the port in plain hexadecimal.
    fn hex(address: SocketAddr) -> String {
        let words: String = match address.ip() {
            IpAddr::V4(ip) => format!("{:08X}", u32::from_ne_bytes(ip.octets())),
            IpAddr::V6(ip) => {
                let words = ip.octets();
                let words = words.chunks_exact(4);
                words
                    .map(|word| format!("{:08X}", u32::from_ne_bytes([word[0], word[1], word[2], word[3]])))
                    .collect()
            }
        };
        format!("{words}:{:04X}", address.port())
    }

    #[cfg(test)]
    mod tests {
        use std::io::Write as _;
        use std::net::{TcpListener, TcpStream};

        use super::*;

        #[test]
        fn both_ways_name_the_owner_of_a_connection() {
            let own = rustix::process::geteuid().as_raw();
            for address in ["127.0.0.1:0", "[::1]:0"] {
                let Ok(listener) = TcpListener::bind(address) else { continue };
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let (server, peer) = listener.accept().unwrap();
                let here = server.local_addr().unwrap();
                assert_eq!(by_sock_diag(peer, here).unwrap().uid, own, "{address}");
                assert_eq!(by_table(peer, here).unwrap(), own, "{address}");
                drop(client);
            }
        }

        #[test]
        fn an_end_behind_more_than_is_taken_is_known() {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let here = server.local_addr().unwrap();
            client.set_nonblocking(true).unwrap();
            while client.write(&[0; 1 << 16]).is_ok() {}
            assert!(!by_sock_diag(peer, here).unwrap().has_ended);
            drop(client);
            assert!(by_sock_diag(peer, here).unwrap().has_ended);
        }

        #[test]
        fn a_connection_that_is_not_there_has_no_owner() {
            let (client, here) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
            assert!(by_sock_diag(client, here).is_err());
            assert!(by_table(client, here).is_err());
        }
    }
}

//! Where the browser's answer arrives: a port of the loopback interface, bound before anybody is told of it.
//!
//! Guarantees: 127.0.0.1 and, where the machine has it, [::1] at the same port, and nowhere else; never a
//! port that a stranger has on either, since `localhost` may lead to both.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::net::TcpListener;

use crate::error::{Code, Error, Result};

/// How often another free port is tried when the one found is free on IPv4 alone.
const FREE_PORT_TRIES: usize = 16;

/// Which ports a provider takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::login) enum Ports {
    /// Any; the person prefers this one (0: no preference).
    Any { preferred: u16 },
    /// One of these, in this order.
    Fixed(Vec<u16>),
}

impl Ports {
    /// The one wanted first.
    pub fn first(&self) -> Option<u16> {
        match self {
            Self::Any { preferred } => Some(*preferred).filter(|port| *port != 0),
            Self::Fixed(list) => list.first().copied(),
        }
    }
}

/// Listening sockets of one port.
#[derive(Debug)]
pub(in crate::login) struct Bound {
    pub listeners: Vec<TcpListener>,
    pub port: u16,
    /// Set if it is not the port that was wanted first: what to tell the person.
    pub notice: Option<String>,
}

/// Binds the first port that can be had.
///
/// # Errors
/// `port_in_use` if every port that the provider takes is taken or reserved by the system.
pub(in crate::login) async fn bind(ports: &Ports) -> Result<Bound> {
    match ports {
        Ports::Any { preferred } => bind_any(*preferred).await,
        Ports::Fixed(list) => bind_one_of(list).await,
    }
}

async fn bind_any(preferred: u16) -> Result<Bound> {
    match bind_both(preferred).await {
        Ok((listeners, port)) => Ok(Bound { listeners, port, notice: None }),
        Err(_) if preferred != 0 => {
            let (listeners, port) = bind_free().await.map_err(|_| no_port())?;
            let notice = Some(format!("Port {preferred} is taken; this login uses port {port}."));
            Ok(Bound { listeners, port, notice })
        }
        Err(_) => Err(no_port()),
    }
}

async fn bind_one_of(list: &[u16]) -> Result<Bound> {
    for port in list {
        if let Ok((listeners, port)) = bind_both(*port).await {
            let notice = (list.first() != Some(&port)).then(|| {
                format!("Port {} is taken; this login uses port {port}.", list.first().unwrap_or(&port))
            });
            return Ok(Bound { listeners, port, notice });
        }
    }
    Err(taken(list))
}

async fn bind_free() -> io::Result<(Vec<TcpListener>, u16)> {
    for _ in 1..FREE_PORT_TRIES {
        if let Ok(bound) = bind_both(0).await {
            return Ok(bound);
        }
    }
    bind_both(0).await
}

async fn bind_both(port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = v4.local_addr()?.port();
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(v6) => Ok((vec![v4, v6], port)),
        // Windows reserves whole ranges of ports and then says "access denied" (openai/codex#42994).
        Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => {
            Err(error)
        }
        Err(_) => Ok((vec![v4], port)),
    }
}

fn taken(list: &[u16]) -> Error {
    let ports: Vec<String> = list.iter().map(u16::to_string).collect();
    let message = match ports.as_slice() {
        [port] => format!("Port {port}, which the provider demands, is taken."),
        ports => format!("Ports {}, which the provider demands, are all taken.", ports.join(" and ")),
    };
    Error::new(Code::PortInUse, message)
        .with_hint("End the program that holds it, or log in without a browser: `:ConvLogin!`.")
}

fn no_port() -> Error {
    Error::new(Code::PortInUse, "No port can be opened on the loopback interface.")
        .with_hint("Log in without a browser: `:ConvLogin!`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn stranger(v6: bool) -> (TcpListener, u16) {
        let address = if v6 { "[::1]:0" } else { "127.0.0.1:0" };
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[tokio::test]
    async fn a_stranger_on_either_address_has_the_port() {
        for v6 in [false, true] {
            let (_held, port) = stranger(v6).await;
            let bound = bind(&Ports::Any { preferred: port }).await.unwrap();
            assert_ne!(bound.port, port);
            assert!(bound.notice.unwrap().contains(&port.to_string()));
            assert!(bound.listeners.iter().all(|l| l.local_addr().unwrap().ip().is_loopback()));
            assert_eq!(bind(&Ports::Fixed(vec![port])).await.unwrap_err().code(), Code::PortInUse);
        }
    }

    #[tokio::test]
    async fn the_spare_port_of_a_provider_is_used_and_told() {
        let (_held, port) = stranger(false).await;
        let (free, spare) = stranger(false).await;
        drop(free);
        let bound = bind(&Ports::Fixed(vec![port, spare])).await.unwrap();
        assert_eq!(bound.port, spare);
        assert!(bound.notice.is_some());
    }

    #[tokio::test]
    async fn both_stacks_share_the_port() {
        let bound = bind(&Ports::Any { preferred: 0 }).await.unwrap();
        assert_eq!(bound.notice, None);
        assert!(bound.listeners.iter().all(|l| l.local_addr().unwrap().port() == bound.port));
    }
}

//! What the gateway is held against: nginx with what its manual says for a reverse proxy that streams, where
//! it is installed, and in any case a bare proxy of the libraries that the gateway is made of, which looks at
//! nothing and adds nothing.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use crate::common::TestDir;
use crate::common::nginx::{self, Nginx};

/// Another program between a client and an API; ended when dropped.
pub struct Proxy {
    pub name: &'static str,
    pub address: String,
    _program: Program,
}

enum Program {
    Bare(Child),
    Nginx(#[allow(dead_code, reason = "held")] Nginx),
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Self::Bare(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Proxy {
    /// Those that are here, the fastest last.
    pub fn all(dir: &TestDir, upstream: &str) -> Vec<Self> {
        std::iter::once(Self::bare(upstream)).chain(Self::nginx(dir, upstream)).collect()
    }

    /// This program, called again.
    fn bare(upstream: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["echo", "proxy", upstream]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        Self { name: "a bare hyper proxy", address, _program: Program::Bare(child) }
    }

    fn nginx(dir: &TestDir, upstream: &str) -> Option<Self> {
        let port = nginx::free_port();
        let http = format!(
            "keepalive_requests 1000000; upstream api {{ server {upstream}; keepalive 512; keepalive_requests 1000000; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://api; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_buffering off; }} }}\n"
        );
        let program = Program::Nginx(Nginx::start(dir, port, &http)?);
        Some(Self { name: "nginx", address: format!("127.0.0.1:{port}"), _program: program })
    }
}

/// Serves at a free port, which it prints, until it is ended. On one thread, as the gateway.
pub fn serve(upstream: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(carry(stream, upstream.to_owned(), client.clone()));
        }
    });
}

async fn carry(stream: TcpStream, upstream: String, client: Client<HttpConnector, Incoming>) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let path = request.uri().path_and_query().unwrap().as_str();
        let address: Uri = format!("http://{upstream}{path}").parse().unwrap();
        *request.uri_mut() = address;
        let answer = client.request(request);
        async { Ok::<_, Infallible>(answer.await.unwrap()) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}

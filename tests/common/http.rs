//! HTTP/1.1 by hand: one request, one connection, no redirect followed, so that tests see each single answer.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::Value;
use url::Url;

/// Longest silence of a server before a test gives up.
const LIMIT: Duration = Duration::from_secs(30);

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// A header by its name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Where a redirect leads.
    pub fn location(&self) -> String {
        self.header("location").unwrap_or_else(|| panic!("no redirect: {self:?} {}", self.text())).to_owned()
    }
}

/// A GET.
pub fn get(url: &str) -> Response {
    request("GET", url, &[], b"")
}

/// A GET with headers.
pub fn get_with(url: &str, headers: &[(&str, &str)]) -> Response {
    request("GET", url, headers, b"")
}

/// A POST of JSON.
pub fn post_json(url: &str, body: &Value) -> Response {
    post_json_with(url, &[], body)
}

/// A POST of JSON with headers.
pub fn post_json_with(url: &str, headers: &[(&str, &str)], body: &Value) -> Response {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    request("POST", url, &all, body.to_string().as_bytes())
}

/// A POST of a form.
pub fn post_form(url: &str, fields: &[(&str, &str)]) -> Response {
    post_form_with(url, &[], fields)
}

/// A POST of a form with headers.
pub fn post_form_with(url: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Response {
    let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request("POST", url, &all, body.as_bytes())
}

/// Any request. Panics if the server cannot be reached or cuts the connection; see [`try_request`].
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    try_request(method, url, headers, body).unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

/// Any request.
///
/// # Errors
/// What the connection says, and `UnexpectedEof` for an answer that is not whole.
pub fn try_request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Response> {
    let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    assert_eq!(url.scheme(), "http", "tests speak plain HTTP to loopback only: {url}");
    let host = url.host_str().expect("a host");
    let port = url.port_or_known_default().expect("a port");
    let mut stream = connect(host, port)?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        head += &format!("content-length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// `localhost` as a browser resolves it: IPv4 or IPv6, whichever answers.
fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        assert!(address.ip().is_loopback(), "tests stay on this machine: {address}");
        match TcpStream::connect_timeout(&address, LIMIT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(LIMIT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    let mut response =
        Response { status, headers: lines.filter_map(header).collect(), body: answer[end + 4..].to_vec() };
    if response.header("transfer-encoding").is_some() {
        response.body = dechunk(&response.body)?;
    }
    let length = response.header("content-length").and_then(|text| text.parse::<usize>().ok());
    (length.is_none_or(|length| length == response.body.len())).then_some(response)
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?.trim(), 16).ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

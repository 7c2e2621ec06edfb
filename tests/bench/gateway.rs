//! The gateway's rows: what it adds to a request and to each chunk of a stream, how many it carries, what it
//! needs, each against the same without it, and beside other proxies that add no credential.
//!
//! The API behind is in this program, so that one clock times both ends of a chunk's way. All ways are
//! measured in turns, and of several rounds the quietest of each counts: what else runs on the machine only
//! ever adds. How the chunks of streams come is said in `pace.rs`.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::common::{Child, Sandbox, TestDir, eventually, fault, run};
use crate::floors;
use crate::pace::{CHUNKS, Pace, epoch, sent_at};
use crate::proxy::Proxy;
use crate::table::Table;

const REQUESTS: usize = 1000;
const AT_ONCE: usize = 16;
const TIME: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;
/// When memory is looked at, after the first chunk of a second's.
const HALF_WAY: Duration = Duration::from_millis(500);

/// Somewhere that the same request can be sent to.
#[derive(Clone)]
struct Way {
    name: &'static str,
    address: String,
    /// What stands before the path of a request.
    prefix: String,
    key: String,
}

/// Measures all of it.
pub fn rows(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let pace = Pace::start();
        let upstream = upstream(pace.clone()).await;
        let dir = TestDir::new();
        let (gateway, child) = gateway(&dir, &upstream);
        let proxies = Proxy::all(&dir, &upstream);
        let without_key = |name, address: &str| Way {
            name,
            address: address.to_owned(),
            prefix: String::new(),
            key: String::new(),
        };
        let mut ways = vec![without_key("nothing between", &upstream), gateway];
        ways.extend(proxies.iter().map(|proxy| without_key(proxy.name, &proxy.address)));
        let idle = floors::resident_mib(child.id());
        table.limit("gateway: memory when idle, MiB", idle, 12.0);
        one_at_a_time(table, &ways).await;
        rates(table, &ways[1..]).await;
        // The readers on one thread: what reads must be cheap beside what is measured.
        tokio::task::block_in_place(|| {
            let readers = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for (streams, budget) in [(1, 0.1), (64, 0.15), (256, 0.3)] {
                readers.block_on(chunks(table, &ways, streams, budget, (&pace, child.id())));
            }
        });
    });
    expired(table);
}

/// An API that answers at once, or with a stream that is written at `pace`.
async fn upstream(pace: Pace) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(stream, pace.clone()));
        }
    });
    address
}

async fn serve(stream: TcpStream, pace: Pace) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    while let Some(line) = head(&mut read).await {
        if !line.contains("/stream") {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"ok\": \"yes\"}";
            write.write_all(answer).await.unwrap();
            continue;
        }
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        write.write_all(answer.as_bytes()).await.unwrap();
        write = pace.write(write).await;
    }
}

/// Reads a head; returns its first line.
async fn head(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let (mut first, mut line) = (String::new(), String::new());
    stream.read_line(&mut first).await.ok().filter(|length| *length > 0)?;
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
        if line == "\r\n" {
            return Some(first);
        }
    }
}

fn gateway(dir: &TestDir, upstream: &str) -> (Way, Child) {
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[providers.up]\nbase_url = \"http://{upstream}\"\n[providers.up.login.key]\ngrant = \"api-key\"\n"
    ));
    run(&mut dir.convocations(["secret", "set", "up"]), "sk-bench-0123456789\n").ok();
    let child = Child::spawn(&mut dir.convocations(["gateway", "up", "--json"]));
    let line = eventually("the line", || Some(child.stdout()).filter(|line| line.ends_with('\n')));
    let doors: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| doors["logins"]["up"][name].as_str().unwrap().to_owned();
    let address = text("url").trim_start_matches("http://").split('/').next().unwrap().to_owned();
    (Way { name: "gateway", address, prefix: "/up".to_owned(), key: text("key") }, child)
}

/// A client with one kept connection.
struct Client {
    stream: BufReader<TcpStream>,
    way: Way,
}

impl Client {
    async fn connect(way: &Way) -> Self {
        let stream = TcpStream::connect(&way.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), way: way.clone() }
    }

    async fn ask(&mut self, path: &str) {
        let Way { address, prefix, key, .. } = &self.way;
        let request = format!(
            "GET {prefix}{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nAccept: */*\r\n\r\n"
        );
        self.stream.get_mut().write_all(request.as_bytes()).await.unwrap();
    }

    /// One request and its answer.
    async fn round(&mut self) -> Duration {
        let begun = Instant::now();
        self.ask("/models").await;
        assert!(head(&mut self.stream).await.unwrap().contains(" 200 "));
        let mut body = [0; 13];
        self.stream.read_exact(&mut body).await.unwrap();
        begun.elapsed()
    }

    /// Asks for a stream, which is open when this returns.
    async fn open(way: &Way) -> Self {
        let mut client = Self::connect(way).await;
        client.ask("/stream").await;
        assert!(head(&mut client.stream).await.unwrap().contains(" 200 "));
        client
    }

    /// Delays of the stream's chunks.
    async fn delays(mut self) -> Vec<Duration> {
        let mut delays = Vec::with_capacity(CHUNKS);
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.unwrap();
            if let Some(sent) = sent_at(&line) {
                delays.push(epoch().elapsed().saturating_sub(sent));
            } else if line == "0\r\n" {
                assert_eq!(delays.len(), CHUNKS);
                return delays;
            }
        }
    }
}

/// The least that a way's round took, in milliseconds.
#[derive(Clone, Copy)]
struct Quietest {
    median: f64,
    high: f64,
}

impl Quietest {
    const NONE: Self = Self { median: f64::INFINITY, high: f64::INFINITY };

    fn note(&mut self, mut times: Vec<Duration>) {
        times.sort();
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        self.median = self.median.min(at(50).as_secs_f64() * 1000.0);
        self.high = self.high.min(at(99).as_secs_f64() * 1000.0);
    }

    /// What stands above another.
    fn above(self, floor: Self) -> Self {
        Self { median: self.median - floor.median, high: self.high - floor.high }
    }
}

async fn one_at_a_time(table: &mut Table, ways: &[Way]) {
    let mut clients = Vec::new();
    for way in ways {
        clients.push(Client::connect(way).await);
    }
    let mut quietest = vec![Quietest::NONE; ways.len()];
    for round in 0..=ROUNDS {
        let mut times = vec![Vec::with_capacity(REQUESTS); ways.len()];
        for _ in 0..REQUESTS {
            for (client, times) in clients.iter_mut().zip(&mut times) {
                times.push(client.round().await);
            }
        }
        // The first round sets up connections.
        if round > 0 {
            quietest.iter_mut().zip(times).for_each(|(quietest, times)| quietest.note(times));
        }
    }
    for (way, time) in ways.iter().zip(&quietest).skip(1) {
        let added = time.above(quietest[0]);
        if way.name == "gateway" {
            table.limit("gateway: added to a request, median, ms", added.median, 0.1);
            table.limit("  99 of 100, ms", added.high, 0.3);
        } else {
            table
                .note(&format!("  {} adds {:.3} ms, 99 of 100 {:.3} ms", way.name, added.median, added.high));
        }
    }
}

async fn rates(table: &mut Table, ways: &[Way]) {
    let mut best = vec![0.0; ways.len()];
    for _ in 0..ROUNDS {
        for (way, best) in ways.iter().zip(&mut best) {
            *best = rate(way).await.max(*best);
        }
    }
    // The fastest that is here is the last.
    for (at, way) in ways.iter().enumerate().skip(1) {
        let budget = (at == ways.len() - 1).then_some(0.6);
        table.rate_against("gateway: requests, 16 at once", best[0], way.name, best[at], budget);
    }
}

async fn rate(way: &Way) -> f64 {
    let end = Instant::now() + TIME;
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE {
        let way = way.clone();
        clients.spawn(async move {
            let mut client = Client::connect(&way).await;
            let mut done = 0_u32;
            while Instant::now() < end {
                client.round().await;
                done += 1;
            }
            done
        });
    }
    let done: u32 = clients.join_all().await.into_iter().sum();
    f64::from(done) / TIME.as_secs_f64()
}

async fn chunks(table: &mut Table, ways: &[Way], streams: usize, budget: f64, (pace, pid): (&Pace, u32)) {
    let mut quietest = vec![Quietest::NONE; ways.len()];
    let mut memory: f64 = 0.0;
    for _ in 0..ROUNDS {
        for (way, quietest) in ways.iter().zip(&mut quietest) {
            let watched = tokio::spawn(async move {
                tokio::time::sleep(HALF_WAY).await;
                floors::resident_mib(pid)
            });
            quietest.note(delays(way, streams, pace).await);
            memory = memory.max(watched.await.unwrap());
        }
    }
    for (way, time) in ways.iter().zip(&quietest).skip(1) {
        let added = time.above(quietest[0]);
        if way.name != "gateway" {
            table
                .note(&format!("  {} adds {:.3} ms, 99 of 100 {:.3} ms", way.name, added.median, added.high));
            continue;
        }
        let what = format!("gateway: added to a chunk of {streams} streams, median, ms");
        table.limit(&what, added.median, budget);
        if streams == 256 {
            table.limit("  99 of 100, ms", added.high, 2.5);
        }
    }
    if streams == 256 {
        table.limit("gateway: memory at 256 streams, MiB", memory, 24.0);
    }
}

/// Delays of the chunks of many streams, all open before the first chunk: what opening one takes is in the
/// rows of requests.
async fn delays(way: &Way, streams: usize, pace: &Pace) -> Vec<Duration> {
    let mut open = Vec::with_capacity(streams);
    for _ in 0..streams {
        open.push(Client::open(way).await);
    }
    let clients: JoinSet<_> = open.into_iter().map(Client::delays).collect();
    pace.begin(streams);
    clients.join_all().await.into_iter().flatten().collect()
}

/// 64 requests at once on a login that has ended.
fn expired(table: &mut Table) {
    let sandbox = Sandbox::start();
    let dir = TestDir::new();
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n[providers.mycorp]\nissuer = \"{}\"\nscopes = [\"offline_access\"]\nbase_url = \"{}\"\n",
        sandbox.at("/generic"),
        sandbox.at("/generic/v1")
    ));
    crate::common::log_in(&mut dir.convocations(["login", "mycorp", "--method", "browser"])).ok();
    sandbox.expire("generic");
    sandbox.fault_refresh("generic.token", 1, fault::delay(500));
    let child = Child::spawn(&mut dir.convocations(["gateway", "mycorp", "--json"]));
    let line = eventually("the line", || Some(child.stdout()).filter(|line| line.ends_with('\n')));
    let doors: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| doors["logins"]["mycorp"][name].as_str().unwrap().to_owned();
    let (url, key) = (format!("{}/chat/completions", text("url")), text("key"));
    let body = serde_json::json!({ "model": "m", "messages": [{ "role": "user", "content": "hello" }] });
    let threads: Vec<_> = (0..64)
        .map(|_| {
            let (url, key, body) = (url.clone(), key.clone(), body.clone());
            std::thread::spawn(move || {
                crate::common::http::post_json_with(&url, &[("x-api-key", &key)], &body).status
            })
        })
        .collect();
    let failures =
        threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|status| *status != 200).count();
    #[allow(clippy::cast_precision_loss)]
    {
        table.limit(
            "gateway: 64 requests on an ended token: token calls",
            sandbox.refreshes("generic.token") as f64,
            1.0,
        );
        table.limit("  failures", failures as f64, 0.0);
    }
}

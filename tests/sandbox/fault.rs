//! Faults that tests plant on a route: refusals, delays, cut connections, answers out of shape.
//!
//! A fault's fields combine. `process` says whether the provider does its work before the answer is spoilt,
//! as when a refresh rotates and its reply is lost; where it is not given, it follows from the rest: what
//! only alters the true answer processes, what replaces the answer does not.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Clock;
use crate::gzip;
use crate::reply::Reply;

/// What goes wrong.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Milliseconds before anything is done.
    pub delay_ms: u64,
    /// Wait, before anything is done, until `/_control/release` names this.
    pub hold: Option<String>,
    /// The same, but after the work and before the answer.
    pub hold_reply: Option<String>,
    /// Never answer; the connection stays open.
    pub hang: bool,
    /// Cut the connection before or after the work.
    pub drop: Option<Cut>,
    /// Do the work although the answer is replaced.
    pub process: Option<bool>,
    pub status: Option<u16>,
    /// Text goes out as it is; anything else as JSON.
    pub body: Option<Value>,
    pub shape: Option<Shape>,
    pub headers: Map<String, Value>,
    /// `Retry-After`: a number of seconds, `{"date": seconds}` for a date, or any text.
    pub retry_after: Option<Value>,
    /// Names taken out of the true JSON answer.
    pub omit: Vec<String>,
    /// Values set in the true JSON answer, of any type.
    pub set: Map<String, Value>,
    /// Milliseconds between single bytes of the answer's body.
    pub drip_ms: u64,
}

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    Before,
    After,
}

/// A body out of shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A web page, as from a captive portal or a proxy.
    Html,
    Empty,
    /// The first half of the true answer, with a length that fits.
    Truncated,
    /// The first half of the true answer, then the connection is cut.
    CutShort,
    /// 100 MB of blanks without a length: more than anybody should read.
    Huge,
    /// Small on the wire and huge when unpacked, declared as gzip.
    GzipBomb,
    /// Bytes that are no UTF-8.
    Binary,
}

impl Fault {
    /// Whether the provider does its work.
    pub fn processes(&self) -> bool {
        let replaced = self.status.is_some()
            || self.body.is_some()
            || self.drop == Some(Cut::Before)
            || matches!(
                self.shape,
                Some(Shape::Html | Shape::Empty | Shape::Huge | Shape::GzipBomb | Shape::Binary)
            );
        self.process.unwrap_or(!replaced)
    }

    /// Spoils an answer.
    pub fn spoil(&self, mut reply: Reply, clock: Clock) -> Reply {
        self.edit(&mut reply);
        if let Some(body) = &self.body {
            reply = replaced(reply.status, body);
        }
        reply = self.reshape(reply);
        if let Some(status) = self.status {
            reply.status = status;
        }
        for (name, value) in &self.headers {
            reply = reply.with(name, text(value));
        }
        match &self.retry_after {
            Some(value) => reply.with("retry-after", retry_after(value, clock)),
            None => reply,
        }
    }

    fn edit(&self, reply: &mut Reply) {
        if self.omit.is_empty() && self.set.is_empty() {
            return;
        }
        if let Some(Value::Object(mut map)) = reply.body_json() {
            map.retain(|name, _| !self.omit.contains(name));
            map.extend(self.set.clone());
            reply.body = Value::Object(map).to_string().into_bytes();
        }
    }

    fn reshape(&self, mut reply: Reply) -> Reply {
        match self.shape {
            None => return reply,
            Some(Shape::Html) => {
                return Reply::html(reply.status, "<html><body>Please log in to the network.".into());
            }
            Some(Shape::Empty) => reply.body.clear(),
            Some(Shape::Truncated) => reply.body.truncate(reply.body.len() / 2),
            Some(Shape::CutShort) => {}
            Some(Shape::Huge) => {}
            Some(Shape::GzipBomb) => return gzip::bomb(),
            Some(Shape::Binary) => reply.body = vec![0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28],
        }
        reply
    }
}

fn replaced(status: u16, body: &Value) -> Reply {
    match body {
        Value::String(page) if page.trim_start().starts_with('<') => Reply::html(status, page.clone()),
        Value::String(text) => Reply::text(status, "text/plain; charset=utf-8", text.as_str()),
        json => Reply::json(status, json),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn retry_after(value: &Value, clock: Clock) -> String {
    match value.get("date").and_then(Value::as_i64) {
        Some(seconds) => clock.http_date(seconds),
        None => text(value),
    }
}

/// A fault with where and how often it happens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    /// A route's name, or the beginning of names and `*`.
    pub route: String,
    /// Only calls with this `grant_type`.
    #[serde(default)]
    pub grant: Option<String>,
    /// How many calls it hits; for ever if it is not given.
    #[serde(default)]
    pub times: Option<u32>,
    /// How many calls go by first.
    #[serde(default)]
    pub skip: u32,
    pub fault: Fault,
}

impl Planted {
    /// Whether its name covers a route.
    pub fn could_hit(&self, route: &str) -> bool {
        match self.route.strip_suffix('*') {
            Some(start) => route.starts_with(start),
            None => route == self.route,
        }
    }

    fn hits(&self, route: &str, grant: Option<&str>) -> bool {
        self.could_hit(route)
            && self.times != Some(0)
            && (self.grant.is_none() || self.grant.as_deref() == grant)
    }
}

/// All planted faults; the first that fits is taken.
#[derive(Debug, Default)]
pub struct Faults {
    planted: Vec<Planted>,
    /// The holds that somebody has come to.
    arrived: Vec<String>,
    /// The holds that are released.
    released: Vec<String>,
}

impl Faults {
    /// Plants one, behind those that are there.
    pub fn plant(&mut self, fault: Planted) {
        self.planted.push(fault);
    }

    /// The fault of a call, if any, counted down.
    pub fn take(&mut self, route: &str, grant: Option<&str>) -> Option<Fault> {
        for planted in self.planted.iter_mut().filter(|planted| planted.hits(route, grant)) {
            if planted.skip > 0 {
                planted.skip -= 1;
                continue;
            }
            planted.times = planted.times.map(|times| times - 1);
            return Some(planted.fault.clone());
        }
        None
    }

    /// Notes that a call is held under this name.
    pub fn arrive(&mut self, name: &str) {
        self.arrived.push(name.to_owned());
    }

    /// How many calls have been held under this name.
    pub fn held(&self, name: &str) -> usize {
        self.arrived.iter().filter(|arrived| *arrived == name).count()
    }

    /// Lets go whoever is held under this name, now and later.
    pub fn release(&mut self, name: &str) {
        self.released.push(name.to_owned());
    }

    /// Whether a hold is over.
    pub fn is_released(&self, name: &str) -> bool {
        self.released.iter().any(|released| released == name)
    }

    /// Removes all faults and lets go everybody.
    pub fn clear(&mut self) {
        for planted in self.planted.drain(..) {
            self.released.extend(planted.fault.hold);
            self.released.extend(planted.fault.hold_reply);
        }
    }
}

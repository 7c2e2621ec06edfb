//! What was asked of the providers: for tests that count refreshes and look at what was sent.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::request::Request;

/// One request and, once there is one, its answer.
#[derive(Debug)]
struct Call {
    route: &'static str,
    grant: Option<String>,
    shown: Value,
}

/// All requests to the providers, in the order of their arrival; `/_control` is not counted.
#[derive(Debug, Default)]
pub struct Calls(Vec<Call>);

impl Calls {
    /// Notes an arrival and returns its number.
    pub fn begin(&mut self, route: &'static str, request: &Request, now: i64) -> usize {
        let fields = request.fields().map(|fields| fields.0);
        let grant = fields.as_ref().and_then(|fields| fields.get("grant_type"));
        let grant = grant.and_then(Value::as_str).map(str::to_owned);
        let shown = json!({
            "route": route,
            "method": request.method.as_str(),
            "path": request.path,
            "query": request.query,
            "headers": headers(request),
            "fields": fields,
            "at": now,
        });
        self.0.push(Call { route, grant, shown });
        self.0.len() - 1
    }

    /// Notes what goes wrong with a call.
    pub fn spoil(&mut self, number: usize, fault: Value) {
        if let Some(call) = self.0.get_mut(number) {
            call.shown["fault"] = fault;
        }
    }

    /// Notes what was answered; a call whose connection was cut keeps `null`.
    pub fn end(&mut self, number: usize, status: u16) {
        // A reset may have come in between.
        if let Some(call) = self.0.get_mut(number) {
            call.shown["status"] = status.into();
        }
    }

    /// The `grant_type` that a call carried.
    pub fn grant(&self, number: usize) -> Option<&str> {
        self.0.get(number)?.grant.as_deref()
    }

    /// How many calls of a route (and of a `grant_type`, if one is named) there were.
    pub fn count(&self, route: &str, grant: Option<&str>) -> usize {
        let alike = |call: &&Call| call.route == route && (grant.is_none() || call.grant.as_deref() == grant);
        self.0.iter().filter(alike).count()
    }

    /// Everything, as `/_control/calls` shows it.
    pub fn report(&self) -> Value {
        let mut routes = BTreeMap::<&str, u64>::new();
        let mut grants = BTreeMap::<String, u64>::new();
        for call in &self.0 {
            *routes.entry(call.route).or_default() += 1;
            if let Some(grant) = &call.grant {
                *grants.entry(format!("{}:{grant}", call.route)).or_default() += 1;
            }
        }
        let list: Vec<&Value> = self.0.iter().map(|call| &call.shown).collect();
        json!({ "total": list.len(), "routes": routes, "grants": grants, "list": list })
    }

    /// Forgets all calls.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn headers(request: &Request) -> Map<String, Value> {
    let pairs = request.headers.iter();
    let text = |value: &warp::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    pairs.map(|(name, value)| (name.to_string(), Value::String(text(value)))).collect()
}

//! Whatever a server may answer with, put to every reader of answers: a value or an error, never a panic, and
//! no word of it in an error.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use url::Url;

use super::challenge::{self, Challenge};
use super::{device, failure, identity, jwt, metadata, registration, resource, second_step, token_answer};
use crate::config::Config;
use crate::http::Reply;
use crate::secret::Secret;

/// Answers that are tried. Each differs; a failing one can be had again from its number.
const CASES: u64 = 4000;
const PLANTED: &str = "planted-c0ffee";

/// Numbers that are the same in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        let index = usize::try_from(self.next() % of.len() as u64).unwrap();
        of[index]
    }

    fn value(&mut self, depth: u32) -> Value {
        match self.next() % if depth == 0 { 8 } else { 11 } {
            0 => Value::Null,
            1 => json!(self.next().is_multiple_of(2)),
            2 => json!(self.next()),
            3 => json!(-1.0e300),
            4 => json!(PLANTED),
            5 => json!(self.pick(&[
                "",
                "https://x.example/",
                "http://127.0.0.1/",
                "S256",
                "a.b.c",
                "\u{0}\u{1b}[2J",
                "7"
            ])),
            6 => json!("x".repeat(3000)),
            7 => json!([PLANTED, "none"]),
            8 => json!([self.value(depth - 1), self.value(depth - 1)]),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: u32) -> Value {
        let names = [
            "access_token",
            "refresh_token",
            "id_token",
            "expires_in",
            "scope",
            "error",
            "code",
            "type",
            "key",
            "token",
            "expires_at",
            "refresh_in",
            "endpoints",
            "api",
            "account",
            "email",
            "issuer",
            "token_endpoint",
            "resource",
            "authorization_servers",
            "client_id",
            "client_secret",
            "redirect_uris",
            "device_code",
            "user_code",
            "verification_uri",
            "interval",
            "scopes_supported",
            "code_challenge_methods_supported",
            "raw_key",
        ];
        let mut object = json!({});
        for _ in 0..self.next() % 6 {
            object[self.pick(&names)] = self.value(depth);
        }
        object
    }
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: None,
        date: None,
        headers: HeaderMap::new(),
        body: body.to_string().into_bytes(),
    }
}

#[test]
fn no_answer_panics_a_reader_or_reaches_an_error() {
    let provider = Config::builtin().provider("github-copilot").unwrap();
    let method = provider.default_method().unwrap();
    let issuer = "https://x.example/";
    let url = Url::parse(issuer).unwrap();
    for case in 0..CASES {
        let mut numbers = Numbers(case);
        let body = numbers.object(3);
        let status = [200, 201, 302, 400, 401, 403, 429, 500][usize::try_from(case % 8).unwrap()];
        let mut failures = vec![failure::read(&reply(status, &body), "P").err()];
        failures.push(token_answer::tokens(&body, "P", 0).err());
        failures.push(device::read_authorization(&body, &provider, method).err());
        for failure in failures.into_iter().flatten() {
            let shown = format!("{failure:?}");
            assert!(!shown.contains(PLANTED), "{case}: {shown}");
        }
        let _ = metadata::read(&body, issuer, &url);
        let _ = resource::read(&body, &url, &Challenge::default());
        let _ = registration::read(&body, &Value::Null, issuer);
        let _ = identity::in_answer(&body, Some(&Secret::new(format!("h.{case}.s"))));
        let _ = second_step::copilot_base_url(&body, &body.to_string());
        let _ = second_step::copilot_end(&body, i64::MAX / 2);
    }
}

#[test]
fn no_text_panics_a_reader() {
    let pieces = [
        "Bearer",
        "bearer ",
        "Basic",
        " ",
        ",",
        "=",
        "\"",
        "\\",
        "resource_metadata",
        "scope",
        "é",
        "a.b",
        ".",
        "eyJhIjoxfQ",
        "%00",
        "\t",
        "proxy-ep=",
        ";",
        "https://x.example",
    ];
    for case in 0..CASES {
        let mut numbers = Numbers(case);
        let text: String = (0..numbers.next() % 12).map(|_| numbers.pick(&pieces)).collect();
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        let _ = challenge::of(&headers);
        let _ = jwt::claims(&text);
        let _ = second_step::copilot_base_url(&Value::Null, &text);
    }
}

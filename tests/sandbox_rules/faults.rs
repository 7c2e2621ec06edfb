//! Every fault that tests can plant does what it says.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::http::{Response, post_json, try_request};
use crate::common::{Sandbox, fault};

const TOKEN: &str = "anthropic.token";
const CLIENT: &str = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";

fn minted(sandbox: &Sandbox) -> Value {
    json!({
        "grant_type": "refresh_token", "client_id": CLIENT,
        "refresh_token": sandbox.mint("anthropic", "oauth")["refresh_token"],
    })
}

fn post(sandbox: &Sandbox, body: &Value) -> Response {
    post_json(&sandbox.at("/anthropic/v1/oauth/token"), body)
}

fn try_post(sandbox: &Sandbox, body: &Value) -> std::io::Result<Response> {
    let headers = [("content-type", "application/json")];
    try_request("POST", &sandbox.at("/anthropic/v1/oauth/token"), &headers, body.to_string().as_bytes())
}

#[test]
fn a_status_replaces_the_answer_so_many_times_and_spends_nothing() {
    let sandbox = Sandbox::start();
    let body = minted(&sandbox);
    sandbox.fault(TOKEN, 2, fault::status(503));
    assert_eq!([post(&sandbox, &body).status, post(&sandbox, &body).status], [503, 503]);
    assert_eq!(post(&sandbox, &body).status, 200);
}

#[test]
fn the_work_may_be_done_although_the_answer_is_replaced() {
    let sandbox = Sandbox::start();
    let body = minted(&sandbox);
    sandbox.fault(TOKEN, 1, json!({ "status": 502, "body": "", "process": true }));
    assert_eq!(post(&sandbox, &body).status, 502);
    assert_eq!(post(&sandbox, &body).json()["error"], "invalid_grant");
}

#[test]
fn a_lost_reply_has_rotated_and_a_dropped_request_has_not() {
    let sandbox = Sandbox::start();
    let body = minted(&sandbox);
    sandbox.fault(TOKEN, 1, fault::dropped());
    assert!(try_post(&sandbox, &body).is_err());
    sandbox.fault(TOKEN, 1, fault::lost_reply());
    assert!(try_post(&sandbox, &body).is_err());
    assert_eq!(post(&sandbox, &body).json()["error"], "invalid_grant");
}

#[test]
fn error_bodies_are_a_string_an_object_or_hidden_in_200() {
    let sandbox = Sandbox::start();
    let body = minted(&sandbox);
    sandbox.fault(TOKEN, 1, fault::oauth_error(400, "invalid_client"));
    sandbox.fault(TOKEN, 1, fault::json_body(401, json!({ "error": { "code": "refresh_token_reused" } })));
    sandbox.fault(TOKEN, 1, fault::oauth_error(200, "temporarily_unavailable"));
    assert_eq!(post(&sandbox, &body).json()["error"], "invalid_client");
    assert_eq!(post(&sandbox, &body).json()["error"]["code"], "refresh_token_reused");
    let hidden = post(&sandbox, &body);
    assert_eq!((hidden.status, &hidden.json()["error"]), (200, &json!("temporarily_unavailable")));
    assert_eq!(post(&sandbox, &body).status, 200);
}

#[test]
fn retry_after_is_seconds_a_date_or_absent() {
    let sandbox = Sandbox::start();
    let body = minted(&sandbox);
    sandbox.fault(TOKEN, 1, fault::rate_limited(7));
    sandbox.fault(TOKEN, 1, json!({ "status": 429, "retry_after": { "date": 90 } }));
    sandbox.fault(TOKEN, 1, json!({ "status": 429 }));
    assert_eq!(post(&sandbox, &body).header("retry-after"), Some("7"));
    let date = post(&sandbox, &body).header("retry-after").unwrap().to_owned();
    let at = httpdate::parse_http_date(&date).unwrap();
    let ahead = at.duration_since(std::time::SystemTime::now()).unwrap();
    assert!(ahead > Duration::from_secs(80) && ahead <= Duration::from_secs(90), "{date}");
    assert_eq!(post(&sandbox, &body).header("retry-after"), None);
}

#[test]
fn bodies_out_of_shape() {
    let sandbox = Sandbox::start();
    let body = minted(&sandbox);
    for shape in ["html", "empty", "gzip-bomb", "binary"] {
        sandbox.fault(TOKEN, 1, fault::shape(shape));
        let reply = post(&sandbox, &body);
        assert_eq!(reply.status, 200, "{shape}");
        assert!(serde_json::from_slice::<Value>(&reply.body).is_err(), "{shape}");
        let packed = reply.header("content-encoding") == Some("gzip") && reply.body.len() < 1 << 18;
        assert_eq!(packed, shape == "gzip-bomb", "{shape}");
    }
    sandbox.fault(TOKEN, 1, fault::shape("huge"));
    let huge = post(&sandbox, &body);
    assert!(huge.body.len() > 100_000_000 && huge.header("content-length").is_none());
    sandbox.fault(TOKEN, 1, fault::shape("truncated"));
    let cut = post(&sandbox, &body);
    assert!(cut.text().starts_with('{') && serde_json::from_slice::<Value>(&cut.body).is_err());
    let body = minted(&sandbox);
    sandbox.fault(TOKEN, 1, fault::shape("cut-short"));
    assert!(try_post(&sandbox, &body).is_err());
}

#[test]
fn fields_are_left_out_or_of_a_wrong_type() {
    let sandbox = Sandbox::start();
    sandbox.fault(TOKEN, 1, fault::omit(&["refresh_token", "expires_in"]));
    let reply = post(&sandbox, &minted(&sandbox)).json();
    assert!(
        reply["access_token"].is_string()
            && reply["refresh_token"].is_null()
            && reply["expires_in"].is_null()
    );
    sandbox.fault(TOKEN, 1, fault::set(json!({ "access_token": 5, "expires_in": "3600" })));
    let reply = post(&sandbox, &minted(&sandbox)).json();
    assert_eq!((&reply["access_token"], &reply["expires_in"]), (&json!(5), &json!("3600")));
}

#[test]
fn a_redirect_names_its_target() {
    let sandbox = Sandbox::start();
    sandbox.fault(TOKEN, 1, fault::redirect("http://127.0.0.1:9/elsewhere"));
    let reply = post(&sandbox, &minted(&sandbox));
    assert_eq!((reply.status, reply.location().as_str()), (302, "http://127.0.0.1:9/elsewhere"));
}

#[test]
fn delays_and_drips_take_their_time() {
    let sandbox = Sandbox::start();
    let body = minted(&sandbox);
    sandbox.fault(TOKEN, 1, fault::delay(120));
    let began = Instant::now();
    assert_eq!(post(&sandbox, &body).status, 200);
    assert!(began.elapsed() >= Duration::from_millis(120));
    sandbox.fault(TOKEN, 1, fault::drip(1));
    let began = Instant::now();
    let reply = post(&sandbox, &minted(&sandbox));
    assert!(reply.json()["access_token"].is_string());
    assert!(began.elapsed() >= Duration::from_millis(reply.body.len() as u64));
    sandbox.switch(json!({ "delay_ms": 120 }));
    let began = Instant::now();
    assert_eq!(post(&sandbox, &minted(&sandbox)).status, 200);
    assert!(began.elapsed() >= Duration::from_millis(120));
}

#[test]
fn a_held_call_waits_for_its_release_before_or_after_the_work() {
    let sandbox = Sandbox::start();
    for (held, spent) in [(fault::hold("gate-1"), false), (fault::hold_reply("gate-2"), true)] {
        let body = minted(&sandbox);
        let gate = held.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        sandbox.forget_calls();
        sandbox.fault(TOKEN, 1, held);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| post(&sandbox, &body).status);
            sandbox.wait_for_hold(&gate);
            let meanwhile = post(&sandbox, &body).status;
            sandbox.release(&gate);
            let late = waiting.join().unwrap();
            // After the work is done or not is the order in which the token was spent.
            assert_eq!((meanwhile, late), if spent { (400, 200) } else { (200, 400) }, "{gate}");
        });
    }
}

#[test]
fn a_call_that_hangs_ends_with_its_client() {
    let sandbox = Sandbox::start();
    let body = minted(&sandbox);
    sandbox.fault(TOKEN, 1, fault::hang());
    let address = sandbox.url().trim_start_matches("http://").to_owned();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let text = body.to_string();
    let head = format!(
        "POST /anthropic/v1/oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    use std::io::{Read, Write};
    stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "an answer came");
    assert_eq!(post(&sandbox, &body).status, 200, "others are served");
}

#[test]
fn a_fault_may_wait_and_may_be_for_one_grant_or_a_family_of_routes() {
    let sandbox = Sandbox::start();
    sandbox.plant(json!({ "route": "anthropic.*", "grant": "refresh_token", "skip": 1, "times": 1, "fault": { "status": 500 } }));
    assert_eq!(post(&sandbox, &json!({ "grant_type": "other", "client_id": CLIENT })).status, 400);
    assert_eq!(post(&sandbox, &minted(&sandbox)).status, 200);
    assert_eq!(post(&sandbox, &minted(&sandbox)).status, 500);
    assert_eq!(post(&sandbox, &minted(&sandbox)).status, 200);
    sandbox.fault_for_ever("*", fault::status(500));
    for _ in 0..3 {
        assert_eq!(post(&sandbox, &minted(&sandbox)).status, 500);
    }
    sandbox.no_faults();
    assert_eq!(post(&sandbox, &minted(&sandbox)).status, 200);
}

#[test]
fn a_misspelt_fault_or_route_is_refused() {
    let sandbox = Sandbox::start();
    let status = |body: Value| post_json(&sandbox.at("/_control/fault"), &body).status;
    assert_eq!(status(json!({ "route": "anthropic.tokens", "fault": {} })), 400);
    assert_eq!(status(json!({ "route": "anthropic.token", "fault": { "stauts": 500 } })), 400);
    assert_eq!(status(json!({ "route": "anthropic.token", "fault": { "status": 500 } })), 200);
}

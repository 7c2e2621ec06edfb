//! WebSocket through the gateway (RFC 6455; RFC 9110, 7.8).
//!
//! Guarantees: bytes are carried both ways until either side ends, or a grant is revoked. An upstream that
//! has no WebSocket is told by 426.

use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::{Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::body::{Body, Cut, Open};
use super::headers::{for_client, has_token};

use crate::tasks;

/// Whether a request wants a WebSocket. Other protocols (`h2c`) are not taken up, which HTTP allows.
pub fn is_wanted(headers: &HeaderMap, version: Version) -> bool {
    version == Version::HTTP_11
        && has_token(headers, &CONNECTION, "upgrade")
        && has_token(headers, &UPGRADE, "websocket")
}

/// Says the wish anew for the next hop.
pub fn ask(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether an answer means that there is no WebSocket at this address.
pub fn is_missing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED
            | StatusCode::UPGRADE_REQUIRED
    ) || status.is_success()
}

/// The answer 101 to the client, and a task that carries the bytes.
pub fn join(
    client: hyper::upgrade::OnUpgrade,
    upstream: Response<Incoming>,
    open: Open,
    cut: Option<Cut>,
) -> Response<Body> {
    let mut response = Response::new(Body::from(Vec::new()));
    *response.status_mut() = upstream.status();
    *response.headers_mut() = for_client(upstream.headers().clone());
    ask(response.headers_mut());
    tasks::spawn(async move {
        let _open = open;
        let (Ok(client), Ok(upstream)) = tokio::join!(client, hyper::upgrade::on(upstream)) else { return };
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {}
            Some(()) = given(cut) => {}
        }
    });
    response
}

async fn given(cut: Option<Cut>) -> Option<()> {
    cut?.given().await;
    Some(())
}

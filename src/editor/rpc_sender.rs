//! What goes to Neovim: notifications only, each written whole, one after the other.
//!
//! The backend never sends a request: it would deadlock against an editor that waits (`doc/rpc.md`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::io::AsyncWrite;
use nvim_rs::Value;
use nvim_rs::rpc::RpcMessage;
use nvim_rs::rpc::model::encode_sync;
use tokio::sync::mpsc;

use super::stdio::Output;
use super::value;
use crate::error::Error;
use crate::protocol::Event;
use crate::wording::Face;

const ON_REPLY: &str = "require('conv.backend').on_reply(...)";
/// Fields that a person reads.
const READ: &[&str] = &["message", "hint", "notice", "needs_login", "reason"];
const ON_EVENT: &str = "require('conv.backend').on_event(...)";

/// The way to Neovim. Cheap to clone.
#[derive(Clone)]
pub struct RpcSender(mpsc::UnboundedSender<Vec<u8>>);

impl RpcSender {
    /// An sender, and the task that empties it into `output` until Neovim is gone.
    pub fn new(mut output: Output) -> (Self, impl Future<Output = ()>) {
        let (sender, mut messages) = mpsc::unbounded_channel::<Vec<u8>>();
        let pump = async move {
            while let Some(mut bytes) = messages.recv().await {
                // What has piled up meanwhile goes in one write.
                while let Ok(more) = messages.try_recv() {
                    bytes.extend_from_slice(&more);
                }
                if output.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        (Self(sender), pump)
    }

    /// Answers a call.
    pub fn reply(&self, id: u64, result: Result<Value, Error>) {
        let (error, result) = match result {
            Ok(result) => (Value::Nil, result),
            Err(error) => (value::from_serde(&error), Value::Nil),
        };
        self.exec_lua(ON_REPLY, vec![Value::from(id), error, result]);
    }

    /// Sends an event.
    pub fn event(&self, event: &Event) {
        self.exec_lua(ON_EVENT, vec![Value::from(event.name()), value::from_serde(event)]);
    }

    fn exec_lua(&self, code: &str, mut arguments: Vec<Value>) {
        arguments.iter_mut().for_each(put_into_words);
        let params = vec![Value::from(code), Value::Array(arguments)];
        let message = RpcMessage::RpcNotification { method: "nvim_exec_lua".to_owned(), params };
        let mut bytes = Vec::with_capacity(512);
        if encode_sync(&mut bytes, message).is_ok() {
            // Nobody reads any more: the end of standard input says the same.
            let _ = self.0.send(bytes);
        }
    }
}

/// What a person reads of all that goes to Neovim names the editor's commands.
fn put_into_words(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(put_into_words),
        Value::Map(fields) => fields.iter_mut().for_each(|(name, value)| {
            let is_read = name.as_str().is_some_and(|name| READ.contains(&name));
            match value.as_str().filter(|text| is_read && text.contains('`')) {
                Some(text) => *value = Value::from(Face::Editor.say(text).as_ref()),
                None => put_into_words(value),
            }
        }),
        _ => {}
    }
}

/// nvim-rs answers requests by itself; each of its writes is one whole message.
impl AsyncWrite for RpcSender {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = self.0.send(bytes.to_vec()).map(|()| bytes.len());
        Poll::Ready(sent.map_err(|_| io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! Any bytes from the editor's side of the pipe: each message is read, or it ends the channel; none of its
//! values is repeated at length.

use nvim_rs::rpc::RpcMessage;
use nvim_rs::rpc::model::decode;

use super::{call, value};
use crate::protocol::Call;

/// Longest error that is sent back for a call's parameters, in bytes.
const MAX_ERROR: usize = 1000;

/// The bytes of any number of messages.
pub fn rpc(data: &[u8]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { panic!("no runtime") };
    runtime.block_on(async {
        let mut input = futures_util::io::Cursor::new(data.to_vec());
        let mut rest = Vec::new();
        while let Ok(message) = decode(&mut input, &mut rest).await {
            if let RpcMessage::RpcNotification { params, .. } = message {
                params.into_iter().for_each(parameters);
            }
        }
    });
}

fn parameters(params: nvim_rs::Value) {
    let Some(params) = value::to_json(params) else { return };
    let read = |name: &&str| call::read(name, params.clone())?.err();
    for error in Call::NAMES.iter().filter_map(read) {
        let length = error.message().len() + error.hint().unwrap_or_default().len();
        assert!(length < MAX_ERROR, "an error of {length} bytes");
    }
    let again = value::to_json(value::from_json(params.clone()));
    assert_eq!(again.as_ref(), Some(&params), "what was read is not what is sent");
}

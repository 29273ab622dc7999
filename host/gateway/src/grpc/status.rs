//! gRPC statuses of calls that cannot go on, in words.

use tonic::{Code, Status};
use wasm_flow_contract::units::Size;

use crate::bounds::STATUS_MESSAGE;

/// What is wrong with a message that gRPC's framing did not let through.
pub(super) fn read_error(status: Status, number: u64, max_message: usize) -> Status {
    // tonic's codes for a message over the limit, by its length prefix and
    // while it is decompressed.
    if matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted) {
        return Status::resource_exhausted(short(&format!(
            "message {number} of this call is larger than {}, the most that this gateway takes; \
             send fewer documents a request (request_size), or raise `max_message` under \
             [gateway] in flow.toml ({})",
            Size(max_message as u64),
            status.message()
        )));
    }
    Status::new(
        status.code(),
        short(&format!(
            "message {number} of this call cannot be read: {}",
            status.message()
        )),
    )
}

/// Cuts a message to what clients take in a header.
pub(super) fn short(text: &str) -> String {
    if text.len() <= STATUS_MESSAGE {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(STATUS_MESSAGE);
    format!("{}…", text.get(..end).unwrap_or(""))
}

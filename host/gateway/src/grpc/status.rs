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

/// Cuts the message of a status to what clients take.
pub(super) fn short(text: &str) -> String {
    if text.len() <= STATUS_MESSAGE {
        return text.to_owned();
    }
    let mut end = STATUS_MESSAGE;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or(""))
}

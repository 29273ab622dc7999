//! `process_single_data` and `process_data`: one frame in, one answer out.

use bytes::Bytes;
use tokio::time::sleep;
use tonic::{Status, Streaming};
use wasm_flow_contract::{Service, TraceContext};

use super::answer::answer;
use super::frame::{Answer, Frame};
use super::status::{read_error, short};
use crate::bounds::STOP_GRACE;
use crate::drain::Active;

/// Answers a unary call, which is a stream of one message.
pub(super) async fn single(
    flow: &dyn Service,
    mut input: Streaming<Bytes>,
    frame: fn(Bytes) -> Frame,
    max_message: usize,
    trace: Option<TraceContext>,
    mut active: Active,
) -> Result<Answer, Status> {
    let frame = message(&mut input, frame, max_message, &mut active).await?;
    let _unanswered = active.request();
    answer(flow, max_message, trace, frame)
        .await
        .map_err(|error| {
            Status::invalid_argument(short(&format!("message 1 of this call is {error}")))
        })
}

/// The one message of a call.
///
/// # Errors
/// When it cannot be read, or does not come in time once the gateway is being stopped.
pub(super) async fn message(
    input: &mut Streaming<Bytes>,
    frame: fn(Bytes) -> Frame,
    max_message: usize,
    active: &mut Active,
) -> Result<Frame, Status> {
    let too_late = async {
        active.stopping().await;
        sleep(STOP_GRACE).await;
    };
    let message = tokio::select! {
        biased;
        message = input.message() => message,
        () = too_late => {
            return Err(Status::unavailable(
                "the gateway is being stopped, and the message of this call has not arrived; send \
                 it again, to another gateway or once this one is started again",
            ));
        }
    };
    match message.map_err(|status| read_error(status, 1, max_message))? {
        Some(bytes) => Ok(frame(bytes)),
        None => Err(Status::invalid_argument(format!(
            "this call ended without a message; send one {}",
            frame(Bytes::new()).what()
        ))),
    }
}

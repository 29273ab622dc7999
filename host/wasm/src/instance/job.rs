//! A call on its way to the guest, and the way back of what comes of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tracing::Span;
use wasm_flow_contract::failure::FailureDetails;
use wasm_flow_document::{DocumentArray, LiveArray};

use crate::progress::{CallId, Progress};
use crate::queue::Place;
use crate::request_state::RequestState;

/// A call on its way to the guest.
pub(super) struct Job {
    pub(super) id: CallId,
    /// The method's place in the description.
    pub(super) method: u32,
    pub(super) request: RequestState,
    /// What the caller sent.
    pub(super) sent: DocumentArray,
    /// What the guest makes of it.
    pub(super) docs: LiveArray,
    pub(super) limit: Duration,
    /// Bytes of the reply's documents.
    pub(super) reply_limit: u64,
    pub(super) reply: ReplyTo,
    /// What the guest does for this call happens in it.
    pub(super) span: Span,
    pub(super) _place: Place,
}

/// What a method made of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) docs: DocumentArray,
    pub(crate) results: Option<Map<String, Value>>,
}

/// Why a job has no outcome.
#[derive(Debug)]
pub(crate) enum JobError {
    /// The method returned an error.
    Failed {
        name: String,
        message: String,
        trace: Vec<String>,
        details: Option<Box<FailureDetails>>,
    },
    BadReply(String),
    /// The instance was retired before the method was entered.
    NotEntered,
}

pub(super) type JobResult = Result<Outcome, JobError>;

/// Where a call's outcome goes. A call that is dropped before the guest has it,
/// whatever became of the instance, can go to another one.
pub(super) struct ReplyTo {
    sender: Option<oneshot::Sender<JobResult>>,
    pub(super) progress: Arc<Progress>,
}

impl ReplyTo {
    pub(super) fn new(sender: oneshot::Sender<JobResult>, progress: Arc<Progress>) -> Self {
        ReplyTo {
            sender: Some(sender),
            progress,
        }
    }

    pub(super) fn send(mut self, outcome: JobResult) {
        if let Some(sender) = self.sender.take() {
            // Nobody waits if the caller's time was up.
            drop(sender.send(outcome));
        }
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        if let (None, Some(sender)) = (self.progress.entered(), self.sender.take()) {
            drop(sender.send(Err(JobError::NotEntered)));
        }
    }
}

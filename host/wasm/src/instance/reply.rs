//! Whether what a method returned may go on.

use serde_json::{Map, Value};

use super::job::JobError;
use wasm_flow_document::{DocumentArray, Limits};

/// Holds a reply to the bounds that a request has too: an array may list a
/// document as often as it likes.
pub(super) fn check_docs(docs: &DocumentArray, limits: Limits) -> Result<(), JobError> {
    if docs.total() > limits.documents {
        return Err(JobError::BadReply(format!(
            "it has {} documents, chunks and matches included; at most {} are allowed",
            docs.total(),
            limits.documents
        )));
    }
    if docs.depth() > limits.depth {
        return Err(JobError::BadReply(format!(
            "its documents are nested {} levels deep; at most {} are allowed",
            docs.depth(),
            limits.depth
        )));
    }
    Ok(())
}

/// The results for the client, from the guest's JSON.
pub(super) fn parse_results(json: &str) -> Result<Map<String, Value>, JobError> {
    match serde_json::from_str(json) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(JobError::BadReply(
            "its results are JSON, but not an object".to_owned(),
        )),
        Err(error) => Err(JobError::BadReply(format!(
            "its results are not JSON: {error}"
        ))),
    }
}

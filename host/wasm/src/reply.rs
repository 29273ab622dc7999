//! Whether what a method returned may go on.

use serde_json::{Map, Value};
use wasm_flow_contract::units::Size;
use wasm_flow_document::{DocumentArray, Limits};

use crate::bounds::MAX_RESULTS;

/// Holds a reply to the bounds that a request has too: an array may list a
/// document as often as it likes.
pub(super) fn check_docs(docs: &DocumentArray, limits: Limits) -> Result<(), String> {
    if docs.total() > limits.documents {
        return Err(format!(
            "it has {} documents, chunks and matches included; at most {} are allowed",
            docs.total(),
            limits.documents
        ));
    }
    if docs.depth() > limits.depth {
        return Err(format!(
            "its documents are nested {} levels deep; at most {} are allowed",
            docs.depth(),
            limits.depth
        ));
    }
    Ok(())
}

/// Holds what a method made of the documents to `most` bytes, before anything is
/// encoded. Documents that it returned as they came do not count: they were
/// bounded when they came in.
pub(super) fn check_size(
    docs: &DocumentArray,
    sent: &DocumentArray,
    most: u64,
) -> Result<(), String> {
    match docs.added_len_within(sent, most) {
        Some(_) => Ok(()),
        None => Err(format!(
            "the documents that it made or changed come to more than `limits.reply` of {}; \
             return fewer or smaller documents, or raise that limit in the executor's table of \
             flow.toml",
            Size(most)
        )),
    }
}

/// The results for the client, from the guest's JSON.
pub(super) fn parse_results(json: &str) -> Result<Map<String, Value>, String> {
    if json.len() > MAX_RESULTS {
        return Err(format!(
            "the results take {}; at most {} are allowed: return documents instead",
            Size(json.len() as u64),
            Size(MAX_RESULTS as u64)
        ));
    }
    match serde_json::from_str(json) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("the results are JSON, but not an object".to_owned()),
        Err(error) => Err(format!("the results are not JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_a_json_object_of_bounded_length() {
        assert_eq!(parse_results(r#"{"a": 1}"#).unwrap().len(), 1);
        for (results, reason) in [
            ("[]", "not an object"),
            ("{", "not JSON"),
            (&"x".repeat(MAX_RESULTS + 1), "at most 1 MiB"),
        ] {
            let refused = parse_results(results).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }
}

//! The open part of what a guest says: JSON objects of which the host reads the keys
//! that it knows.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wasm_flow_contract::failure::FailureDetails;

use crate::bounds::{MAX_DETAILS, MAX_DOCUMENTS_AT_FAULT, MAX_NAME};
use crate::text::printable;

/// What an executor says of itself beyond its description.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecutorDetails {
    /// The grants that it asks for.
    pub wants: Wants,
    /// What is left of a request for later ones.
    #[serde(deserialize_with = "known")]
    pub state: Option<State>,
    /// The licence that it comes under, as SPDX writes it.
    pub license: Option<String>,
    /// Where its source code is.
    pub source: Option<String>,
}

/// The grants that an executor asks for, in the words of `flow.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wants {
    /// Where it sends HTTP requests to.
    pub http: Vec<String>,
    /// Variables that it reads.
    pub env: Vec<String>,
    /// Folders, by the path that it sees them under.
    pub dirs: Vec<String>,
}

impl Wants {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.http.is_empty() && self.env.is_empty() && self.dirs.is_empty()
    }
}

/// What is left of a request for later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing.
    None,
    /// What the replica that answered it keeps.
    Replica,
}

/// What an executor says of a method beyond its description.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MethodDetails {
    /// It changes the executor's state (Jina's `@write`).
    pub write: bool,
    /// It sends documents while it runs.
    pub stream: bool,
    /// Documents of several requests may be put together for it.
    pub batch: bool,
    /// A JSON schema of the documents that it takes.
    pub input: Option<Value>,
    /// A JSON schema of the documents that it gives.
    pub output: Option<Value>,
}

/// A value, or none if it is one that a later release knows.
fn known<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// The details of a description; the empty text has none.
///
/// # Errors
/// When they are not a JSON object, or a key has a value of another type.
pub(super) fn of_description<T>(text: &str) -> Result<T, serde_json::Error>
where
    T: Default + serde::de::DeserializeOwned,
{
    match text {
        "" => Ok(T::default()),
        text => read(text),
    }
}

/// Reads an object. serde alone would take a list for a struct, too.
fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let object: Map<String, Value> = serde_json::from_str(text)?;
    serde_json::from_value(Value::Object(object))
}

/// The details of a failure. What cannot be read is passed over: the failure itself
/// must not be lost for it.
pub(super) fn of_failure(text: &str) -> Option<Box<FailureDetails>> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Raw {
        retry: bool,
        retry_after: Option<u64>,
        documents: Vec<String>,
    }

    if text.is_empty() || text.len() > MAX_DETAILS {
        return None;
    }
    let raw: Raw = read(text).ok()?;
    Some(Box::new(FailureDetails {
        retry: raw.retry,
        retry_after: raw.retry_after.map(Duration::from_millis),
        documents: raw
            .documents
            .into_iter()
            .filter(|id| id.len() <= MAX_NAME)
            .take(MAX_DOCUMENTS_AT_FAULT)
            .map(|id| printable(&id))
            .collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_not_known_are_passed_over() {
        let text = r#"{"wants": {"http": ["https://a.example"], "gpu": true}, "state": "cluster", "new": 1}"#;
        let details: ExecutorDetails = of_description(text).unwrap();
        assert_eq!(details.wants.http, ["https://a.example"]);
        assert_eq!(details.state, None);
        let details: ExecutorDetails = of_description(r#"{"state": "replica"}"#).unwrap();
        assert_eq!(details.state, Some(State::Replica));
        let details: MethodDetails = of_description(r#"{"write": true, "colour": "red"}"#).unwrap();
        assert!(details.write && !details.batch);
        assert_eq!(
            of_description::<MethodDetails>("").unwrap(),
            MethodDetails::default()
        );
        for text in ["[]", "1", "{", r#"{"write": "yes"}"#] {
            assert!(of_description::<MethodDetails>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_failure_is_never_lost_for_its_details() {
        let text =
            r#"{"retry": true, "retry-after": 1500, "documents": ["a\u001b", "b"], "more": {}}"#;
        let details = of_failure(text).unwrap();
        assert!(details.retry);
        assert_eq!(details.retry_after, Some(Duration::from_millis(1500)));
        assert_eq!(details.documents, ["a\u{fffd}", "b"]);
        let many = format!(
            r#"{{"documents": {:?}}}"#,
            vec!["x"; MAX_DOCUMENTS_AT_FAULT + 1]
        );
        assert_eq!(
            of_failure(&many).unwrap().documents.len(),
            MAX_DOCUMENTS_AT_FAULT
        );
        let long = format!(r#"{{"retry": true, "x": "{}"}}"#, "x".repeat(MAX_DETAILS));
        for text in ["", "[]", "{", r#"{"retry": 1}"#, &long] {
            assert_eq!(of_failure(text), None, "{text}");
        }
    }
}

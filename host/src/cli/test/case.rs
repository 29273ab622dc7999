//! A request, and what is to come of it: a line of a file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use wasm_flow_contract::{Request, Response};
use wasm_flow_document::{Document, DocumentArray, Struct};
use wasm_flow_manifest::read_text;

use super::compare::{Differences, Expectation};

/// A request, and what is to come of it.
#[derive(Debug)]
pub(super) struct Case {
    file: PathBuf,
    /// From 1.
    line: usize,
    name: String,
    request: Request,
    expected: Expected,
}

/// What is to come of a request.
#[derive(Debug)]
pub(super) enum Expected {
    Answer(ExpectedAnswer),
    /// A failure whose description has this in it.
    Failure(String),
}

/// What an answer has to hold. What is not named may be anything.
#[derive(Debug)]
pub(super) struct ExpectedAnswer {
    docs: Option<Expectation>,
    results: Option<Expectation>,
}

/// Why cases cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum CaseError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:{line}: {reason}", file.display())]
    Line {
        file: PathBuf,
        line: usize,
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    name: String,
    on: String,
    #[serde(default)]
    docs: Vec<Value>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    target_executor: String,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    docs: Option<Vec<Value>>,
    results: Option<Map<String, Value>>,
    error: Option<String>,
}

/// The cases of a file that has at most `room` bytes, which become less. Empty lines are
/// passed over.
///
/// # Errors
/// If it cannot be read, or if a line is not a case.
pub(super) fn read(file: &Path, room: &mut u64) -> Result<Vec<Case>, CaseError> {
    let text = read_text(file, *room, "a file of cases, with those before it");
    let text = text.map_err(|source| CaseError::Read {
        path: file.to_owned(),
        source,
    })?;
    *room = room.saturating_sub(text.len() as u64);
    // Editors of Windows begin a file with it.
    let lines = text.trim_start_matches('\u{feff}').lines().zip(1..);
    lines
        .filter(|(text, _)| !text.trim().is_empty())
        .map(|(text, line)| {
            parse(file, text, line).map_err(|reason| CaseError::Line {
                file: file.to_owned(),
                line,
                reason,
            })
        })
        .collect()
}

fn parse(file: &Path, text: &str, line: usize) -> Result<Case, String> {
    let read: Line = serde_json::from_str(text).map_err(|error| {
        let text = error.to_string();
        // The line is that of the file.
        text.replace(" at line 1 column ", " at column ")
    })?;
    let docs = read.docs.iter().enumerate().map(|(index, doc)| {
        Document::from_json(doc).map_err(|error| format!("docs[{index}]: {error}"))
    });
    let docs: DocumentArray = docs.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    // As they come to a gateway.
    let parameters = Struct::from_map(&read.parameters);
    let parameters = parameters.map_err(|error| format!("parameters: {error}"))?;
    let expected = match read.expect {
        Expect {
            docs: None,
            results: None,
            error: Some(error),
        } => Expected::Failure(error),
        Expect { error: Some(_), .. } => {
            return Err(
                "`expect` has `error` and something else; a request that fails has no \
                 answer"
                    .to_owned(),
            );
        }
        Expect {
            docs: None,
            results: None,
            ..
        } => {
            return Err(
                "`expect` is empty: it takes `docs`, `results`, or the `error` of a request that \
                 has to fail"
                    .to_owned(),
            );
        }
        Expect { docs, results, .. } => {
            let docs = docs.map(Expectation::docs).transpose();
            Expected::Answer(ExpectedAnswer {
                docs: docs.map_err(|(index, error)| format!("expect.docs[{index}]: {error}"))?,
                results: results.map(Expectation::object),
            })
        }
    };
    Ok(Case {
        file: file.to_owned(),
        line,
        name: read.name,
        request: Request {
            target: read.target_executor,
            parameters: parameters.to_map().into(),
            ..Request::new(read.on, docs)
        },
        expected,
    })
}

impl Case {
    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    pub(super) fn expected(&self) -> &Expected {
        &self.expected
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// File and line.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        match self.name.is_empty() {
            true => write!(f, "{place} {}", self.request.endpoint),
            false => write!(f, "{place} {}", self.name),
        }
    }
}

impl ExpectedAnswer {
    /// How an answer differs.
    pub(super) fn differences(&self, response: &Response) -> Differences {
        let mut differences = Differences::default();
        if let Some(docs) = &self.docs {
            let found = response.docs.iter().map(Document::to_json).collect();
            docs.compare("docs", &found, &mut differences);
        }
        if let Some(results) = &self.results {
            let found = Value::Object(response.results.clone());
            results.compare("results", &found, &mut differences);
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        parse(Path::new("cases.jsonl"), text, 7).unwrap_err()
    }

    #[test]
    fn a_line_says_what_is_sent_and_what_is_expected() {
        let text = r#"{"name": "greets", "on": "/hello", "docs": [{"text": "world"}],
            "parameters": {"n": 1}, "target_executor": "a", "expect": {"docs": []}}"#;
        let case = parse(Path::new("cases.jsonl"), text, 7).unwrap();
        assert_eq!(case.to_string(), "cases.jsonl:7 greets");
        let request = case.request();
        assert_eq!((&*request.endpoint, &*request.target), ("/hello", "a"));
        assert_eq!(request.docs.len(), 1);
        assert!(matches!(case.expected(), Expected::Answer(_)));
    }

    #[test]
    fn files_are_read_as_editors_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cases.jsonl");
        let line = r#"{"on": "/a", "expect": {"docs": []}}"#;
        std::fs::write(&file, format!("\u{feff}{line}\r\n\r\n{line}")).unwrap();
        let mut room = 100;
        let cases = read(&file, &mut room).unwrap();
        let places: Vec<_> = cases.iter().map(|case| case.line).collect();
        assert_eq!(places, [1, 3]);
        // All files together are bounded, and the bound is said.
        let error = read(&file, &mut room).unwrap_err().to_string();
        assert!(error.contains("larger than"), "{error}");
        std::fs::write(&file, [0xff, 0xfe]).unwrap();
        let error = read(&file, &mut 100).unwrap_err().to_string();
        assert!(error.contains("not UTF-8"), "{error}");
    }

    #[test]
    fn what_is_no_case_is_refused_in_words() {
        for (text, expected) in [
            (r#"{"on": "/a"}"#, "missing field `expect` at column 12"),
            (r#"{"on": "/a", "expect": {}}"#, "`expect` is empty"),
            (
                r#"{"on": "/a", "expect": {"error": "x", "docs": []}}"#,
                "has `error` and something else",
            ),
            (
                r#"{"on": "/a", "doc": [], "expect": {"docs": []}}"#,
                "unknown field `doc`",
            ),
            (
                r#"{"on": "/a", "docs": [{"text": 1}], "expect": {"docs": []}}"#,
                "docs[0]: ",
            ),
            (
                r#"{"on": "/a", "expect": {"docs": [{}, {"txt": "x"}]}}"#,
                "expect.docs[1]: ",
            ),
            ("no JSON", "expected ident at column 2"),
        ] {
            let reason = reason(text);
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }
}

//! Documents from files and the command line.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::document::{Document, DocumentArray};

/// Where documents come from, as `run --on` and `post` take it. Without `--on`,
/// which is the commands' own, none of it would be looked at.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A file of documents: text, one a line, or JSON lines; `-` is standard
    /// input.
    #[arg(long, value_name = "FILE", requires = "on")]
    input: Option<PathBuf>,
    /// How the file is to be read.
    #[arg(long, value_enum, default_value_t, requires_all = ["on", "input"])]
    input_format: InputFormat,
    /// A document with this text; may be given several times.
    #[arg(long, value_name = "TEXT", requires = "on", conflicts_with = "input")]
    text: Vec<String>,
    /// Documents in one request.
    #[arg(long, value_name = "N", requires = "on", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    request_size: u32,
    /// Parameters for the executors, as a JSON object.
    #[arg(long, value_name = "JSON", requires = "on", value_parser = object)]
    parameters: Option<Map<String, Value>>,
    /// Only the executors whose name begins with what this regular expression
    /// matches.
    #[arg(long, value_name = "REGEX", requires = "on")]
    target: Option<String>,
}

/// How a file of documents is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum InputFormat {
    /// JSON lines where the name ends in .jsonl or .ndjson, else text.
    #[default]
    Auto,
    /// Each line that is not blank is a document's text.
    Text,
    /// Each line is a document as a JSON object.
    Jsonl,
}

/// Why documents cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("{file} cannot be read: {source}")]
    Read {
        file: String,
        source: std::io::Error,
    },
    /// `at` is a line, with a column where one is known.
    #[error("{file}:{at}: {reason}")]
    Line {
        file: String,
        at: String,
        reason: String,
    },
}

/// A JSON object of the command line.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("not a JSON object, as in {\"top_k\": 3}".to_owned()),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

impl Args {
    /// The documents, a request's worth at a time. Without any, one request
    /// without documents.
    pub(super) fn requests(&self) -> Result<Vec<DocumentArray>, InputError> {
        let docs = match &self.input {
            Some(path) => read(path, self.input_format)?,
            None => self
                .text
                .iter()
                .map(|text| Document::from_text(text.as_str()))
                .collect(),
        };
        if docs.is_empty() {
            return Ok(vec![DocumentArray::new()]);
        }
        Ok(docs
            .chunks(self.request_size as usize)
            .map(|docs| docs.iter().cloned().collect())
            .collect())
    }

    pub(super) fn parameters(&self) -> Map<String, Value> {
        self.parameters.clone().unwrap_or_default()
    }

    pub(super) fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}

fn read(path: &Path, format: InputFormat) -> Result<Vec<Document>, InputError> {
    let standard = path == Path::new("-");
    let file = match standard {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    };
    let mut text = String::new();
    let read = match standard {
        true => std::io::stdin().read_to_string(&mut text).map(drop),
        false => std::fs::read_to_string(path).map(|read| text = read),
    };
    read.map_err(|source| InputError::Read {
        file: file.clone(),
        source,
    })?;
    let jsonl = match format {
        InputFormat::Auto => path
            .extension()
            .is_some_and(|end| end == "jsonl" || end == "ndjson"),
        InputFormat::Text => false,
        InputFormat::Jsonl => true,
    };
    parse(&text, jsonl).map_err(|(at, reason)| InputError::Line { file, at, reason })
}

/// The documents, or the place of what is none, counted from 1, and why.
fn parse(text: &str, jsonl: bool) -> Result<Vec<Document>, (String, String)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            if !jsonl {
                return Ok(Document::from_text(line));
            }
            let number = index + 1;
            let value = serde_json::from_str(line).map_err(|error| {
                let (column, reason) = told(&error, line);
                (format!("{number}:{column}"), reason)
            })?;
            Document::from_json(&value).map_err(|error| (number.to_string(), error.to_string()))
        })
        .collect()
}

/// The column of an error in a line, in characters, and the error without the
/// place that it has in its own words: there the line is always the first.
fn told(error: &serde_json::Error, line: &str) -> (usize, String) {
    let column = line
        .get(..error.column().saturating_sub(1))
        .map_or(error.column(), |before| before.chars().count() + 1);
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = whole.strip_suffix(&place).unwrap_or(&whole);
    (column, reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_documents_and_bad_ones_are_named() {
        let docs = parse("a\n\n  b \r\n", false).unwrap();
        let texts: Vec<_> = docs.iter().map(Document::text).collect();
        assert_eq!(texts, ["a", "  b "]);
        let docs = parse("{\"text\": \"a\"}\n\n{\"id\": \"x\"}", true).unwrap();
        assert_eq!((docs[0].text(), &*docs[1].id), ("a", "x"));
        let (at, reason) = parse("{}\n{\"txt\": 1}", true).unwrap_err();
        assert_eq!(at, "2");
        assert!(reason.starts_with("txt: no such field"), "{reason}");
    }

    #[test]
    fn what_is_no_json_has_a_column() {
        for (text, at, reason) in [
            ("{}\n\n{\"text\": }", "3:10", "expected value"),
            ("{\"text\": \"ä🎉\" x}", "1:15", "expected `,` or `}`"),
            ("{", "1:1", "EOF while parsing an object"),
            ("[1, 2] 3", "1:8", "trailing characters"),
        ] {
            let error = parse(text, true).unwrap_err();
            assert_eq!(error, (at.to_owned(), reason.to_owned()), "{text}");
        }
    }
}

//! How a file of documents is read: as it was asked for, or by its name.

use clap::ValueEnum;

/// How a file of documents is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum InputFormat {
    /// By the name's ending: JSON lines for .jsonl and .ndjson, JSON for .json,
    /// else text.
    #[default]
    Auto,
    /// Each line that is not blank is a document's text.
    Text,
    /// Each line is a document as a JSON object.
    Jsonl,
    /// JSON over any number of lines: a document as an object, an array of them,
    /// or several of either.
    Json,
}

impl InputFormat {
    /// How a file whose name has this ending, in lower case, is read.
    pub(super) fn syntax(self, ending: &str) -> Syntax {
        match (self, ending) {
            (InputFormat::Text, _) => Syntax::Text,
            (InputFormat::Jsonl, _) => Syntax::Jsonl,
            (InputFormat::Json, _) => Syntax::Json,
            (InputFormat::Auto, "jsonl" | "ndjson") => Syntax::Jsonl,
            (InputFormat::Auto, "json") => Syntax::Json,
            (InputFormat::Auto, _) => Syntax::Text,
        }
    }
}

/// How the bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Text,
    Jsonl,
    Json,
}

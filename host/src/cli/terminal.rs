//! Standard output and standard error.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use super::Format;
use crate::executor::{Output, Stream};

/// A line on standard output. A reader that went away ends the program: there
/// is nobody left to work for.
pub(super) fn line(text: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{text}") {
        let status = i32::from(error.kind() != io::ErrorKind::BrokenPipe);
        std::process::exit(status);
    }
}

/// A JSON value as a line on standard output.
pub(super) fn json(value: &Value) {
    line(&value.to_string());
}

/// A line on standard error; where that is gone, so is its reader.
pub(super) fn note(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// An error on standard error.
pub(super) fn error(text: &str) {
    note(text);
}

/// Whether errors may be coloured.
pub(super) fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Prints what executors print, with their names in front.
pub(super) struct Lines {
    pub(super) format: Format,
    /// Whether standard output is for results only.
    pub(super) aside: bool,
}

impl Output for Lines {
    fn line(&self, executor: &str, stream: Stream, text: &str) {
        match (self.format, stream) {
            (Format::Json, stream) => {
                let event = json!({
                    "event": "output",
                    "executor": executor,
                    "stream": match stream {
                        Stream::Stdout => "stdout",
                        Stream::Stderr => "stderr",
                    },
                    "line": text,
                });
                if self.aside {
                    note(&event.to_string());
                } else {
                    json(&event);
                }
            }
            (Format::Text, Stream::Stdout) if !self.aside => line(&format!("{executor} | {text}")),
            (Format::Text, _) => note(&format!("{executor} | {text}")),
        }
    }
}

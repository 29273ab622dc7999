//! Standard output and standard error.
//!
//! Much of what is printed comes from executors, gateways and files: whatever
//! goes through here does nothing to a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use super::Format;
use crate::executor::{Output, Stream, printable};
use crate::flow::Report;

/// Text on standard output, with a line end.
pub(super) fn line(text: &str) {
    print(&lines(text));
}

/// A JSON value as a line on standard output.
pub(super) fn json(value: &Value) {
    print(&json_text(value));
}

/// A reader that went away ends the program: there is nobody left to work for.
fn print(text: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{text}") {
        let status = i32::from(error.kind() != io::ErrorKind::BrokenPipe);
        std::process::exit(status);
    }
}

/// Text on standard error, with a line end.
pub(super) fn note(text: &str) {
    print_aside(&lines(text));
}

/// An error on standard error.
pub(super) fn error(text: &str) {
    note(&format!("error: {text}"));
}

/// A report on standard error. Its colours are kept: its renderer takes out of
/// the rest what a terminal would act on.
pub(super) fn report(report: &Report) {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    print_aside(&report.render(colours));
}

/// Where standard error is gone, so is its reader.
fn print_aside(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Text as it may be printed. Line ends stay.
fn lines(text: &str) -> String {
    text.split('\n')
        .map(printable)
        .collect::<Vec<_>>()
        .join("\n")
}

/// JSON as it may be printed. The characters that JSON does not escape by itself
/// stand in strings only, so that it says the same with them escaped.
fn json_text(value: &Value) -> String {
    let text = value.to_string();
    if printable(&text) == text {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let mut buffer = [0; 4];
        let alone = c.encode_utf8(&mut buffer);
        if printable(alone) == *alone {
            escaped.push(c);
        } else {
            // None of them has more digits than four.
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    escaped
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
                    print_aside(&json_text(&event));
                } else {
                    json(&event);
                }
            }
            (Format::Text, Stream::Stdout) if !self.aside => line(&format!("{executor} | {text}")),
            (Format::Text, _) => note(&format!("{executor} | {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_does_nothing_to_a_terminal() {
        assert_eq!(
            lines("a\u{1b}]0;t\u{7}b\n\u{9b}31mc\r\n\u{202e}d\n"),
            "a\u{fffd}]0;t\u{fffd}b\n\u{fffd}31mc\n\u{fffd}d\n"
        );
        assert_eq!(lines("ä → 🎉"), "ä → 🎉");
    }

    #[test]
    fn json_does_nothing_to_a_terminal_and_says_the_same() {
        let value = json!({ "k\u{9b}": "a\u{1b}\u{7f}\u{9d}b\n\u{202e}\\ä🎉" });
        let text = json_text(&value);
        assert_eq!(text, r#"{"k\u009b":"a\u001b\u007f\u009db\n\u202e\\ä🎉"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}

//! Standard output and standard error, for a command that waits until they have
//! taken what it prints. What must not wait leaves through a
//! [`Console`](super::console::Console).
//!
//! Much of what is printed comes from executors, gateways and files: whatever
//! goes through here does nothing to a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;
use wasm_flow_manifest::Report;
use wasm_flow_wasm::printable;

/// Standard output does not take what a command has to say.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(super) struct OutputError(#[from] io::Error);

impl OutputError {
    /// The reader went away. There is nobody left to work for, and nothing to
    /// complain of.
    pub(super) fn is_reader_gone(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Lines for both streams that are printed at once.
#[derive(Debug, Default)]
pub(super) struct Page {
    results: String,
    notes: String,
}

impl Page {
    /// Text for standard output, with a line end.
    pub(super) fn line(&mut self, text: &str) {
        self.results += &lines(text);
        self.results.push('\n');
    }

    /// A JSON value as a line for standard output.
    pub(super) fn json(&mut self, value: &Value) {
        self.results += &json_text(value);
        self.results.push('\n');
    }

    /// Text for standard error, with a line end.
    pub(super) fn note(&mut self, text: &str) {
        self.notes += &lines(text);
        self.notes.push('\n');
    }

    /// An error for standard error.
    pub(super) fn error(&mut self, text: &str) {
        self.note(&format!("error: {text}"));
    }

    /// Prints it, and waits as long as that takes.
    ///
    /// # Errors
    /// If standard output does not take it.
    pub(super) fn print(&self) -> Result<(), OutputError> {
        self.print_notes();
        self.print_results()
    }

    /// Prints what is for standard error.
    pub(super) fn print_notes(&self) {
        if !self.notes.is_empty() {
            print_aside(&self.notes);
        }
    }

    /// Prints what is for standard output.
    ///
    /// # Errors
    /// If standard output does not take it.
    pub(super) fn print_results(&self) -> Result<(), OutputError> {
        if self.results.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(self.results.as_bytes())?;
        // A full disk shows only here.
        Ok(out.flush()?)
    }
}

/// How many columns standard output has, if it is a terminal.
pub(super) fn width() -> Option<usize> {
    comfy_table::Table::new().width().map(usize::from)
}

/// Text on standard output, with a line end.
///
/// # Errors
/// If standard output does not take it.
pub(super) fn line(text: &str) -> Result<(), OutputError> {
    let mut page = Page::default();
    page.line(text);
    page.print()
}

/// A JSON value as a line on standard output.
///
/// # Errors
/// If standard output does not take it.
pub(super) fn json(value: &Value) -> Result<(), OutputError> {
    let mut page = Page::default();
    page.json(value);
    page.print()
}

/// Text on standard error, with a line end.
pub(super) fn note(text: &str) {
    print_aside(&format!("{}\n", lines(text)));
}

/// An error on standard error.
pub(super) fn error(text: &str) {
    note(&format!("error: {text}"));
}

/// A report on standard error. Its colours are kept: its renderer takes out of
/// the rest what a terminal would act on.
pub(super) fn report(report: &Report) {
    print_aside(&format!("{}\n", rendered(report)));
}

/// A report as standard error shows it.
pub(super) fn rendered(report: &Report) -> String {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    report.render(colours)
}

/// If standard error cannot be written, there is no place left to say so.
fn print_aside(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Text as it may be printed. Line ends stay.
pub(super) fn lines(text: &str) -> String {
    text.split('\n')
        .map(printable)
        .collect::<Vec<_>>()
        .join("\n")
}

/// JSON as it may be printed. The characters that JSON does not escape by itself
/// stand in strings only, so that it says the same with them escaped.
pub(super) fn json_text(value: &Value) -> String {
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
            // None of them has more than four digits.
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

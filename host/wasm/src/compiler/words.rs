//! What a child printed at last.

use std::io::Read;

use crate::bounds::MAX_TEXT;
use crate::text::printable;

/// Lines that an error shows.
const SHOWN: usize = 3;

/// What is said if memory ran out: by Rust, by the system, and if a thread cannot have
/// its stack.
const NO_MEMORY: [&str; 5] = [
    "memory allocation of",
    "out of memory",
    "Out of memory",
    "Cannot allocate memory",
    "Resource temporarily unavailable",
];

/// What a child printed to standard error: the end of it.
#[derive(Debug, Default)]
pub(super) struct Words(String);

impl Words {
    /// Reads to the end, and keeps as much as an error may show.
    pub(super) fn read(mut input: impl Read) -> Words {
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = input.read(&mut buffer) {
            kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
            let surplus = kept.len().saturating_sub(MAX_TEXT);
            kept.drain(..surplus);
        }
        Words(String::from_utf8_lossy(&kept).into_owned())
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// The last lines, on one.
    pub(super) fn shown(&self) -> String {
        let said = self.0.lines().map(str::trim);
        // Advice to whoever runs the child, whom nobody can set a variable for.
        let said = said.filter(|line| !line.is_empty() && !line.starts_with("note: run with"));
        let mut lines: Vec<String> = said.map(printable).collect();
        let surplus = lines.len().saturating_sub(SHOWN);
        lines.drain(..surplus);
        lines.join(" / ")
    }
}

/// Whether words say that memory ran out.
pub(super) fn are_of_memory(text: &str) -> bool {
    NO_MEMORY.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_shown_without_what_a_terminal_would_act_on() {
        let flood = "x".repeat(3 * MAX_TEXT);
        let said =
            format!("{flood}\none\ntwo\n\n\u{1b}[31mthree\nnote: run with `RUST_BACKTRACE=1`\n");
        let words = Words::read(said.as_bytes());
        assert!(words.0.len() <= MAX_TEXT);
        let shown = words.shown();
        assert!(shown.starts_with("one / two / "), "{shown}");
        assert!(
            !shown.contains('\u{1b}') && !shown.contains("note"),
            "{shown}"
        );
        assert!(!are_of_memory(words.text()));
        let words = Words::read("memory allocation of 16 bytes failed\n".as_bytes());
        assert!(are_of_memory(words.text()));
    }
}

//! What errors show of names, and of text that strangers wrote.

use super::bounds::{MAX_LISTED, MAX_SHOWN};
use crate::shown::cut;

/// The beginning of a stranger's text, fit for a terminal.
pub(super) fn shown(text: &str) -> String {
    cut(text, MAX_SHOWN)
}

/// `a`, `a or b`, `a, b or c`, and a number instead of what is too much.
pub(super) fn any_of<T: AsRef<str>>(names: &[T]) -> String {
    let listed: Vec<&str> = names.iter().map(T::as_ref).take(MAX_LISTED).collect();
    match (names.len().saturating_sub(MAX_LISTED), listed.as_slice()) {
        (0, []) => "none".to_owned(),
        (0, [only]) => (*only).to_owned(),
        (0, [first @ .., last]) => format!("{} or {last}", first.join(", ")),
        (more, listed) => format!("{} or {}", listed.join(", "), others(more)),
    }
}

/// How many more there are.
pub(super) fn others(count: usize) -> String {
    match count {
        1 => "1 other".to_owned(),
        count => format!("{count} others"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_and_made_printable() {
        let text = shown(&"ä\u{1b}".repeat(MAX_SHOWN));
        assert_eq!(text.chars().count(), MAX_SHOWN + 1);
        assert!(text.starts_with("ä\u{fffd}ä"), "{text}");
        assert!(text.ends_with('…'), "{text}");
        assert_eq!(shown("short"), "short");
    }

    #[test]
    fn names_are_listed() {
        let names: Vec<String> = (0..8).map(|n| n.to_string()).collect();
        assert_eq!(any_of(&names[..0]), "none");
        assert_eq!(any_of(&names[..1]), "0");
        assert_eq!(any_of(&names[..3]), "0, 1 or 2");
        assert_eq!(any_of(&names[..5]), "0, 1, 2, 3 or 4");
        assert_eq!(any_of(&names[..6]), "0, 1, 2, 3, 4 or 1 other");
        assert_eq!(any_of(&names), "0, 1, 2, 3, 4 or 3 others");
    }
}

//! What is shown of a text that strangers wrote.

use wasm_flow_contract::text::printable;

use crate::bounds::SHOWN;

/// A text from elsewhere, short and fit for one line.
pub(crate) fn shown(text: &str) -> String {
    cut(text, SHOWN)
}

/// The same of at most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = printable(&words.join(" "));
    match text.char_indices().nth(most) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_says_is_short_and_of_one_line() {
        assert_eq!(shown("a\n\tb\u{1b}[2J"), "a b\u{fffd}[2J");
        let long = shown(&"ö".repeat(1000));
        assert_eq!(long.chars().count(), SHOWN + 1);
    }
}

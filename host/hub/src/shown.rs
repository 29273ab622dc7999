//! What is shown of a text that strangers wrote.

use wasm_flow_contract::text::printable;

use crate::bounds::SHOWN;

/// A text from elsewhere, short and fit for one line.
pub(crate) fn shown(text: &str) -> String {
    cut(text, SHOWN)
}

/// The same of at most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut short = String::new();
    for word in text.split_whitespace() {
        if !short.is_empty() {
            short.push(' ');
        }
        // No more than what is shown: it may have megabytes. A character has a byte at least.
        short.extend(word.chars().take(most + 1));
        if short.len() > 4 * most {
            break;
        }
    }
    let text = printable(&short);
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

//! Names and texts of documents, as errors show them.

use std::borrow::Cow;

use crate::bounds::SHOWN;

/// The text, cut if it is long.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        for text in ["", "a", &"é".repeat(SHOWN)] {
            assert_eq!(cut(text), text);
        }
        let long = "é".repeat(SHOWN + 1);
        assert_eq!(cut(&long), format!("{}…", "é".repeat(SHOWN)));
    }
}

//! Text from elsewhere, made fit for people: guests, files and clients wrote it.

/// The text without characters that a terminal would act on: what others wrote must
/// not move the operator's cursor, write over other lines, or reorder the text around
/// it. Line ends are replaced, too.
pub fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\t' => Some(' '),
            '\r' => None,
            c if c.is_control() => Some(char::REPLACEMENT_CHARACTER),
            // What reorders the text around it.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                Some(char::REPLACEMENT_CHARACTER)
            }
            // Other ends of lines.
            '\u{2028}' | '\u{2029}' => Some(' '),
            c => Some(c),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_would_act_on() {
        for (text, shown) in [
            ("a\tb\r", "a b"),
            ("\u{1b}[2J\u{9b}", "\u{fffd}[2J\u{fffd}"),
            ("a\u{202e}b\u{200f}", "a\u{fffd}b\u{fffd}"),
            ("a\u{2028}b", "a b"),
            ("größe", "größe"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}

//! Text in XML.

use wasm_flow_contract::text::printable;

/// Text as the content of an element or the value of an attribute. What XML cannot hold
/// and what reorders the text around it is replaced.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_what_it_stands_in() {
        assert_eq!(
            escaped("</text><script>\"a\" & 'b'\u{0}\u{ffff}\n\u{202e}]]>"),
            "&lt;/text&gt;&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;\u{fffd}\u{fffd}\u{fffd}\u{fffd}]]&gt;"
        );
        assert_eq!(escaped("größe 編碼 🎉"), "größe 編碼 🎉");
    }
}

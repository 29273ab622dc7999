//! What a guest says, made fit for people and logs.

pub use wasm_flow_contract::text::printable;

use crate::bounds::MAX_TEXT;

/// At most [`MAX_TEXT`] bytes of what a guest says, and nothing that a terminal
/// would act on.
pub(super) fn cut_printable(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default();
    kept.split('\n')
        .map(printable)
        .collect::<Vec<_>>()
        .join("\n")
}

//! What is said of a name that is not known.

use wasm_flow_contract::nearest::nearest;

use crate::bounds::MAX_LISTED;

/// `did you mean `a`? known: a, b`.
pub(crate) fn suggestion(text: &str, what: &str, names: &[&str]) -> String {
    let listed: Vec<&str> = names.iter().copied().take(MAX_LISTED).collect();
    let mut list = format!("{what}: {}", listed.join(", "));
    if let Some(more) = names.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        list.push_str(&format!(" and {more} more"));
    }
    match nearest(text, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`? {list}"),
        None => list,
    }
}

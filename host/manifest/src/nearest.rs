//! Names that were probably meant.

use crate::bounds::MAX_LISTED;

/// The name that was probably meant, if one is near enough.
pub fn nearest<'n>(text: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = text.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

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

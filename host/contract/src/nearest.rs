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

/// What to say of a name that is not known: `did you mean `a`? known: a, b`. No more
/// than [`MAX_LISTED`] names are listed.
pub fn suggestion<N: AsRef<str>>(text: &str, what: &str, names: &[N]) -> String {
    let all = || names.iter().map(AsRef::as_ref);
    let listed: Vec<&str> = all().take(MAX_LISTED).collect();
    let mut list = format!("{what}: {}", listed.join(", "));
    if let Some(more) = names.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        list.push_str(&format!(" and {more} more"));
    }
    match nearest(text, all()) {
        Some(name) => format!("did you mean `{name}`? {list}"),
        None => list,
    }
}

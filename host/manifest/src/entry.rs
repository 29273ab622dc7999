//! A key's value in a file, with its place.

use std::ops::Range;

/// The value of a key, with the places of both.
#[derive(Debug, Clone)]
pub(crate) struct Entry<T> {
    pub(crate) key: Range<usize>,
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// The value of a key, or what stands for a key that is not there.
pub(crate) fn value_or<T>(entry: Option<Entry<T>>, default: T) -> T {
    entry.map_or(default, |entry| entry.value)
}

/// Where a key is, or the place that stands for a key that is not there.
pub(crate) fn key_or<T>(entry: Option<&Entry<T>>, table: &Range<usize>) -> Range<usize> {
    entry.map_or_else(|| table.clone(), |entry| entry.key.clone())
}

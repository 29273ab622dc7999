//! Documents as the host gives them: handles and columns.
//!
//! In a component this is the WIT interface. On native targets the host's own
//! document model takes its place. So rows, columns and writing back are the same
//! code in both, and can be tested without a host.

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(not(target_family = "wasm"))]
pub(crate) use native::*;
#[cfg(target_family = "wasm")]
pub(crate) use wasm::*;

/// The name of the error for what is too much.
pub(crate) const LIMIT: &str = "Limit";

/// The rows in a slice, as a span if they are consecutive.
pub(crate) fn rows(list: &[u32], len: u32) -> Rows {
    let count = list.len() as u32;
    match list.first() {
        Some(start)
            if list
                .iter()
                .zip(list.iter().skip(1))
                .all(|(row, next)| row.checked_add(1) == Some(*next)) =>
        {
            if count == len {
                Rows::All
            } else {
                span(*start, count)
            }
        }
        _ => these(list),
    }
}

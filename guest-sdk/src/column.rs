//! A column whose values may be too many to hold at once.

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::{Error, Result};

/// Bytes up to which values are fetched together, unless one value alone is larger.
pub(crate) const PART: u64 = 4 << 20;

/// How many parts are kept, so that a handler may go back and forth a little.
const KEPT: usize = 4;

/// A field's values for all rows: `W` holds them all, and `V` is one of them.
pub(crate) enum Column<W, V> {
    /// They were fetched with one call.
    Whole(W),
    /// They are fetched a few rows at a time.
    Parts(Parts<V>),
}

/// Values that are fetched a few rows at a time. Only the parts that were used last
/// are kept, so whoever needs a value for longer keeps it.
pub(crate) struct Parts<V> {
    /// A part's rows are those up to `ends[part]`, from the end of the part before.
    ends: Vec<u32>,
    recent: RefCell<VecDeque<Part<V>>>,
}

struct Part<V> {
    start: u32,
    values: Vec<V>,
}

impl<V: Clone> Parts<V> {
    /// Parts of rows with these sizes, in bytes.
    pub(crate) fn new(sizes: &[u64]) -> Self {
        let mut ends = Vec::new();
        let mut bytes = 0u64;
        let mut rows = 0u32;
        for size in sizes {
            if bytes > 0 && bytes.saturating_add(*size) > PART {
                ends.push(rows);
                bytes = 0;
            }
            bytes = bytes.saturating_add(*size);
            rows = rows.saturating_add(1);
        }
        ends.push(rows);
        Parts {
            ends,
            recent: RefCell::default(),
        }
    }

    /// A row's value. `fetch` gets those of some rows: the first, and how many.
    ///
    /// # Errors
    /// If `fetch` fails, or gives no value for the row.
    pub(crate) fn get(
        &self,
        row: u32,
        fetch: impl FnOnce(u32, u32) -> Result<Vec<V>>,
    ) -> Result<V> {
        let mut recent = self.recent.borrow_mut();
        let kept = recent.iter().find_map(|part| {
            let place = row.checked_sub(part.start)?;
            part.values.get(place as usize)
        });
        if let Some(value) = kept {
            return Ok(value.clone());
        }
        let part = self.ends.partition_point(|end| *end <= row);
        let end = self.ends.get(part).copied().unwrap_or(row);
        let start = part
            .checked_sub(1)
            .and_then(|before| self.ends.get(before).copied())
            .unwrap_or(0);
        // Before the next one is fetched, so that there are never more than `KEPT`.
        recent.truncate(KEPT - 1);
        let values = fetch(start, end.saturating_sub(start))?;
        let value = values
            .get(row.saturating_sub(start) as usize)
            .cloned()
            .ok_or_else(|| too_few(row))?;
        recent.push_front(Part { start, values });
        Ok(value)
    }
}

/// The error for a column that is shorter than its array, which is a fault in the
/// host.
pub(crate) fn too_few(row: u32) -> Error {
    Error::named(
        "ShortColumn",
        format_args!("the host gave no value for document {row}"),
    )
}

/// Where it is noted that the host refused to read a column.
///
/// Getters return references and no errors. If one is refused, it gives an empty
/// value, and the call fails when its handler returns. A panic would end the
/// instance, with its state and all other calls.
#[derive(Default)]
pub(crate) struct Refused(RefCell<State>);

#[derive(Default)]
enum State {
    /// Nobody would look: the documents are no longer those of a call.
    #[default]
    Unheard,
    Heard(Option<Error>),
}

impl Refused {
    /// For the documents of a call.
    pub(crate) fn of_call() -> Self {
        Refused(RefCell::new(State::Heard(None)))
    }

    /// Notes an error, unless there is one.
    ///
    /// # Panics
    /// If the call is over, or there never was one.
    pub(crate) fn note(&self, error: Error) {
        match &mut *self.0.borrow_mut() {
            State::Heard(first) => {
                first.get_or_insert(error);
            }
            #[expect(
                clippy::panic,
                reason = "a value must not be lost in silence; the host reports the panic"
            )]
            State::Unheard => panic!("{error}"),
        }
    }

    /// The first error, once the handler has returned.
    pub(crate) fn end(&self) -> Option<Error> {
        match self.0.take() {
            State::Heard(error) => error,
            State::Unheard => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn parts_are_fetched_once_while_they_are_in_use() {
        let mib = 1 << 20;
        let parts = Parts::new(&[mib, 3 * mib, 1, 9 * mib, 1, 1]);
        assert_eq!(parts.ends, [2, 3, 4, 6]);
        let fetched = Cell::new(0);
        let get = |row| {
            parts
                .get(row, |start, count| {
                    fetched.set(fetched.get() + 1);
                    Ok((start..start + count).collect())
                })
                .unwrap()
        };
        for row in (0..6).chain((0..6).rev()) {
            assert_eq!(get(row), row);
        }
        assert_eq!(fetched.get(), 4);
    }

    #[test]
    fn only_the_parts_used_last_are_kept() {
        let parts = Parts::new(&[PART; 10]);
        let fetched = Cell::new(0);
        for row in (0..10).chain(0..10) {
            let value = parts.get(row, |start, count| {
                fetched.set(fetched.get() + 1);
                Ok((start..start + count).collect())
            });
            assert_eq!(value.unwrap(), row);
            assert!(parts.recent.borrow().len() <= KEPT);
        }
        assert_eq!(fetched.get(), 20);
    }

    #[test]
    fn a_row_beyond_the_end_has_no_value() {
        for sizes in [&[][..], &[1]] {
            let parts = Parts::<u32>::new(sizes);
            let value = parts.get(1, |start, count| Ok((start..start + count).collect()));
            assert_eq!(value.unwrap_err().name(), "ShortColumn");
        }
    }

    #[test]
    fn the_first_refusal_is_the_calls_error() {
        let refused = Refused::of_call();
        refused.note(Error::named("Limit", "one"));
        refused.note(Error::named("Limit", "two"));
        assert_eq!(refused.end().unwrap().message(), "one");
        let late = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            refused.note(Error::named("Limit", "three"));
        }));
        assert!(late.is_err());
    }
}

//! A column whose values may be too many to hold at once.

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::{Error, Result};

/// Bytes up to which values are fetched together, unless one value alone is larger.
pub(crate) const PART: u64 = 4 << 20;

/// Bytes of the parts that are kept, so that a handler may go back and forth a little.
const KEPT: u64 = 4 * PART;

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
    /// In the order of their rows.
    extents: Vec<Extent>,
    /// The parts that are kept, the one that was used last in front.
    recent: RefCell<VecDeque<Part<V>>>,
}

/// Which rows a part has: those up to `end`, from the end of the part before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    end: u32,
    bytes: u64,
}

struct Part<V> {
    start: u32,
    bytes: u64,
    values: Vec<V>,
}

impl<V: Clone> Parts<V> {
    /// Parts of rows with these sizes, in bytes.
    pub(crate) fn new(sizes: &[u64]) -> Self {
        let mut extents = Vec::new();
        let mut bytes = 0u64;
        let (mut start, mut end) = (0u32, 0u32);
        for size in sizes {
            if end > start && bytes.saturating_add(*size) > PART {
                extents.push(Extent { end, bytes });
                bytes = 0;
                start = end;
            }
            bytes = bytes.saturating_add(*size);
            end = end.saturating_add(1);
        }
        extents.push(Extent { end, bytes });
        Parts {
            extents,
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
        let kept = recent.iter().enumerate().find_map(|(place, part)| {
            let index = row.checked_sub(part.start)? as usize;
            Some((place, part.values.get(index)?.clone()))
        });
        if let Some((place, value)) = kept {
            if let Some(part) = recent.remove(place) {
                recent.push_front(part);
            }
            return Ok(value);
        }
        let part = self.extents.partition_point(|extent| extent.end <= row);
        let Extent { end, bytes } = self
            .extents
            .get(part)
            .copied()
            .unwrap_or(Extent { end: row, bytes: 0 });
        let start = part
            .checked_sub(1)
            .and_then(|before| self.extents.get(before))
            .map_or(0, |before| before.end);
        // Before the next one is fetched, so that there is never more than `KEPT`.
        make_room(&mut recent, bytes);
        let mut values = fetch(start, end.saturating_sub(start))?;
        let index = row.saturating_sub(start) as usize;
        if bytes > PART {
            // It is one value. If its document alone keeps it, it can be taken out of there
            // without a copy.
            return values.pop().ok_or_else(|| too_few(row));
        }
        let value = values.get(index).cloned().ok_or_else(|| too_few(row))?;
        recent.push_front(Part {
            start,
            bytes,
            values,
        });
        Ok(value)
    }
}

/// Lets go of the parts that were not used for longest, until so many bytes more are
/// not too many.
fn make_room<V>(recent: &mut VecDeque<Part<V>>, bytes: u64) {
    let mut kept = recent
        .iter()
        .fold(bytes, |sum, part| sum.saturating_add(part.bytes));
    while kept > KEPT {
        let Some(part) = recent.pop_back() else {
            return;
        };
        kept = kept.saturating_sub(part.bytes);
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
    /// The call is over, so an error could not be reported.
    #[default]
    Unheard,
    Heard(Option<Error>),
}

impl Refused {
    /// For the documents of a call.
    pub(crate) fn of_call() -> Self {
        Refused(RefCell::new(State::Heard(None)))
    }

    /// Keeps the first error.
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
        let extent = |end, bytes| Extent { end, bytes };
        let extents = [
            extent(2, 4 * mib),
            extent(3, 1),
            extent(4, 9 * mib),
            extent(6, 2),
        ];
        assert_eq!(parts.extents, extents);
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
        // The value of 9 MiB is not kept here, and fetched twice.
        assert_eq!(fetched.get(), 5);
    }

    #[test]
    fn a_value_that_is_a_part_is_its_documents_alone() {
        let parts = Parts::new(&[0, PART + 1, 0, 1]);
        let get = |row: u32| {
            let fetch = |start, count| {
                Ok((start..start + count)
                    .map(std::rc::Rc::new)
                    .collect::<Vec<_>>())
            };
            parts.get(row, fetch).unwrap()
        };
        assert_eq!(std::rc::Rc::try_unwrap(get(1)), Ok(1));
        assert!(std::rc::Rc::try_unwrap(get(3)).is_err(), "it is kept");
    }

    #[test]
    fn the_part_that_was_not_used_for_longest_goes() {
        let parts = Parts::new(&[PART; 6]);
        let fetched = RefCell::new(Vec::new());
        for row in [0, 1, 2, 3, 0, 4, 0, 1] {
            let value = parts.get(row, |start, count| {
                fetched.borrow_mut().push(start);
                Ok((start..start + count).collect())
            });
            assert_eq!(value.unwrap(), row);
        }
        assert_eq!(*fetched.borrow(), [0, 1, 2, 3, 4, 1]);
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
            let recent = parts.recent.borrow();
            assert!(recent.iter().map(|part| part.bytes).sum::<u64>() <= KEPT);
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

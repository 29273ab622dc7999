//! Whether bytes are a `google.protobuf.Struct` within the bounds.

use super::{StructError, utf8};
use crate::bounds::{STRUCT_DEPTH, STRUCT_MERGED};
use crate::protobuf::{Field, Reader, Slice};
use crate::tag;

/// Checks an object with at most `values` values.
pub(super) fn check(slice: Slice<'_>, values: u64) -> Result<(), StructError> {
    Check::within(values).object(slice, STRUCT_DEPTH)
}

/// The same for a list in an object.
pub(super) fn check_list(slice: Slice<'_>, values: u64) -> Result<(), StructError> {
    Check::within(values).list(slice, STRUCT_DEPTH)
}

/// How many values an object may still have. The entries of objects and the values of
/// lists count, those of every depth together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values {
    left: u64,
    most: u64,
}

impl Values {
    pub(super) fn new(most: u64) -> Self {
        Values { left: most, most }
    }

    #[inline]
    pub(super) fn count(&mut self) -> Result<(), StructError> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(StructError::TooManyValues { most: self.most }),
        }
    }
}

/// One level deeper.
pub(super) fn deeper(depth: u32) -> Result<u32, StructError> {
    depth.checked_sub(1).ok_or(StructError::TooDeep)
}

/// What the rest of an object may still have.
struct Check {
    values: Values,
    /// Bytes of messages whose fields have to be merged.
    merged: usize,
}

impl Check {
    fn within(values: u64) -> Check {
        Check {
            values: Values::new(values),
            merged: STRUCT_MERGED,
        }
    }

    fn object(&mut self, slice: Slice<'_>, depth: u32) -> Result<(), StructError> {
        let depth = deeper(depth)?;
        let mut reader = Reader::new(slice);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (tag::structure::FIELDS, Field::Len(entry)) => self.entry(entry, depth)?,
                (tag::structure::FIELDS, _) => return Err(wrong("fields")),
                _ => {}
            }
        }
        Ok(())
    }

    /// One entry of `map<string, Value> fields`.
    fn entry(&mut self, slice: Slice<'_>, depth: u32) -> Result<(), StructError> {
        self.values.count()?;
        let mut values = 0u32;
        let mut reader = Reader::new(slice);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (tag::entry::KEY, Field::Len(key)) => {
                    utf8(key)?;
                }
                (tag::entry::VALUE, Field::Len(value)) => {
                    self.value(value, depth)?;
                    values = values.saturating_add(1);
                }
                (tag::entry::KEY | tag::entry::VALUE, _) => return Err(wrong("a map entry")),
                _ => {}
            }
        }
        self.merge(values, slice)
    }

    fn value(&mut self, slice: Slice<'_>, depth: u32) -> Result<(), StructError> {
        use tag::value as tag;

        let mut messages = 0u32;
        let mut reader = Reader::new(slice);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (tag::NULL | tag::BOOL, Field::Varint(_)) | (tag::NUMBER, Field::Fixed64(_)) => {}
                (tag::STRING, Field::Len(text)) => {
                    utf8(text)?;
                }
                (tag::STRUCT, Field::Len(object)) => {
                    self.object(object, depth)?;
                    messages = messages.saturating_add(1);
                }
                (tag::LIST, Field::Len(list)) => {
                    self.list(list, depth)?;
                    messages = messages.saturating_add(1);
                }
                (
                    tag::NULL | tag::NUMBER | tag::STRING | tag::BOOL | tag::STRUCT | tag::LIST,
                    _,
                ) => {
                    return Err(wrong("a value"));
                }
                _ => {}
            }
        }
        self.merge(messages, slice)
    }

    fn list(&mut self, slice: Slice<'_>, depth: u32) -> Result<(), StructError> {
        let depth = deeper(depth)?;
        let mut reader = Reader::new(slice);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (tag::list::VALUES, Field::Len(value)) => {
                    self.values.count()?;
                    self.value(value, depth)?;
                }
                (tag::list::VALUES, _) => return Err(wrong("values")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Counts a message in which a field occurs so many times that is merged when it
    /// is read. Every level of an object can hold such copies of all that is in it.
    fn merge(&mut self, occurrences: u32, message: Slice<'_>) -> Result<(), StructError> {
        if occurrences > 1 {
            self.merged = self
                .merged
                .checked_sub(message.bytes().len())
                .ok_or(StructError::TooMuchMerged)?;
        }
        Ok(())
    }
}

fn wrong(what: &str) -> StructError {
    StructError::Wire(format!("{what} has the wrong wire type"))
}

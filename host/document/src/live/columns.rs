//! Columns: the values of one field for many rows.

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use super::{LiveError, Result};
use crate::Struct;
use crate::array::Scores;
use crate::ndarray::{Dense, NdArray, NdArrayData};

/// A column of strings laid end to end: value `i` is
/// `bytes[ends[i - 1]..ends[i]]`, and value 0 begins at 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    /// UTF-8.
    pub bytes: Bytes,
    /// One for each row, never decreasing; the last is the length of `bytes`.
    pub ends: Vec<u32>,
}

impl Packed {
    pub(super) fn collect<'a>(
        values: impl Iterator<Item = &'a str> + Clone,
        mut budget: ReadBudget,
    ) -> Result<Self> {
        // Known before anything is allocated: a row may be named often.
        let mut total = 0;
        for value in values.clone() {
            budget.add(value.len())?;
            total += value.len();
        }
        let mut bytes = BytesMut::with_capacity(total);
        let mut ends = Vec::with_capacity(values.size_hint().0);
        for value in values {
            bytes.extend_from_slice(value.as_bytes());
            // Exact: a column is never larger than 32 bits count.
            ends.push(bytes.len() as u32);
        }
        Ok(Packed {
            bytes: bytes.freeze(),
            ends,
        })
    }

    /// The values, as slices of `bytes`.
    pub(super) fn split(&self) -> Result<Vec<ByteString>> {
        let mut start = 0;
        let mut values = Vec::with_capacity(self.ends.len());
        for (row, end) in self.ends.iter().enumerate() {
            let end = *end as usize;
            if end < start || end > self.bytes.len() {
                return Err(LiveError::Invalid(format!(
                    "packed value {row} ends at byte {end}, but must end between {start} and {}",
                    self.bytes.len()
                )));
            }
            let value = ByteString::try_from(self.bytes.slice(start..end))
                .map_err(|_| LiveError::Invalid(format!("packed value {row} is not UTF-8")))?;
            values.push(value);
            start = end;
        }
        if start != self.bytes.len() {
            return Err(LiveError::Invalid(format!(
                "the last packed value ends at byte {start}, but there are {} bytes",
                self.bytes.len()
            )));
        }
        Ok(values)
    }
}

/// The same dense array in every row, stacked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    /// The element type, as numpy spells it.
    pub dtype: ByteString,
    /// The shape of one row's array.
    pub shape: Vec<u32>,
    /// The rows' buffers end to end.
    pub buffer: Bytes,
    /// The library that the arrays are for.
    pub cls_name: ByteString,
}

/// What one read may still come to. A guest may name a row as often as it
/// likes, and what it reads is copied for each time.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadBudget {
    left: u64,
    most: u64,
}

impl ReadBudget {
    pub(super) fn new(most: u64) -> Self {
        ReadBudget { left: most, most }
    }

    pub(super) fn add(&mut self, bytes: usize) -> Result<()> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(LiveError::Limit(format!(
                "the values of these rows are larger than {} bytes together, which is the most \
                 that one call gives; ask for fewer rows at a time, or give the executor more \
                 memory",
                self.most
            ))),
        }
    }
}

/// Parses JSON texts into objects. An empty text means no object.
pub(super) fn structs(texts: &[ByteString]) -> Result<(Vec<Option<Struct>>, usize)> {
    let mut bytes = 0;
    let values = texts.iter().enumerate().map(|(row, text)| {
        if text.is_empty() {
            return Ok(None);
        }
        let value = Struct::from_json(text)
            .map_err(|error| LiveError::Invalid(format!("value {row}: {error}")))?;
        bytes += value.as_bytes().len();
        Ok(Some(value))
    });
    Ok((values.collect::<Result<_>>()?, bytes))
}

/// Bytes that a copy of an array takes, its parameters as JSON.
pub(super) fn ndarray_size(array: &NdArray) -> usize {
    let dense = |dense: &Dense| {
        dense
            .buffer()
            .len()
            .saturating_add(dense.dtype().len())
            .saturating_add(size_of_val(dense.shape()))
    };
    let data = match &array.data {
        None => 0,
        Some(NdArrayData::Dense(data)) => dense(data),
        Some(NdArrayData::Sparse(data)) => dense(&data.indices)
            .saturating_add(dense(&data.values))
            .saturating_add(size_of_val(&*data.shape)),
    };
    // What JSON writes longest is a control character: six bytes for one.
    let parameters = array.parameters.as_ref().map_or(0, |parameters| {
        parameters.as_bytes().len().saturating_mul(6)
    });
    data.saturating_add(array.cls_name.len())
        .saturating_add(parameters)
}

/// Bytes that a copy of a document's scores takes.
pub(super) fn scores_size(scores: &Scores) -> usize {
    scores
        .iter()
        .fold(size_of_val(&**scores), |sum, (name, score)| {
            [name, &score.op_name, &score.description, &score.ref_id]
                .into_iter()
                .fold(sum, |sum, text| sum.saturating_add(text.len()))
        })
}

//! Embeddings of several documents as one matrix.

use std::fmt;

use crate::tensor::{self, Element, NdArray, Numbers};
use crate::{Document, Error, Result};

/// Arrays of equal length, one for each document: a matrix, row after row.
///
/// Made by [`DocumentArray::embeddings`](crate::DocumentArray::embeddings). It owns
/// its numbers, or shares them, so the documents can be changed while it is in use.
/// Cheap to clone.
#[derive(Clone)]
pub struct Matrix<T: Element = f32> {
    rows: usize,
    columns: usize,
    numbers: Numbers<T>,
}

impl<T: Element> Matrix<T> {
    /// How many rows there are: one for each document.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many numbers a row has. 0 if there are no rows.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// All numbers, row after row: `rows * columns` of them.
    pub fn as_slice(&self) -> &[T] {
        self.numbers.as_slice()
    }

    /// One row.
    ///
    /// # Panics
    /// If there are not as many rows.
    #[expect(clippy::indexing_slicing, reason = "documented to panic")]
    pub fn row(&self, row: usize) -> &[T] {
        &self.as_slice()[row * self.columns..(row + 1) * self.columns]
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[T]> {
        (0..self.rows).map(|row| self.row(row))
    }

    /// The numbers as a matrix of the `ndarray` crate, without a copy.
    #[cfg(feature = "ndarray")]
    pub fn view(&self) -> ndarray::ArrayView2<'_, T> {
        let shape = (self.rows, self.columns);
        match ndarray::ArrayView2::from_shape(shape, self.as_slice()) {
            Ok(view) => view,
            Err(_) => unreachable!("a matrix has `rows * columns` numbers"),
        }
    }

    /// The documents' embeddings as they are.
    pub(crate) fn of_embeddings(docs: &[Document]) -> Result<Self> {
        let arrays = embeddings(docs)?;
        let mut columns = Columns::default();
        for (row, array) in arrays.iter().enumerate() {
            let numbers = array
                .as_slice::<T>()
                .map_err(|error| match array.to_vec::<T>() {
                    Ok(_) => {
                        let (own, wanted) = (array.dtype(), T::DTYPE);
                        let message = format_args!(
                            "its embedding has dtype {own}, not {wanted}: use `embeddings_to` to \
                             convert"
                        );
                        at(docs, row, message)
                    }
                    Err(_) => at(docs, row, error.message()),
                })?;
            columns.check(docs, row, numbers.len())?;
        }
        let numbers = match tensor::contiguous(arrays.iter().copied()) {
            Some(numbers) => numbers,
            None => {
                let mut values = Vec::with_capacity(columns.0.saturating_mul(arrays.len()));
                for array in &arrays {
                    values.extend_from_slice(array.as_slice()?);
                }
                values.into()
            }
        };
        Ok(Matrix {
            rows: docs.len(),
            columns: columns.0,
            numbers,
        })
    }

    /// The documents' embeddings, converted if they are of another dtype.
    pub(crate) fn of_converted_embeddings(docs: &[Document]) -> Result<Self> {
        if let Ok(matrix) = Matrix::of_embeddings(docs) {
            return Ok(matrix);
        }
        let mut columns = Columns::default();
        let mut values = Vec::new();
        for (row, array) in embeddings(docs)?.into_iter().enumerate() {
            let numbers = array
                .to_vec::<T>()
                .map_err(|error| at(docs, row, error.message()))?;
            columns.check(docs, row, numbers.len())?;
            values.extend(numbers);
        }
        Ok(Matrix {
            rows: docs.len(),
            columns: columns.0,
            numbers: values.into(),
        })
    }
}

/// Every document's embedding.
fn embeddings(docs: &[Document]) -> Result<Vec<&NdArray>> {
    docs.iter()
        .enumerate()
        .map(|(row, doc)| {
            doc.embedding()
                .ok_or_else(|| at(docs, row, "it has no embedding"))
        })
        .collect()
}

/// How many numbers the first row has.
#[derive(Default)]
struct Columns(usize);

impl Columns {
    fn check(&mut self, docs: &[Document], row: usize, count: usize) -> Result<()> {
        if row == 0 {
            self.0 = count;
        }
        if count != self.0 {
            let first = self.0;
            return Err(at(
                docs,
                row,
                format_args!("its embedding has {count} numbers, and document 0 has {first}"),
            ));
        }
        Ok(())
    }
}

/// An error of one document.
fn at(docs: &[Document], row: usize, message: impl fmt::Display) -> Error {
    let id = docs.get(row).map_or("", Document::id);
    Error::named(
        "TensorError",
        format_args!("document {row} ({id:?}): {message}"),
    )
    .at_document(id)
}

impl<T: Element> fmt::Debug for Matrix<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matrix")
            .field("rows", &self.rows)
            .field("columns", &self.columns)
            .field("dtype", &T::DTYPE)
            .finish_non_exhaustive()
    }
}

//! Documents that executors work on: shared between handles, read and written
//! column by column.
//!
//! The documents of one request are the nodes of an arena. A node starts as a
//! shared reference to the document that came in and gets a copy of its own
//! when it is first written, so that the original stays as it was and a request
//! can be tried again. A document's chunks and matches become nodes when
//! somebody asks for them, and not before.
//!
//! Documents are copied, never shared, when they are put into another array, so
//! the arena is a forest: no document can come to hold itself.

mod arena;
mod bytes;
mod columns;
mod fields;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::bytes::{Bytes, BytesMut};
use bytestring::ByteString;

pub use columns::{Matrix, Packed};
pub use fields::{
    ContentKind, Fields, FloatField, IntegerField, JsonField, NdArrayField, NestedField, Rows,
    ScoreField, StringField,
};

use arena::{Arena, ListId, NodeId, check_rows, pick, pick_each};
use columns::{ReadBudget, ndarray_size, scores_size, structs};
use fields::{ndarray_of, nested_of, set_ndarray, set_string, set_struct, string_of, struct_of};

use crate::array::{Content, Document, DocumentArray, Scores};
use crate::bounds::DIMENSIONS;
use crate::ndarray::{Dense, NdArray, NdArrayData, item_size};
use crate::shown::cut;
use crate::{Limits, random_ids};

/// Why an operation was refused. The array is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// A row that the array does not have.
    #[error("{0}")]
    OutOfRange(String),
    /// A value that the field cannot hold.
    #[error("{0}")]
    Invalid(String),
    /// More documents, or deeper ones, than [`Limits`] allow.
    #[error("{0}")]
    Limit(String),
}

type Result<T, E = LiveError> = std::result::Result<T, E>;

/// Bytes that one read may come to if nobody sets a lower bound: what a 32-bit
/// guest can address, and what the ends of a [`Packed`] can count.
const MAX_READ: u64 = u32::MAX as u64;

/// A handle to an array of an arena: what a WIT `document-array` stands for. Its
/// operations are documented there.
///
/// Several tasks may use the handles of one request. Each operation locks the
/// arena, so they take turns; no operation waits while it holds the lock.
#[derive(Debug)]
pub struct LiveArray {
    arena: Arc<Mutex<Arena>>,
    list: ListId,
}

impl LiveArray {
    /// Takes documents to work on. The array itself stays as it is.
    pub fn new(docs: DocumentArray, limits: Limits) -> Self {
        LiveArray::with_column_limit(docs, limits, MAX_READ)
    }

    /// The same with a bound on the bytes that one read may come to. What a guest
    /// reads is copied, and it may name one row again and again.
    pub fn with_column_limit(docs: DocumentArray, limits: Limits, bytes: u64) -> Self {
        let (arena, list) = Arena::new(&docs, limits, bytes.min(MAX_READ));
        LiveArray {
            arena: Arc::new(Mutex::new(arena)),
            list,
        }
    }

    /// An empty array of its own.
    pub fn empty(limits: Limits) -> Self {
        LiveArray::new(DocumentArray::new(), limits)
    }

    /// The documents as they are now. Those that nobody wrote to are shared
    /// with the array that came in.
    pub fn snapshot(&self) -> DocumentArray {
        let mut arena = self.lock();
        let nodes = arena.lists[self.list].nodes.clone();
        arena.resolve_all(nodes).into()
    }

    /// By how many bytes all documents behind these handles can have grown, once
    /// encoded, or none if some were put in. This is known without looking at them,
    /// and it is much too large if values were written over again and again.
    ///
    /// It says nothing of an array that lists documents more than once, which only
    /// [`select`](Self::select) and [`flatten`](Self::flatten) give.
    pub fn grown_at_most(&self) -> Option<u64> {
        self.lock().growth.at_most()
    }

    /// Another handle to the same array.
    #[must_use]
    pub fn share(&self) -> Self {
        self.handle(&mut self.lock(), self.list)
    }

    // No operation can panic while the arena is half changed, so a poisoned lock
    // guards nothing, and one request of a guest must not make others fail.
    fn lock(&self) -> MutexGuard<'_, Arena> {
        self.arena.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, arena: &mut Arena, list: ListId) -> Self {
        arena.lists[list].handles += 1;
        LiveArray {
            arena: self.arena.clone(),
            list,
        }
    }

    // --- which documents ----------------------------------------------------

    /// How many documents there are.
    pub fn length(&self) -> u32 {
        self.lock().lists[self.list].nodes.len() as u32
    }

    /// The given rows as an array that shares them.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn select(&self, rows: &Rows) -> Result<LiveArray> {
        let mut arena = self.lock();
        let nodes = arena.pick(self.list, rows)?.into_owned();
        let list = arena.list(nodes, None);
        Ok(self.handle(&mut arena, list))
    }

    /// All documents at `path` below every row, in order.
    ///
    /// # Errors
    /// If a limit is hit: an array may list a document more than once.
    pub fn flatten(&self, path: &[NestedField]) -> Result<LiveArray> {
        let mut arena = self.lock();
        let mut nodes = arena.lists[self.list].nodes.clone();
        for field in path {
            if nodes.is_empty() {
                break;
            }
            let mut below = Vec::new();
            for node in nodes {
                let list = arena.nested(node, *field);
                let more = &arena.lists[list].nodes;
                check_rows(below.len().saturating_add(more.len()), arena.limits)?;
                below.extend_from_slice(more);
            }
            nodes = below;
        }
        let list = arena.list(nodes, None);
        Ok(self.handle(&mut arena, list))
    }

    /// One row's chunks or matches, to read and to change in place.
    ///
    /// # Errors
    /// If the row does not exist.
    pub fn nested(&self, field: NestedField, row: u32) -> Result<LiveArray> {
        let mut arena = self.lock();
        let node = arena.pick_one(self.list, row)?;
        let list = arena.nested(node, field);
        Ok(self.handle(&mut arena, list))
    }

    /// How many chunks or matches each row has.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn nested_lengths(&self, field: NestedField, rows: &Rows) -> Result<Vec<u32>> {
        let arena = self.lock();
        let nodes = arena.pick(self.list, rows)?;
        Ok(nodes
            .iter()
            .map(|node| {
                let node = &arena.nodes[*node];
                let len = match node.nested.get(field) {
                    Some(list) => arena.lists[list].nodes.len(),
                    None => nested_of(&node.doc, field).len(),
                };
                len as u32
            })
            .collect())
    }

    /// Makes copies of all of `source` the row's chunks or matches. Those that
    /// were not there before are marked as docarray marks them.
    ///
    /// # Errors
    /// If the row does not exist, or a limit is hit.
    pub fn set_nested(&self, field: NestedField, row: u32, source: &LiveArray) -> Result<()> {
        let (docs, copies) = {
            let mut arena = source.lock();
            let docs = arena.resolve_rows(source.list, &Rows::All)?;
            let nodes = &arena.lists[source.list].nodes;
            let copies: Vec<_> = nodes
                .iter()
                .map(|node| arena.nodes[*node].copy_of.clone())
                .collect();
            (docs, copies)
        };
        let mut arena = self.lock();
        let node = arena.pick_one(self.list, row)?;
        let list = arena.nested(node, field);
        // These stay alive while their addresses are compared.
        let before = arena.resolve_rows(list, &Rows::All)?;
        let before_at: HashSet<_> = before.iter().map(Arc::as_ptr).collect();
        let newcomers: Vec<_> = docs
            .iter()
            .zip(&copies)
            .map(|(doc, copy_of)| {
                let was_there = |doc: &Arc<Document>| before_at.contains(&Arc::as_ptr(doc));
                !was_there(doc) && !copy_of.as_ref().is_some_and(was_there)
            })
            .collect();
        let nodes = arena.admit(list, docs, newcomers)?;
        arena.lists[list].nodes = nodes;
        Ok(())
    }

    /// Appends `count` empty documents with random ids.
    ///
    /// # Errors
    /// If a limit is hit.
    pub fn append_new(&self, count: u32) -> Result<()> {
        // Checked before the documents are made.
        self.lock().make_room(u64::from(count))?;
        let docs = random_ids(count as usize)
            .into_iter()
            .map(|id| {
                Arc::new(Document {
                    id,
                    ..Document::default()
                })
            })
            .collect();
        self.put(None, docs, false)
    }

    /// Appends copies of the rows of `source`.
    ///
    /// # Errors
    /// If a row does not exist, or a limit is hit.
    pub fn extend(&self, source: &LiveArray, rows: &Rows) -> Result<()> {
        let docs = source.lock().resolve_rows(source.list, rows)?;
        self.put(None, docs, true)
    }

    /// Puts copies of the rows of `source` before row `at`.
    ///
    /// # Errors
    /// If a row does not exist, or a limit is hit.
    pub fn insert(&self, at: u32, source: &LiveArray, rows: &Rows) -> Result<()> {
        let docs = source.lock().resolve_rows(source.list, rows)?;
        self.put(Some(at), docs, true)
    }

    fn put(&self, at: Option<u32>, docs: Vec<Arc<Document>>, copied: bool) -> Result<()> {
        let mut arena = self.lock();
        let len = arena.lists[self.list].nodes.len();
        let at = at.map_or(len, |at| at as usize);
        if at > len {
            return Err(LiveError::OutOfRange(format!(
                "documents were to be put before row {at}, but the array has {len}"
            )));
        }
        let copies = if copied { docs.clone() } else { Vec::new() };
        let nodes = arena.admit(self.list, docs, std::iter::repeat(true))?;
        for (node, copy_of) in nodes.iter().zip(copies) {
            arena.nodes[*node].copy_of = Some(copy_of);
        }
        arena.lists[self.list].nodes.splice(at..at, nodes);
        Ok(())
    }

    /// Keeps exactly the rows named, in that order.
    ///
    /// # Errors
    /// If a row does not exist, or is named twice.
    pub fn arrange(&self, order: &[u32]) -> Result<()> {
        let mut arena = self.lock();
        let nodes = pick_each(&arena.lists[self.list].nodes, order, arena.limits)?;
        let mut seen = HashSet::with_capacity(order.len());
        if let Some(twice) = order.iter().find(|row| !seen.insert(**row)) {
            return Err(LiveError::Invalid(format!(
                "row {twice} is named twice; use `extend` to copy documents"
            )));
        }
        arena.lists[self.list].nodes = nodes;
        Ok(())
    }

    // --- their fields -------------------------------------------------------

    /// A value of each row. `size` is what copying one takes in addition to what
    /// every row takes.
    fn read<T>(
        &self,
        rows: &Rows,
        get: impl Fn(&Document) -> T,
        size: impl Fn(&T) -> usize,
    ) -> Result<Vec<T>> {
        let arena = self.lock();
        let nodes = arena.pick(self.list, rows)?;
        let mut budget = ReadBudget::new(arena.read_limit);
        let mut values = Vec::with_capacity(nodes.len());
        for node in nodes.iter() {
            let value = get(&arena.nodes[*node].doc);
            budget.add(size(&value))?;
            values.push(value);
        }
        Ok(values)
    }

    /// Writes a value of each row. `bytes` is what they come to together.
    fn write<T>(
        &self,
        rows: &Rows,
        values: impl ExactSizeIterator<Item = T>,
        bytes: usize,
        set: impl Fn(&mut Document, T),
    ) -> Result<()> {
        self.write_all(rows, values.len(), || Ok((values, bytes)), set)
    }

    /// Writes values that have to be made first, one for each row. `given` is how
    /// many there are; what makes them says how many bytes they come to.
    fn write_all<T, I: IntoIterator<Item = T>>(
        &self,
        rows: &Rows,
        given: usize,
        values: impl FnOnce() -> Result<(I, usize)>,
        set: impl Fn(&mut Document, T),
    ) -> Result<()> {
        let mut arena = self.lock();
        let arena = &mut *arena;
        let nodes = pick(&arena.lists[self.list].nodes, rows, arena.limits)?;
        if nodes.len() != given {
            return Err(LiveError::Invalid(format!(
                "{given} values were given for {} rows",
                nodes.len()
            )));
        }
        let (values, bytes) = values()?;
        arena.growth.write(given, bytes);
        for (node, value) in nodes.iter().zip(values) {
            set(Arc::make_mut(&mut arena.nodes[*node].doc), value);
        }
        Ok(())
    }

    /// A string of each row, empty if it is unset.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn strings(&self, field: StringField, rows: &Rows) -> Result<Vec<ByteString>> {
        self.read(rows, |doc| string_of(doc, field).clone(), |text| text.len())
    }

    /// Writes a string of each row.
    ///
    /// # Errors
    /// If a row does not exist, or there are not as many values as rows.
    pub fn set_strings(
        &self,
        field: StringField,
        rows: &Rows,
        values: Vec<ByteString>,
    ) -> Result<()> {
        let bytes = values.iter().map(|text| text.len()).sum();
        self.write(rows, values.into_iter(), bytes, |doc, value| {
            set_string(doc, field, value);
        })
    }

    /// [`strings`](Self::strings) in one buffer.
    ///
    /// # Errors
    /// If a row does not exist, or they are larger together than one read may be.
    pub fn packed_strings(&self, field: StringField, rows: &Rows) -> Result<Packed> {
        let arena = self.lock();
        let nodes = arena.pick(self.list, rows)?;
        Packed::collect(
            nodes
                .iter()
                .map(|node| &**string_of(&arena.nodes[*node].doc, field)),
            ReadBudget::new(arena.read_limit),
        )
    }

    /// [`set_strings`](Self::set_strings) from one buffer, which is shared and
    /// not copied.
    ///
    /// # Errors
    /// As there, and if the buffer is not well formed.
    pub fn set_packed_strings(
        &self,
        field: StringField,
        rows: &Rows,
        values: Packed,
    ) -> Result<()> {
        self.write_all(
            rows,
            values.ends.len(),
            || Ok((values.split()?, values.bytes.len())),
            |doc, value| set_string(doc, field, value),
        )
    }

    /// A JSON object of each row, the empty string if it is unset.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn json_objects(&self, field: JsonField, rows: &Rows) -> Result<Vec<ByteString>> {
        self.read(
            rows,
            |doc| {
                struct_of(doc, field).map_or_else(ByteString::new, |value| value.to_json().into())
            },
            |text| text.len(),
        )
    }

    /// Writes a JSON object of each row; the empty string unsets it.
    ///
    /// # Errors
    /// If a row does not exist, there are not as many values as rows, or one
    /// is not a JSON object.
    pub fn set_json_objects(
        &self,
        field: JsonField,
        rows: &Rows,
        values: Vec<ByteString>,
    ) -> Result<()> {
        self.write_all(
            rows,
            values.len(),
            || structs(&values),
            |doc, value| set_struct(doc, field, value),
        )
    }

    /// [`json_objects`](Self::json_objects) in one buffer.
    ///
    /// # Errors
    /// If a row does not exist, or they are larger together than one read may be.
    pub fn packed_json_objects(&self, field: JsonField, rows: &Rows) -> Result<Packed> {
        let values = self.json_objects(field, rows)?;
        // They were read within the bound.
        Packed::collect(
            values.iter().map(|value| &**value),
            ReadBudget::new(MAX_READ),
        )
    }

    /// [`set_json_objects`](Self::set_json_objects) from one buffer.
    ///
    /// # Errors
    /// As there, and if the buffer is not well formed.
    pub fn set_packed_json_objects(
        &self,
        field: JsonField,
        rows: &Rows,
        values: Packed,
    ) -> Result<()> {
        self.write_all(
            rows,
            values.ends.len(),
            || structs(&values.split()?),
            |doc, value| set_struct(doc, field, value),
        )
    }

    /// A number of each row, 0 if it is unset.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn integers(&self, field: IntegerField, rows: &Rows) -> Result<Vec<u32>> {
        self.read(
            rows,
            |doc| match field {
                IntegerField::Granularity => doc.granularity,
                IntegerField::Adjacency => doc.adjacency,
            },
            |_| 0,
        )
    }

    /// Writes a number of each row.
    ///
    /// # Errors
    /// If a row does not exist, or there are not as many values as rows.
    pub fn set_integers(&self, field: IntegerField, rows: &Rows, values: &[u32]) -> Result<()> {
        self.write(rows, values.iter(), 0, |doc, value| match field {
            IntegerField::Granularity => doc.granularity = *value,
            IntegerField::Adjacency => doc.adjacency = *value,
        })
    }

    /// A number of each row, 0 if it is unset.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn floats(&self, field: FloatField, rows: &Rows) -> Result<Vec<f32>> {
        self.read(
            rows,
            |doc| match field {
                FloatField::Weight => doc.weight,
                FloatField::Offset => doc.offset,
            },
            |_| 0,
        )
    }

    /// Writes a number of each row.
    ///
    /// # Errors
    /// If a row does not exist, or there are not as many values as rows.
    pub fn set_floats(&self, field: FloatField, rows: &Rows, values: &[f32]) -> Result<()> {
        self.write(rows, values.iter(), 0, |doc, value| match field {
            FloatField::Weight => doc.weight = *value,
            FloatField::Offset => doc.offset = *value,
        })
    }

    /// The location of each row, empty if it is unset.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn locations(&self, rows: &Rows) -> Result<Vec<Vec<f32>>> {
        self.read(
            rows,
            |doc| doc.location.clone(),
            |location| size_of_val(&**location),
        )
    }

    /// Writes the location of each row.
    ///
    /// # Errors
    /// If a row does not exist, or there are not as many values as rows.
    pub fn set_locations(&self, rows: &Rows, values: Vec<Vec<f32>>) -> Result<()> {
        let bytes = values.iter().map(|location| size_of_val(&**location)).sum();
        self.write(rows, values.into_iter(), bytes, |doc, value| {
            doc.location = value;
        })
    }

    /// Which content each row has.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn contents(&self, rows: &Rows) -> Result<Vec<ContentKind>> {
        self.read(
            rows,
            |doc| match doc.content {
                Content::None => ContentKind::None,
                Content::Text(_) => ContentKind::Text,
                Content::Blob(_) => ContentKind::Blob,
                Content::Tensor(_) => ContentKind::Tensor,
            },
            |_| 0,
        )
    }

    /// The blob of each row, empty if the content is something else.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn blobs(&self, rows: &Rows) -> Result<Vec<Bytes>> {
        self.read(
            rows,
            |doc| match &doc.content {
                Content::Blob(blob) => blob.clone(),
                _ => Bytes::new(),
            },
            Bytes::len,
        )
    }

    /// Makes a blob the content of each row.
    ///
    /// # Errors
    /// If a row does not exist, or there are not as many values as rows.
    pub fn set_blobs(&self, rows: &Rows, values: Vec<Bytes>) -> Result<()> {
        let bytes = values.iter().map(Bytes::len).sum();
        self.write(rows, values.into_iter(), bytes, |doc, value| {
            doc.content = Content::Blob(value);
        })
    }

    /// An array of each row. An array without data, which only a client can
    /// make, reads as none.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn ndarrays(&self, field: NdArrayField, rows: &Rows) -> Result<Vec<Option<NdArray>>> {
        self.read(
            rows,
            |doc| {
                ndarray_of(doc, field)
                    .filter(|array| array.data.is_some())
                    .map(|array| NdArray::clone(array))
            },
            |array| array.as_ref().map_or(0, ndarray_size),
        )
    }

    /// Writes an array of each row; none unsets it.
    ///
    /// # Errors
    /// If a row does not exist, or there are not as many values as rows.
    pub fn set_ndarrays(
        &self,
        field: NdArrayField,
        rows: &Rows,
        values: Vec<Option<NdArray>>,
    ) -> Result<()> {
        let bytes = values.iter().flatten().map(ndarray_size).sum();
        self.write(rows, values.into_iter(), bytes, |doc, value| {
            set_ndarray(doc, field, value.map(Arc::new));
        })
    }

    /// The rows' arrays stacked, or none unless all of them are dense, without
    /// parameters, and of one dtype, shape and library. None if there are no rows.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn matrix(&self, field: NdArrayField, rows: &Rows) -> Result<Option<Matrix>> {
        let arena = self.lock();
        let nodes = arena.pick(self.list, rows)?;
        let Some(first) = nodes.first() else {
            return Ok(None);
        };
        let array = |node: &NodeId| {
            let array = ndarray_of(&arena.nodes[*node].doc, field)?;
            let plain = array.parameters.is_none();
            plain.then_some((array.dense()?, &array.cls_name))
        };
        let Some((model, cls_name)) = array(first) else {
            return Ok(None);
        };
        let total = model.buffer().len().saturating_mul(nodes.len());
        let mut buffer = BytesMut::with_capacity(total.min(arena.read_limit as usize));
        let mut budget = ReadBudget::new(arena.read_limit);
        for node in nodes.iter() {
            match array(node) {
                Some((dense, name))
                    if name == cls_name
                        && dense.dtype() == model.dtype()
                        && dense.shape() == model.shape()
                        && dense.buffer().len() == model.buffer().len() =>
                {
                    budget.add(dense.buffer().len())?;
                    buffer.extend_from_slice(dense.buffer());
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(Matrix {
            dtype: model.dtype().clone(),
            shape: model.shape().to_vec(),
            buffer: buffer.freeze(),
            cls_name: cls_name.clone(),
        }))
    }

    /// Writes the same dense array of each row. The buffer is shared between
    /// the rows and not copied.
    ///
    /// # Errors
    /// If a row does not exist, the dtype is not a number's, there are too many
    /// dimensions, or the buffer is not as long as the rows need.
    pub fn set_matrix(&self, field: NdArrayField, rows: &Rows, matrix: Matrix) -> Result<()> {
        let count = self.lock().pick(self.list, rows)?.len();
        let Matrix {
            dtype,
            shape,
            buffer,
            cls_name,
        } = matrix;
        if shape.len() > DIMENSIONS {
            return Err(LiveError::Invalid(format!(
                "the shape has {} dimensions; an array has {DIMENSIONS} at most",
                shape.len()
            )));
        }
        let size = item_size(&dtype).ok_or_else(|| {
            LiveError::Invalid(format!(
                "the size of one element of dtype {:?} is not known",
                cut(&dtype)
            ))
        })?;
        let row = shape
            .iter()
            .try_fold(size, |product, dim| product.checked_mul(u64::from(*dim)));
        let needed = row.and_then(|row| row.checked_mul(count as u64));
        let (Some(row), true) = (row, needed == Some(buffer.len() as u64)) else {
            return Err(LiveError::Invalid(format!(
                "{count} rows of shape {shape:?} and dtype {} need {} bytes, but there are {}",
                cut(&dtype),
                needed.map_or_else(|| "more than 2^64".to_owned(), |needed| needed.to_string()),
                buffer.len()
            )));
        };
        let row = row as usize;
        let values = (0..count)
            .map(|index| {
                let dense = Dense::new(
                    dtype.clone(),
                    shape.clone(),
                    buffer.slice(index * row..(index + 1) * row),
                )
                .map_err(|error| LiveError::Invalid(error.to_string()))?;
                Ok(Some(NdArray {
                    data: Some(NdArrayData::Dense(dense)),
                    cls_name: cls_name.clone(),
                    parameters: None,
                }))
            })
            .collect::<Result<Vec<_>>>()?;
        self.set_ndarrays(field, rows, values)
    }

    /// The scores of each row.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn scores(&self, field: ScoreField, rows: &Rows) -> Result<Vec<Scores>> {
        self.read(
            rows,
            |doc| match field {
                ScoreField::Scores => doc.scores.clone(),
                ScoreField::Evaluations => doc.evaluations.clone(),
            },
            scores_size,
        )
    }

    /// Writes the scores of each row. Of a repeated name the last counts.
    ///
    /// # Errors
    /// If a row does not exist, or there are not as many values as rows.
    pub fn set_scores(&self, field: ScoreField, rows: &Rows, values: Vec<Scores>) -> Result<()> {
        let bytes = values.iter().map(scores_size).sum();
        self.write(rows, values.into_iter(), bytes, |doc, mut value| {
            let mut names = HashSet::new();
            value.reverse();
            value.retain(|(name, _)| names.insert(name.clone()));
            value.reverse();
            match field {
                ScoreField::Scores => doc.scores = value,
                ScoreField::Evaluations => doc.evaluations = value,
            }
        })
    }

    /// Unsets the given fields.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn clear(&self, fields: Fields, rows: &Rows) -> Result<()> {
        let mut arena = self.lock();
        let nodes = arena.pick(self.list, rows)?.into_owned();
        let blank = Document::default();
        for node in nodes {
            let doc = Arc::make_mut(&mut arena.nodes[node].doc);
            fields.copy(&blank, doc);
            for (flag, field) in [
                (Fields::CHUNKS, NestedField::Chunks),
                (Fields::MATCHES, NestedField::Matches),
            ] {
                if let (true, Some(list)) =
                    (fields.contains(flag), arena.nodes[node].nested.get(field))
                {
                    arena.lists[list].nodes.clear();
                }
            }
        }
        Ok(())
    }
}

impl Drop for LiveArray {
    fn drop(&mut self) {
        let mut arena = self.lock();
        let list = &mut arena.lists[self.list];
        list.handles -= 1;
        if list.handles == 0 && list.owner.is_none() {
            list.nodes = Vec::new();
            arena.free.push(self.list);
        }
    }
}

#[cfg(test)]
mod tests;

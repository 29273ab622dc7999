//! Where rows read from: an array in the host and the columns that were fetched
//! from it.

#![expect(
    clippy::indexing_slicing,
    reason = "a field's number indexes an array that has an element for each field"
)]

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::document::NamedScore;
use crate::raw::{
    self, Array, FloatField, IntegerField, JsonField, NdarrayField, NestedField, Rows, ScoreField,
    StringField,
};
use crate::tensor::{self, NdArray};
use crate::{Document, Result, config};

/// Scores by name.
pub(crate) type Scores = BTreeMap<String, NamedScore>;

/// An array as it was when the SDK received it. Its documents are not written
/// before the handler returns; see [`commit`](crate::commit).
pub(crate) struct Source {
    handle: Array,
    /// A copy of the documents. It is made if those of `handle` are about to be
    /// written while a document still reads from here.
    copy: OnceCell<Array>,
    len: u32,
    strings: [OnceCell<Strings>; 6],
    objects: [OnceCell<Objects>; 2],
    integers: [OnceCell<Vec<u32>>; 2],
    floats: [OnceCell<Vec<f32>>; 2],
    locations: OnceCell<Vec<Vec<f32>>>,
    contents: OnceCell<Vec<raw::Content>>,
    blobs: OnceCell<Vec<Vec<u8>>>,
    arrays: [OnceCell<Vec<Option<NdArray>>>; 2],
    scores: [OnceCell<Vec<Scores>>; 2],
    nested: [OnceCell<Nested>; 2],
}

/// The chunks, or the matches, of all rows of a source.
pub(crate) struct Nested {
    pub(crate) source: Rc<Source>,
    /// A row's documents are those from `ends[row - 1]` to `ends[row]`.
    ends: Vec<u32>,
}

impl Nested {
    pub(crate) fn range(&self, row: u32) -> std::ops::Range<u32> {
        let at = |index: Option<usize>| index.and_then(|index| self.ends.get(index).copied());
        let row = row as usize;
        at(row.checked_sub(1)).unwrap_or(0)..at(Some(row)).unwrap_or(0)
    }
}

/// A column of strings, end to end in UTF-8.
struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    fn new(packed: raw::Packed) -> Self {
        // The host promises UTF-8. If it breaks the promise, the text has
        // replacement characters.
        let text = String::from_utf8(packed.bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Strings {
            text,
            ends: packed.ends,
        }
    }

    fn get(&self, row: u32) -> &str {
        let row = row as usize;
        let start = match row.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
            None => 0,
        };
        let end = self.ends.get(row).copied().unwrap_or(start);
        self.text
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }
}

/// A column of JSON objects, each parsed when it is first read.
struct Objects {
    json: Strings,
    parsed: Vec<OnceCell<Map<String, Value>>>,
}

/// Called if a column has no value for a row. Cannot happen: rows are made from
/// the array's length.
fn missing(row: u32, len: u32) -> ! {
    #[expect(
        clippy::panic,
        reason = "a column that is shorter than its array is a fault in the host"
    )]
    {
        panic!("the host gave fewer values than the array has documents: row {row} of {len}")
    }
}

/// Unwraps a column. Every row exists and every field can be read, so an error
/// means that the host refuses to go on.
fn read<T>(column: &str, result: Result<T>) -> T {
    match result {
        Ok(column) => column,
        #[expect(
            clippy::panic,
            reason = "getters return references, not errors; the host reports the panic"
        )]
        Err(error) => panic!("the host refused to read the documents' {column}: {error}"),
    }
}

impl Source {
    pub(crate) fn new(handle: Array) -> Rc<Self> {
        let len = handle.length();
        Source::with_len(handle, len)
    }

    /// Of an array whose length is known.
    pub(crate) fn with_len(handle: Array, len: u32) -> Rc<Self> {
        Rc::new(Source {
            handle,
            copy: OnceCell::new(),
            len,
            strings: Default::default(),
            objects: Default::default(),
            integers: Default::default(),
            floats: Default::default(),
            locations: OnceCell::new(),
            contents: OnceCell::new(),
            blobs: OnceCell::new(),
            arrays: Default::default(),
            scores: Default::default(),
            nested: Default::default(),
        })
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The array that the documents are read from.
    pub(crate) fn handle(&self) -> &Array {
        self.copy.get().unwrap_or(&self.handle)
    }

    /// The array that the documents are written to.
    pub(crate) fn target(&self) -> &Array {
        &self.handle
    }

    /// Makes reads from here, and from the chunks and matches that were fetched,
    /// independent of the writes to come. The host copies little: it shares what
    /// is not written.
    pub(crate) fn detach(&self) -> Result<()> {
        if self.copy.get().is_none() {
            let copy = Array::new();
            copy.extend(&self.handle, &Rows::All)?;
            let _ = self.copy.set(copy);
        }
        self.nested
            .iter()
            .filter_map(OnceCell::get)
            .try_for_each(|nested| nested.source.detach())
    }

    /// A document for each row.
    pub(crate) fn documents(self: &Rc<Self>) -> Vec<Document> {
        self.slice(0..self.len)
    }

    pub(crate) fn slice(self: &Rc<Self>, rows: std::ops::Range<u32>) -> Vec<Document> {
        rows.map(|row| Document::from_row(self.clone(), row))
            .collect()
    }

    fn strings(&self, field: StringField) -> &Strings {
        self.strings[field as usize]
            .get_or_init(|| Strings::new(read("strings", self.handle().strings(field, &Rows::All))))
    }

    pub(crate) fn string(&self, field: StringField, row: u32) -> &str {
        self.strings(field).get(row)
    }

    fn objects(&self, field: JsonField) -> &Objects {
        self.objects[field as usize].get_or_init(|| Objects {
            json: Strings::new(read("tags", self.handle().json_objects(field, &Rows::All))),
            parsed: (0..self.len).map(|_| OnceCell::new()).collect(),
        })
    }

    pub(crate) fn object(&self, field: JsonField, row: u32) -> &Map<String, Value> {
        let objects = self.objects(field);
        let Some(cell) = objects.parsed.get(row as usize) else {
            missing(row, self.len)
        };
        cell.get_or_init(|| config::parse_object(objects.json.get(row)).unwrap_or_default())
    }

    fn integers(&self, field: IntegerField) -> &[u32] {
        self.integers[field as usize]
            .get_or_init(|| read("numbers", self.handle().integers(field, &Rows::All)))
    }

    pub(crate) fn integer(&self, field: IntegerField, row: u32) -> u32 {
        self.integers(field)
            .get(row as usize)
            .copied()
            .unwrap_or_else(|| missing(row, self.len))
    }

    fn floats(&self, field: FloatField) -> &[f32] {
        self.floats[field as usize]
            .get_or_init(|| read("numbers", self.handle().floats(field, &Rows::All)))
    }

    pub(crate) fn float(&self, field: FloatField, row: u32) -> f32 {
        self.floats(field)
            .get(row as usize)
            .copied()
            .unwrap_or_else(|| missing(row, self.len))
    }

    fn locations(&self) -> &[Vec<f32>] {
        self.locations
            .get_or_init(|| read("locations", self.handle().locations(&Rows::All)))
    }

    pub(crate) fn location(&self, row: u32) -> &[f32] {
        self.locations()
            .get(row as usize)
            .unwrap_or_else(|| missing(row, self.len))
    }

    fn contents(&self) -> &[raw::Content] {
        self.contents
            .get_or_init(|| read("contents", self.handle().contents(&Rows::All)))
    }

    pub(crate) fn content(&self, row: u32) -> raw::Content {
        self.contents()
            .get(row as usize)
            .copied()
            .unwrap_or_else(|| missing(row, self.len))
    }

    fn blobs(&self) -> &[Vec<u8>] {
        self.blobs
            .get_or_init(|| read("blobs", self.handle().blobs(&Rows::All)))
    }

    pub(crate) fn blob(&self, row: u32) -> &[u8] {
        self.blobs()
            .get(row as usize)
            .unwrap_or_else(|| missing(row, self.len))
    }

    fn arrays(&self, field: NdarrayField) -> &[Option<NdArray>] {
        self.arrays[field as usize].get_or_init(|| {
            if self.len == 0 {
                return Vec::new();
            }
            let handle = self.handle();
            if let Some(matrix) = read("arrays", handle.matrix(field, &Rows::All)) {
                return tensor::from_matrix(matrix, self.len as usize)
                    .into_iter()
                    .map(Some)
                    .collect();
            }
            read("arrays", handle.ndarrays(field, &Rows::All))
                .into_iter()
                .map(|array| array.map(NdArray::from))
                .collect()
        })
    }

    pub(crate) fn array(&self, field: NdarrayField, row: u32) -> Option<&NdArray> {
        self.arrays(field)
            .get(row as usize)
            .unwrap_or_else(|| missing(row, self.len))
            .as_ref()
    }

    pub(crate) fn scores(&self, field: ScoreField, row: u32) -> &Scores {
        self.all_scores(field)
            .get(row as usize)
            .unwrap_or_else(|| missing(row, self.len))
    }

    fn all_scores(&self, field: ScoreField) -> &[Scores] {
        self.scores[field as usize].get_or_init(|| {
            read("scores", self.handle().scores(field, &Rows::All))
                .into_iter()
                .map(|scores| {
                    scores
                        .into_iter()
                        .map(|(name, score)| (name, score.into()))
                        .collect()
                })
                .collect()
        })
    }

    /// The chunks or matches of all rows, if they were fetched.
    pub(crate) fn known_nested(&self, field: NestedField) -> Option<&Nested> {
        self.nested[field as usize].get()
    }

    /// The chunks or matches of all rows. This takes two calls of the host,
    /// whatever the number of rows.
    pub(crate) fn nested(&self, field: NestedField) -> &Nested {
        self.nested[field as usize].get_or_init(|| {
            let handle = self.handle();
            let mut ends = read("chunks", handle.nested_lengths(field, &Rows::All));
            let mut total = 0u32;
            for end in &mut ends {
                total = total.saturating_add(*end);
                *end = total;
            }
            let flat = if total == 0 {
                Array::new()
            } else {
                read("chunks", handle.flatten(&[field]))
            };
            Nested {
                source: Source::new(flat),
                ends,
            }
        })
    }
}

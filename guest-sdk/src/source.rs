//! Where rows read from: an array in the host and the columns that were fetched
//! from it.

#![expect(
    clippy::indexing_slicing,
    reason = "a field's number indexes an array that has an element for each field"
)]

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::column::{Column, PART, Parts, Refused, too_few};
use crate::document::{Fetched, NamedScore};
use crate::raw::{
    self, Array, Fields, FloatField, IntegerField, JsonField, NdarrayField, NestedField, Rows,
    ScoreField, StringField,
};
use crate::tensor::{self, NdArray};
use crate::{Document, Error, Result, config};

/// Scores by name.
pub(crate) type Scores = BTreeMap<String, NamedScore>;

/// A blob, which a document may keep.
type Blob = Rc<Vec<u8>>;

type ArrayColumn = Column<Vec<Option<NdArray>>, Option<NdArray>>;

/// An array as it was when the SDK received it. Its documents are not written
/// before the handler returns; see [`commit`](crate::commit).
pub(crate) struct Source {
    handle: Array,
    /// A copy of the documents. It is made if those of `handle` are about to be
    /// written while a document still reads from here.
    copy: OnceCell<Array>,
    len: u32,
    /// Where it is noted that the host refused to read a column.
    refused: Rc<Refused>,
    /// By `StringField`. Those of the text have a column of their own.
    strings: [OnceCell<Strings>; 6],
    texts: OnceCell<Column<Strings, Rc<str>>>,
    objects: [OnceCell<Objects>; 2],
    integers: [OnceCell<Vec<u32>>; 2],
    floats: [OnceCell<Vec<f32>>; 2],
    locations: OnceCell<Vec<Vec<f32>>>,
    contents: OnceCell<Vec<raw::Content>>,
    blobs: OnceCell<Column<Vec<Blob>, Blob>>,
    /// By `NdarrayField`.
    arrays: [OnceCell<ArrayColumn>; 2],
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
#[derive(Default)]
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

static NO_OBJECT: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
static NO_SCORES: Scores = Scores::new();

impl Source {
    /// Documents that are not a call's: see [`Refused`].
    pub(crate) fn new(handle: Array) -> Rc<Self> {
        let len = handle.length();
        Source::of_call(handle, len, Rc::default())
    }

    /// Documents of a call, whose number is known.
    pub(crate) fn of_call(handle: Array, len: u32, refused: Rc<Refused>) -> Rc<Self> {
        Rc::new(Source {
            handle,
            copy: OnceCell::new(),
            len,
            refused,
            strings: Default::default(),
            texts: OnceCell::new(),
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

    // --- what the host refuses ----------------------------------------------

    /// What was read, or nothing if the host refused.
    fn read<T: Default>(&self, column: &str, result: Result<T>) -> T {
        result.unwrap_or_else(|error| {
            self.refused.note(error.context(format_args!(
                "the host refused to read the documents' {column}"
            )));
            T::default()
        })
    }

    /// A row's object, or an empty one if what the host gave is not one.
    fn parsed(&self, name: &str, row: u32, json: &str) -> Map<String, Value> {
        config::parse_object(json).unwrap_or_else(|error| {
            self.refused.note(Error::named(
                "InvalidJson",
                format_args!("the host gave {name} of document {row} that cannot be read: {error}"),
            ));
            Map::new()
        })
    }

    /// A value that the host should have given, or `other`.
    fn given<T>(&self, row: u32, value: Option<T>, other: T) -> T {
        value.unwrap_or_else(|| {
            self.refused.note(too_few(row));
            other
        })
    }

    // --- large values -------------------------------------------------------

    /// A column that `whole` fetches, or in parts if its values are too many.
    /// `fields` are those that the values are part of.
    fn column<W: Default, V: Clone>(
        &self,
        name: &str,
        fields: Fields,
        whole: impl FnOnce() -> Result<W>,
    ) -> Column<W, V> {
        match whole() {
            Ok(values) => Column::Whole(values),
            Err(error) if error.name() == raw::LIMIT && self.len > 1 => {
                let sizes = self.handle().sizes(fields, &Rows::All);
                Column::Parts(Parts::new(&self.read(name, sizes)))
            }
            Err(error) => Column::Whole(self.read(name, Err(error))),
        }
    }

    /// The same for values that are likely to be too many. They are fetched
    /// together only if that takes little memory.
    fn large_column<W: Default, V: Clone>(
        &self,
        name: &str,
        fields: Fields,
        whole: impl FnOnce() -> Result<W>,
    ) -> Column<W, V> {
        if self.len > 1 {
            let sizes = self.read(name, self.handle().sizes(fields, &Rows::All));
            if sizes
                .iter()
                .fold(0, |sum: u64, size| sum.saturating_add(*size))
                > PART
            {
                return Column::Parts(Parts::new(&sizes));
            }
        }
        self.column(name, fields, whole)
    }

    fn texts(&self) -> &Column<Strings, Rc<str>> {
        self.texts.get_or_init(|| {
            self.column("texts", Fields::CONTENT, || {
                let texts = self.handle().strings(StringField::Text, &Rows::All)?;
                Ok(Strings::new(texts))
            })
        })
    }

    /// A row's text. `own` is where the document keeps it if the texts of all rows
    /// are too long to keep.
    #[inline]
    pub(crate) fn text<'a>(&'a self, row: u32, own: impl FnOnce() -> &'a Fetched) -> &'a str {
        // Nearly always, and once for each row.
        match self.texts.get() {
            Some(Column::Whole(texts)) => texts.get(row),
            _ => self.first_text(row, own),
        }
    }

    #[cold]
    fn first_text<'a>(&'a self, row: u32, own: impl FnOnce() -> &'a Fetched) -> &'a str {
        match self.texts() {
            Column::Whole(texts) => texts.get(row),
            Column::Parts(parts) => own().text.get_or_init(|| {
                let text = parts.get(row, |start, count| {
                    let rows = raw::span(start, count);
                    let texts = Strings::new(self.handle().strings(StringField::Text, &rows)?);
                    Ok((0..count).map(|row| texts.get(row).into()).collect())
                });
                self.read("texts", text.map(Some))
                    .unwrap_or_else(|| "".into())
            }),
        }
    }

    /// A row's blob. `own` as for a text.
    pub(crate) fn blob<'a>(&'a self, row: u32, own: impl FnOnce() -> &'a Fetched) -> &'a [u8] {
        let fetch = |rows: &Rows| -> Result<Vec<Blob>> {
            let blobs = self.handle().blobs(rows)?;
            Ok(blobs.into_iter().map(Rc::new).collect())
        };
        let column = self
            .blobs
            .get_or_init(|| self.large_column("blobs", Fields::CONTENT, || fetch(&Rows::All)));
        match column {
            Column::Whole(blobs) => {
                let blob = blobs.get(row as usize).map(|blob| blob.as_slice());
                self.given(row, blob, &[])
            }
            Column::Parts(parts) => own().blob.get_or_init(|| {
                let blob = parts.get(row, |start, count| fetch(&raw::span(start, count)));
                self.read("blobs", blob)
            }),
        }
    }

    /// A row's tensor or embedding. `own` as for a text.
    pub(crate) fn array<'a>(
        &'a self,
        field: NdarrayField,
        row: u32,
        own: impl FnOnce() -> &'a Fetched,
    ) -> Option<&'a NdArray> {
        let column = self.arrays[field as usize].get_or_init(|| {
            let whole = || self.fetch_arrays(field, &Rows::All, self.len);
            match field {
                NdarrayField::Tensor => self.large_column("tensors", Fields::CONTENT, whole),
                NdarrayField::Embedding => self.column("embeddings", Fields::EMBEDDING, whole),
            }
        });
        match column {
            Column::Whole(arrays) => {
                let array = arrays.get(row as usize).map(Option::as_ref);
                self.given(row, array, None)
            }
            Column::Parts(parts) => {
                let array = own().arrays[field as usize].get_or_init(|| {
                    let array = parts.get(row, |start, count| {
                        self.fetch_arrays(field, &raw::span(start, count), count)
                    });
                    self.read("arrays", array)
                });
                array.as_ref()
            }
        }
    }

    fn fetch_arrays(
        &self,
        field: NdarrayField,
        rows: &Rows,
        count: u32,
    ) -> Result<Vec<Option<NdArray>>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let handle = self.handle();
        if let Some(matrix) = handle.matrix(field, rows)? {
            let arrays = tensor::from_matrix(matrix, count as usize);
            return Ok(arrays.into_iter().map(Some).collect());
        }
        let arrays = handle.ndarrays(field, rows)?;
        Ok(arrays
            .into_iter()
            .map(|array| array.map(NdArray::from))
            .collect())
    }

    // --- small values -------------------------------------------------------

    /// A row's value of a field other than the text.
    pub(crate) fn string(&self, field: StringField, row: u32) -> &str {
        let strings = self.strings[field as usize].get_or_init(|| {
            let strings = self.handle().strings(field, &Rows::All);
            self.read("strings", strings.map(Strings::new))
        });
        strings.get(row)
    }

    fn objects(&self, field: JsonField, name: &str) -> &Objects {
        self.objects[field as usize].get_or_init(|| {
            let json = self.handle().json_objects(field, &Rows::All);
            Objects {
                json: self.read(name, json.map(Strings::new)),
                parsed: (0..self.len).map(|_| OnceCell::new()).collect(),
            }
        })
    }

    pub(crate) fn object(&self, field: JsonField, row: u32) -> &Map<String, Value> {
        let name = match field {
            JsonField::Tags => "tags",
            JsonField::Metadata => "metadata",
        };
        let objects = self.objects(field, name);
        let object = objects
            .parsed
            .get(row as usize)
            .map(|cell| cell.get_or_init(|| self.parsed(name, row, objects.json.get(row))));
        self.given(row, object, &NO_OBJECT)
    }

    pub(crate) fn integer(&self, field: IntegerField, row: u32) -> u32 {
        let integers = self.integers[field as usize]
            .get_or_init(|| self.read("numbers", self.handle().integers(field, &Rows::All)));
        self.given(row, integers.get(row as usize).copied(), 0)
    }

    pub(crate) fn float(&self, field: FloatField, row: u32) -> f32 {
        let floats = self.floats[field as usize]
            .get_or_init(|| self.read("numbers", self.handle().floats(field, &Rows::All)));
        self.given(row, floats.get(row as usize).copied(), 0.0)
    }

    pub(crate) fn location(&self, row: u32) -> &[f32] {
        let locations = self
            .locations
            .get_or_init(|| self.read("locations", self.handle().locations(&Rows::All)));
        let location = locations.get(row as usize).map(Vec::as_slice);
        self.given(row, location, &[])
    }

    pub(crate) fn content(&self, row: u32) -> raw::Content {
        let contents = self
            .contents
            .get_or_init(|| self.read("contents", self.handle().contents(&Rows::All)));
        let content = contents.get(row as usize).copied();
        self.given(row, content, raw::Content::None)
    }

    pub(crate) fn scores(&self, field: ScoreField, row: u32) -> &Scores {
        let scores = self.scores[field as usize].get_or_init(|| {
            self.read("scores", self.handle().scores(field, &Rows::All))
                .into_iter()
                .map(|scores| {
                    scores
                        .into_iter()
                        .map(|(name, score)| (name, score.into()))
                        .collect()
                })
                .collect()
        });
        self.given(row, scores.get(row as usize), &NO_SCORES)
    }

    // --- chunks and matches -------------------------------------------------

    /// The chunks or matches of all rows, if they were fetched.
    pub(crate) fn known_nested(&self, field: NestedField) -> Option<&Nested> {
        self.nested[field as usize].get()
    }

    /// The chunks or matches of all rows. This takes two calls of the host,
    /// whatever the number of rows.
    pub(crate) fn nested(&self, field: NestedField) -> &Nested {
        self.nested[field as usize].get_or_init(|| {
            let name = match field {
                NestedField::Chunks => "chunks",
                NestedField::Matches => "matches",
            };
            let fetched = self.fetch_nested(field).map(Some);
            let (flat, ends) = self
                .read(name, fetched)
                .unwrap_or_else(|| (Array::new(), Vec::new()));
            let len = ends.last().copied().unwrap_or(0);
            Nested {
                source: Source::of_call(flat, len, self.refused.clone()),
                ends,
            }
        })
    }

    fn fetch_nested(&self, field: NestedField) -> Result<(Array, Vec<u32>)> {
        let handle = self.handle();
        let mut ends = handle.nested_lengths(field, &Rows::All)?;
        let mut total = 0u32;
        for end in &mut ends {
            total = total.saturating_add(*end);
            *end = total;
        }
        let flat = match total {
            0 => Array::new(),
            _ => handle.flatten(&[field])?,
        };
        Ok((flat, ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_cannot_be_read_are_the_calls_error() {
        let refused = Rc::new(Refused::of_call());
        let source = Source::of_call(Array::new(), 0, refused.clone());
        assert_eq!(source.parsed("tags", 0, ""), Map::new());
        assert_eq!(source.parsed("tags", 0, r#"{"a":1}"#)["a"], 1);
        assert_eq!(source.parsed("metadata", 3, "{"), Map::new());
        let error = refused.end().unwrap();
        assert_eq!(error.name(), "InvalidJson");
        let start = "the host gave metadata of document 3 that cannot be read: EOF";
        assert!(error.message().starts_with(start), "{error}");
    }
}

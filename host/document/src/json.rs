//! Documents as JSON objects, for files and terminals: the fields' own names,
//! without those that are unset.
//!
//! A blob is base64. A dense array of numbers is a (nested) list; any other
//! array is `{"dtype": "<f4", "shape": [2], "buffer": "<base64>"}`. Both forms
//! are read, a list as 32-bit floats. A sparse array has no JSON form here and
//! is written as null.
//!
//! JSON has no word for NaN and the infinities. As in protobuf's JSON form they
//! are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`. A null is read as
//! unset, wherever something can be unset: docarray writes them for every field
//! that it does not use.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, SerializeSeq as _, Serializer};
use serde_json::{Map, Value};

use crate::array::{Content, Document, DocumentArray, NamedScore, Scores};
use crate::bounds::DIMENSIONS;
use crate::ndarray::{Dense, NdArray, ShapeError};
use crate::shown::cut;
use crate::structs::kind;
use crate::{ByteString, Limits, Struct};

/// Why a JSON value is not a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{reason}", path, if path.is_empty() { "" } else { ": " })]
pub struct JsonError {
    path: String,
    reason: String,
}

impl JsonError {
    fn new(reason: impl Into<String>) -> Self {
        JsonError {
            path: String::new(),
            reason: reason.into(),
        }
    }

    /// The value is another kind than the one that is needed.
    fn expected(what: &str, found: &Value) -> Self {
        JsonError::new(format!("expected {what}, found {}", kind(found)))
    }

    /// Puts a key before the path: `scores.cosine.value`.
    fn at(mut self, key: &str) -> Self {
        let dot = match self.path.chars().next() {
            None | Some('[') => "",
            Some(_) => ".",
        };
        self.path = format!("{}{dot}{}", plain(key), self.path);
        self
    }

    /// Puts a place in a list before the path: `chunks[3].tags`.
    fn at_index(mut self, index: usize) -> Self {
        let dot = match self.path.chars().next() {
            None | Some('[') => "",
            Some(_) => ".",
        };
        self.path = format!("[{index}]{dot}{}", self.path);
        self
    }
}

/// A key as a path shows it: quoted if it would not be read as one, and cut if it
/// is long.
fn plain(key: &str) -> Cow<'_, str> {
    let cut = cut(key);
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '…');
    if !cut.is_empty() && cut.chars().all(word) {
        cut
    } else {
        Cow::Owned(format!("{cut:?}"))
    }
}

type Result<T, E = JsonError> = std::result::Result<T, E>;

const FIELDS: [&str; 20] = [
    "id",
    "text",
    "blob",
    "tensor",
    "embedding",
    "uri",
    "mime_type",
    "modality",
    "weight",
    "granularity",
    "adjacency",
    "parent_id",
    "offset",
    "location",
    "tags",
    "chunks",
    "matches",
    "scores",
    "evaluations",
    "_metadata",
];

const SCORE_FIELDS: [&str; 4] = ["value", "op_name", "description", "ref_id"];

const ARRAY_FIELDS: [&str; 3] = ["dtype", "shape", "buffer"];

/// A key that its object does not have.
fn unknown(key: &str, object: &str, known: &[&str]) -> JsonError {
    let reason = match nearest(key, known) {
        Some(near) => format!("no such field; did you mean `{near}`?"),
        None => format!("no such field; {object} has {}", known.join(", ")),
    };
    JsonError::new(reason).at(key)
}

/// The known name that somebody may have meant: the same one in protobuf's JSON
/// form (`parentId`), or one that differs in few letters.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    const LONGEST: usize = 32;
    if key.len() > LONGEST {
        return None;
    }
    let mut snake = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    let most = snake.chars().count().div_ceil(3);
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&snake, name), *name))
        .filter(|(distance, name)| *distance <= most && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

// --- writing ---------------------------------------------------------------

/// How 32-bit floats are handed to a serializer.
#[derive(Clone, Copy)]
enum Floats {
    /// As they are. Whoever writes text writes the shortest decimal that reads
    /// back as the same 32-bit float: 0.1 and not 0.10000000149011612.
    Narrow,
    /// As the 64-bit float of that decimal, for a tree whose numbers have 64 bits.
    Wide,
}

/// A value on its way to a serializer.
struct View<'a, T: ?Sized>(&'a T, Floats);

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        View(self, Floats::Narrow).serialize(serializer)
    }
}

impl Serialize for DocumentArray {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        View(self, Floats::Narrow).serialize(serializer)
    }
}

impl Document {
    /// The document as a JSON object. To write one as text, serialise the
    /// document itself, which makes no tree first.
    pub fn to_json(&self) -> Value {
        // All keys are strings, so there is nothing that can fail.
        serde_json::to_value(View(self, Floats::Wide)).unwrap_or_default()
    }
}

impl Serialize for View<'_, Document> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let View(doc, floats) = *self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &*doc.id)?;
        match &doc.content {
            Content::None => {}
            Content::Text(text) => map.serialize_entry("text", &**text)?,
            Content::Blob(blob) => map.serialize_entry("blob", &BASE64.encode(blob))?,
            Content::Tensor(tensor) => map.serialize_entry("tensor", &View(&**tensor, floats))?,
        }
        put_text(&mut map, "parent_id", &doc.parent_id)?;
        put_text(&mut map, "uri", &doc.uri)?;
        put_text(&mut map, "mime_type", &doc.mime_type)?;
        put_text(&mut map, "modality", &doc.modality)?;
        for (name, value) in [
            ("granularity", doc.granularity),
            ("adjacency", doc.adjacency),
        ] {
            if value != 0 {
                map.serialize_entry(name, &value)?;
            }
        }
        for (name, value) in [("weight", &doc.weight), ("offset", &doc.offset)] {
            if value.to_bits() != 0 {
                map.serialize_entry(name, &View(value, floats))?;
            }
        }
        if !doc.location.is_empty() {
            map.serialize_entry("location", &View(&*doc.location, floats))?;
        }
        if let Some(embedding) = &doc.embedding {
            map.serialize_entry("embedding", &View(&**embedding, floats))?;
        }
        for (name, value) in [("tags", &doc.tags), ("_metadata", &doc.metadata)] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in [("scores", &doc.scores), ("evaluations", &doc.evaluations)] {
            if !value.is_empty() {
                map.serialize_entry(name, &View(value, floats))?;
            }
        }
        for (name, value) in [("chunks", &doc.chunks), ("matches", &doc.matches)] {
            if !value.is_empty() {
                map.serialize_entry(name, &View(value, floats))?;
            }
        }
        map.end()
    }
}

fn put_text<M: SerializeMap>(map: &mut M, name: &str, text: &str) -> Result<(), M::Error> {
    if text.is_empty() {
        return Ok(());
    }
    map.serialize_entry(name, text)
}

impl Serialize for View<'_, DocumentArray> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let View(docs, floats) = *self;
        serializer.collect_seq(docs.iter().map(|doc| View(doc, floats)))
    }
}

impl Serialize for View<'_, Scores> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let View(scores, floats) = *self;
        let scores = scores
            .iter()
            .map(|(name, score)| (&**name, View(score, floats)));
        serializer.collect_map(scores)
    }
}

impl Serialize for View<'_, NamedScore> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let View(score, floats) = *self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("value", &View(&score.value, floats))?;
        put_text(&mut map, "op_name", &score.op_name)?;
        put_text(&mut map, "description", &score.description)?;
        put_text(&mut map, "ref_id", &score.ref_id)?;
        map.end()
    }
}

impl Serialize for View<'_, [f32]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let View(values, floats) = *self;
        serializer.collect_seq(values.iter().map(|value| View(value, floats)))
    }
}

impl Serialize for View<'_, f32> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let View(value, floats) = *self;
        if value.is_nan() {
            return serializer.serialize_str("NaN");
        }
        if value.is_infinite() {
            return serializer.serialize_str(match value.is_sign_positive() {
                true => "Infinity",
                false => "-Infinity",
            });
        }
        match floats {
            Floats::Narrow => serializer.serialize_f32(*value),
            Floats::Wide => {
                // There may be two shortest decimals, and the text's has to be taken.
                let decimal = serde_json::to_string(value).ok();
                let decimal = decimal.and_then(|text| text.parse().ok());
                serializer.serialize_f64(decimal.unwrap_or(f64::from(*value)))
            }
        }
    }
}

impl Serialize for View<'_, NdArray> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let View(array, floats) = *self;
        let Some(dense) = array.dense() else {
            return serializer.serialize_unit();
        };
        if let Some(element) = Element::of(dense) {
            return Numbers {
                element,
                shape: dense.shape(),
                bytes: dense.buffer(),
                floats,
            }
            .serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("dtype", &**dense.dtype())?;
        map.serialize_entry("shape", dense.shape())?;
        map.serialize_entry("buffer", &BASE64.encode(dense.buffer()))?;
        map.end()
    }
}

/// The elements of an array that is written as a list.
#[derive(Clone, Copy)]
enum Element {
    F32,
    F64,
    I64,
    I32,
    U8,
}

impl Element {
    /// `None` if a list would not be read back as the same numbers and the same
    /// shape, but for the precision of a 32-bit float.
    fn of(dense: &Dense) -> Option<Element> {
        let element = match &**dense.dtype() {
            "<f4" | "float32" => Element::F32,
            "<f8" | "float64" => Element::F64,
            "<i8" | "int64" => Element::I64,
            "<i4" | "int32" => Element::I32,
            "|u1" | "<u1" | "uint8" => Element::U8,
            _ => return None,
        };
        // An empty list says nothing of the lists that it might have held.
        if dense.shape().contains(&0) && dense.shape() != [0] {
            return None;
        }
        let (halves, _) = dense.buffer().as_chunks::<4>();
        let (wholes, _) = dense.buffer().as_chunks::<8>();
        let finite = match element {
            Element::F32 => halves.iter().all(|b| f32::from_le_bytes(*b).is_finite()),
            Element::F64 => wholes
                .iter()
                .all(|b| (f64::from_le_bytes(*b) as f32).is_finite()),
            Element::I64 | Element::I32 | Element::U8 => true,
        };
        finite.then_some(element)
    }
}

/// Numbers in nested lists.
struct Numbers<'a> {
    element: Element,
    shape: &'a [u32],
    /// As many as the shape needs: so it is for every [`Dense`].
    bytes: &'a [u8],
    floats: Floats,
}

impl Serialize for Numbers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((dim, shape)) = self.shape.split_first() else {
            return self.number(serializer);
        };
        let mut list = serializer.serialize_seq(Some(*dim as usize))?;
        let row = self.bytes.len().checked_div(*dim as usize).unwrap_or(0);
        if row > 0 {
            for bytes in self.bytes.chunks_exact(row) {
                list.serialize_element(&Numbers {
                    shape,
                    bytes,
                    ..*self
                })?;
            }
        }
        list.end()
    }
}

impl Numbers<'_> {
    fn number<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        macro_rules! number {
            ($type:ty) => {
                self.bytes.first_chunk().map(|b| <$type>::from_le_bytes(*b))
            };
        }
        match self.element {
            Element::F32 => {
                View(&number!(f32).unwrap_or_default(), self.floats).serialize(serializer)
            }
            Element::F64 => number!(f64).serialize(serializer),
            Element::I64 => number!(i64).serialize(serializer),
            Element::I32 => number!(i32).serialize(serializer),
            Element::U8 => number!(u8).serialize(serializer),
        }
    }
}

// --- reading ---------------------------------------------------------------

impl Document {
    /// Reads a document; one without an `id` gets a random one.
    ///
    /// # Errors
    /// If it is not an object, or has an unknown field, more than one of `text`,
    /// `blob` and `tensor`, or a value that its field cannot hold. The error names
    /// the place.
    pub fn from_json(value: &Value) -> Result<Self> {
        from_json(value, Limits::default().depth)
    }
}

fn from_json(value: &Value, depth: u32) -> Result<Document> {
    let Value::Object(map) = value else {
        return Err(JsonError::expected(
            "an object with a document's fields",
            value,
        ));
    };
    let depth = depth.checked_sub(1).ok_or_else(|| {
        JsonError::new(format!(
            "documents are nested deeper than {} levels",
            Limits::default().depth
        ))
    })?;
    let mut doc = Document::default();
    for (name, value) in map {
        if !FIELDS.contains(&name.as_str()) {
            return Err(unknown(name, "a document", &FIELDS));
        }
        if !value.is_null() {
            field(&mut doc, name, value, depth).map_err(|error| error.at(name))?;
        }
    }
    if doc.id.is_empty() {
        doc.id = crate::random_id();
    }
    Ok(doc)
}

/// Reads one of [`FIELDS`].
fn field(doc: &mut Document, name: &str, value: &Value, depth: u32) -> Result<()> {
    match name {
        "id" => doc.id = string(value)?,
        "text" => set_content(doc, Content::Text(string(value)?))?,
        "blob" => set_content(doc, Content::Blob(base64(value)?))?,
        "tensor" => set_content(doc, Content::Tensor(Arc::new(ndarray(value)?)))?,
        "embedding" => doc.embedding = Some(Arc::new(ndarray(value)?)),
        "uri" => doc.uri = string(value)?,
        "mime_type" => doc.mime_type = string(value)?,
        "modality" => doc.modality = string(value)?,
        "parent_id" => doc.parent_id = string(value)?,
        "weight" => doc.weight = number(value)?,
        "offset" => doc.offset = number(value)?,
        "granularity" => doc.granularity = whole(value)?,
        "adjacency" => doc.adjacency = whole(value)?,
        "location" => doc.location = each(value, number)?,
        "tags" => doc.tags = Some(structure(value)?),
        "_metadata" => doc.metadata = Some(structure(value)?),
        "scores" => doc.scores = scores(value)?,
        "evaluations" => doc.evaluations = scores(value)?,
        "chunks" => doc.chunks = documents(value, depth)?,
        "matches" => doc.matches = documents(value, depth)?,
        _ => {}
    }
    Ok(())
}

fn set_content(doc: &mut Document, content: Content) -> Result<()> {
    if doc.content != Content::None {
        return Err(JsonError::new(
            "a document has one of `text`, `blob` and `tensor`, not several",
        ));
    }
    doc.content = content;
    Ok(())
}

fn string(value: &Value) -> Result<ByteString> {
    value
        .as_str()
        .map(ByteString::from)
        .ok_or_else(|| JsonError::expected("a string", value))
}

fn base64(value: &Value) -> Result<Bytes> {
    let text = value
        .as_str()
        .ok_or_else(|| JsonError::expected("a string of base64", value))?;
    match BASE64.decode(text) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(JsonError::new(format!("not base64: {error}"))),
    }
}

fn number(value: &Value) -> Result<f32> {
    let wide = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => return Ok(f32::NAN),
            "Infinity" => return Ok(f32::INFINITY),
            "-Infinity" => return Ok(f32::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    };
    let wide = wide.ok_or_else(|| JsonError::expected("a number", value))?;
    let narrow = wide as f32;
    if narrow.is_finite() {
        Ok(narrow)
    } else {
        Err(JsonError::new(format!(
            "{value} does not fit in a 32-bit float, which ends at {:e}",
            f32::MAX.copysign(narrow)
        )))
    }
}

fn whole(value: &Value) -> Result<u32> {
    let Value::Number(number) = value else {
        return Err(JsonError::expected("a whole number", value));
    };
    // `1.0` is a whole number too: JSON has but one kind.
    let whole = number.as_u64().or_else(|| {
        let value = number.as_f64()?;
        let exact = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
        exact.then_some(value as u64)
    });
    whole
        .and_then(|whole| u32::try_from(whole).ok())
        .ok_or_else(|| {
            JsonError::new(format!(
                "expected a whole number from 0 to {}, found {number}",
                u32::MAX
            ))
        })
}

fn each<T>(value: &Value, read: impl Fn(&Value) -> Result<T>) -> Result<Vec<T>> {
    value
        .as_array()
        .ok_or_else(|| JsonError::expected("a list", value))?
        .iter()
        .enumerate()
        .map(|(index, value)| read(value).map_err(|error| error.at_index(index)))
        .collect()
}

fn object(value: &Value) -> Result<&Map<String, Value>> {
    value
        .as_object()
        .ok_or_else(|| JsonError::expected("an object", value))
}

fn structure(value: &Value) -> Result<Struct> {
    Struct::from_map(object(value)?).map_err(|error| JsonError::new(error.to_string()))
}

fn documents(value: &Value, depth: u32) -> Result<DocumentArray> {
    let docs = each(value, |value| from_json(value, depth))?;
    Ok(docs.into_iter().collect())
}

fn scores(value: &Value) -> Result<Scores> {
    object(value)?
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let score = score(value).map_err(|error| error.at(name))?;
            Ok((ByteString::from(name.as_str()), score))
        })
        .collect()
}

fn score(value: &Value) -> Result<NamedScore> {
    let mut score = NamedScore::default();
    let Value::Object(map) = value else {
        // The short form: `{"cosine": 0.5}`.
        score.value = number(value)?;
        return Ok(score);
    };
    for (name, value) in map {
        if !SCORE_FIELDS.contains(&name.as_str()) {
            return Err(unknown(name, "a score", &SCORE_FIELDS));
        }
        if value.is_null() {
            continue;
        }
        let read = match name.as_str() {
            "value" => number(value).map(|value| score.value = value),
            "op_name" => string(value).map(|text| score.op_name = text),
            "description" => string(value).map(|text| score.description = text),
            _ => string(value).map(|text| score.ref_id = text),
        };
        read.map_err(|error| error.at(name))?;
    }
    Ok(score)
}

fn ndarray(value: &Value) -> Result<NdArray> {
    if let Value::Object(map) = value {
        return ndarray_object(map);
    }
    let mut shape = Vec::new();
    let mut level = value;
    while let Value::Array(values) = level {
        if shape.len() >= DIMENSIONS {
            return Err(JsonError::new(ShapeError::TooManyDimensions.to_string()));
        }
        shape.push(values.len() as u32);
        match values.first() {
            Some(first) => level = first,
            None => break,
        }
    }
    let mut buffer = Vec::new();
    fill(value, &shape, &mut buffer)?;
    let dense = Dense::new(ByteString::from_static("<f4"), shape, Bytes::from(buffer))
        .map_err(|error| JsonError::new(error.to_string()))?;
    Ok(NdArray::numpy(dense))
}

fn ndarray_object(map: &Map<String, Value>) -> Result<NdArray> {
    if let Some(key) = map.keys().find(|key| !ARRAY_FIELDS.contains(&key.as_str())) {
        return Err(unknown(key, "an array as an object", &ARRAY_FIELDS));
    }
    let get = |name| {
        map.get(name)
            .filter(|value| !value.is_null())
            .ok_or_else(|| {
                JsonError::new(format!(
                    "an array as an object has {}; `{name}` is not there",
                    ARRAY_FIELDS.join(", ")
                ))
            })
    };
    let (dtype, shape, buffer) = (get("dtype")?, get("shape")?, get("buffer")?);
    let dtype = string(dtype).map_err(|error| error.at("dtype"))?;
    let shape = each(shape, whole).map_err(|error| error.at("shape"))?;
    let buffer = base64(buffer).map_err(|error| error.at("buffer"))?;
    let dense =
        Dense::new(dtype, shape, buffer).map_err(|error| JsonError::new(error.to_string()))?;
    Ok(NdArray::numpy(dense))
}

fn fill(value: &Value, shape: &[u32], out: &mut Vec<u8>) -> Result<()> {
    match (value, shape) {
        (Value::Array(values), [dim, rest @ ..]) if values.len() == *dim as usize => {
            for (index, value) in values.iter().enumerate() {
                fill(value, rest, out).map_err(|error| error.at_index(index))?;
            }
            Ok(())
        }
        (Value::Number(_) | Value::String(_), []) => {
            out.extend_from_slice(&number(value)?.to_le_bytes());
            Ok(())
        }
        (Value::Array(values), [dim, ..]) => Err(JsonError::new(format!(
            "expected {dim} values, as the first list of this depth has, found {}",
            values.len()
        ))),
        (_, [_, ..]) => Err(JsonError::expected(
            "a list, as the first value of this depth is",
            value,
        )),
        (_, []) => Err(JsonError::expected(
            "a number, or numbers in lists of equal length, or an object with dtype, shape and \
             buffer",
            value,
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_goes_both_ways() {
        let value = json!({
            "id": "a", "text": "hello", "uri": "u", "mime_type": "text/plain", "modality": "m",
            "weight": 0.5, "granularity": 1, "adjacency": 2, "parent_id": "p", "offset": 0.1,
            "location": [1.0, 2.5], "tags": {"k": [1, null, {"x": "y"}]},
            "embedding": [0.1, 0.25, -1.0],
            "scores": {"cos": {"value": 0.25, "op_name": "op", "ref_id": "q"}},
            "evaluations": {"p": {"value": 1.0, "description": "d"}},
            "chunks": [{"id": "c", "tensor": [[1.0, 2.0], [3.0, 4.0]]}],
            "matches": [{"id": "m", "blob": "AAE="}],
            "_metadata": {"n": 1},
        });
        let doc = Document::from_json(&value).unwrap();
        assert_eq!(doc.to_json(), value);
    }

    #[test]
    fn other_arrays_keep_their_dtype() {
        let value =
            json!({"id": "a", "tensor": {"dtype": "<f2", "shape": [2], "buffer": "AAAAAA=="}});
        assert_eq!(Document::from_json(&value).unwrap().to_json(), value);
        let value =
            json!({"id": "a", "tensor": {"dtype": "<i8", "shape": [1], "buffer": "BwAAAAAAAAA="}});
        assert_eq!(
            Document::from_json(&value).unwrap().to_json(),
            json!({"id": "a", "tensor": [7]})
        );
    }

    #[test]
    fn errors_name_the_place() {
        for (value, message) in [
            (
                json!([]),
                "expected an object with a document's fields, found a list",
            ),
            (
                json!({"chunks": [{}, {"weight": "x"}]}),
                "chunks[1].weight: expected a number, found a string",
            ),
            (
                json!({"chunks": [{}, {"matches": [null]}]}),
                "chunks[1].matches[0]: expected an object with a document's fields, found null",
            ),
            (
                json!({"chunks": [{}, {}, {}, {"tags": []}]}),
                "chunks[3].tags: expected an object, found a list",
            ),
            (
                json!({"blob": "", "tensor": [1]}),
                "tensor: a document has one of `text`, `blob` and `tensor`, not several",
            ),
            (
                json!({"embedding": [[1], [2, 3]]}),
                "embedding[1]: expected 1 values, as the first list of this depth has, found 2",
            ),
            (
                json!({"embedding": [[1], 2]}),
                "embedding[1]: expected a list, as the first value of this depth is, found a number",
            ),
            (
                json!({"embedding": [[1], [true]]}),
                "embedding[1][0]: expected a number, or numbers in lists of equal length, or an \
                 object with dtype, shape and buffer, found a boolean",
            ),
            (
                json!({"tensor": {"dtype": "<f4", "shape": [-1], "buffer": ""}}),
                "tensor.shape[0]: expected a whole number from 0 to 4294967295, found -1",
            ),
            (
                json!({"tensor": {"dtype": "<f4", "shape": [1]}}),
                "tensor: an array as an object has dtype, shape, buffer; `buffer` is not there",
            ),
            (
                json!({"tensor": {"dense": {}, "clsName": "numpy"}}),
                "tensor.clsName: no such field; an array as an object has dtype, shape, buffer",
            ),
            (
                json!({"scores": {"c": {"op_name": 1}}}),
                "scores.c.op_name: expected a string, found a number",
            ),
            (
                json!({"scores": {"a.b \n": {"value": {}}}}),
                "scores.\"a.b \\n\".value: expected a number, found an object",
            ),
            (
                json!({"scores": {"": []}}),
                "scores.\"\": expected a number, found a list",
            ),
            (
                json!({"blob": "%"}),
                "blob: not base64: Invalid symbol 37, offset 0.",
            ),
        ] {
            let error = Document::from_json(&value).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let long = "x".repeat(1000);
        let error = Document::from_json(&json!({ &long: 1 })).unwrap_err();
        assert!(error.to_string().starts_with(&format!(
            "{}…: no such field; a document has id, text",
            &long[..64]
        )));
        let nested = json!([[[1]]]);
        let deep = (0..62).fold(nested, |inner, _| json!([inner]));
        assert_eq!(
            Document::from_json(&json!({ "tensor": deep }))
                .unwrap_err()
                .to_string(),
            "tensor: a shape has more than 64 dimensions"
        );
    }

    #[test]
    fn a_name_that_is_nearly_right_is_told() {
        for (name, meant) in [
            ("parentId", "parent_id"),
            ("mimeType", "mime_type"),
            ("mime-type", "mime_type"),
            ("txt", "text"),
            ("Text", "text"),
            ("metadata", "_metadata"),
            ("_Metadata", "_metadata"),
            ("tag", "tags"),
            ("embeddings", "embedding"),
            ("chunk", "chunks"),
        ] {
            let error = Document::from_json(&json!({"chunks": [{ name: null }]})).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("chunks[0].{name}: no such field; did you mean `{meant}`?")
            );
        }
        let error = Document::from_json(&json!({"scores": {"c": {"opName": "x"}}})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "scores.c.opName: no such field; did you mean `op_name`?"
        );
        for name in ["x", "docsBytes", "price", "", "dtype"] {
            let error = Document::from_json(&json!({ name: 1 })).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(": no such field; a document has id, text"),
                "{error}"
            );
        }
    }

    /// What docarray 0.21's `Document.to_json()` wrote.
    #[test]
    fn docarrays_own_json_is_read() {
        let text = include_str!("../testdata/docarray_document.json");
        let doc = Document::from_json(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!((&*doc.id, doc.text()), ("a", "hello"));
        assert_eq!((doc.weight, doc.offset), (0.1, 0.5));
        assert_eq!(doc.location, [1.0, 2.5]);
        let [(name, score)] = &doc.scores[..] else {
            panic!("{:?}", doc.scores)
        };
        assert_eq!((&**name, score.value, &*score.op_name), ("cos", 0.25, ""));
        assert_eq!(doc.evaluations.len(), 1);
        let chunk = doc.chunks.get(0).unwrap();
        assert_eq!((&*chunk.parent_id, chunk.granularity), ("a", 1));
        let Content::Tensor(tensor) = &chunk.content else {
            panic!("{:?}", chunk.content)
        };
        assert_eq!(tensor.dense().unwrap().shape(), [2, 3]);
        let found = doc.matches.get(0).unwrap();
        assert_eq!(
            found.content,
            Content::Blob(Bytes::from_static(&[0, 1, 255]))
        );
        assert_eq!(found.adjacency, 1);
        assert_eq!(
            doc.tags.unwrap().to_json(),
            r#"{"k":[1,null,{"x":"y"}],"n":2}"#
        );
    }

    /// The same document by its `to_json(protocol="protobuf")`, whose names and
    /// arrays are others.
    #[test]
    fn docarrays_protobuf_json_is_refused_with_a_hint() {
        let text = include_str!("../testdata/docarray_protobuf.json");
        let error = Document::from_json(&serde_json::from_str(text).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "chunks[0].parentId: no such field; did you mean `parent_id`?"
        );
    }

    #[test]
    fn null_is_unset_at_every_depth() {
        let value = json!({
            "id": "a", "text": "a", "blob": null, "tags": null, "chunks": null,
            "scores": {"c": {"value": 1, "op_name": null}, "d": {"value": null}, "e": null},
            "matches": [{"id": "m", "weight": null, "location": null}],
        });
        assert_eq!(
            Document::from_json(&value).unwrap().to_json(),
            json!({
                "id": "a", "text": "a", "matches": [{"id": "m"}],
                "scores": {"c": {"value": 1.0}, "d": {"value": 0.0}},
            })
        );
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let float = |value: &str, end| {
            format!("{value} does not fit in a 32-bit float, which ends at {end}")
        };
        let (most, least) = ("3.4028235e38", "-3.4028235e38");
        let whole = |value| format!("expected a whole number from 0 to 4294967295, found {value}");
        for (value, place, reason) in [
            (json!({"weight": 1e300}), "weight", float("1e+300", most)),
            (json!({"offset": -1e39}), "offset", float("-1e+39", least)),
            (
                json!({"location": [1, 1e300]}),
                "location[1]",
                float("1e+300", most),
            ),
            (
                json!({"scores": {"c": {"value": 1e300}}}),
                "scores.c.value",
                float("1e+300", most),
            ),
            (
                json!({"evaluations": {"c": 1e300}}),
                "evaluations.c",
                float("1e+300", most),
            ),
            (
                json!({"tensor": [[1, 2], [3, 1e300]]}),
                "tensor[1][1]",
                float("1e+300", most),
            ),
            (
                json!({"embedding": [1e300]}),
                "embedding[0]",
                float("1e+300", most),
            ),
            (
                json!({"granularity": 4_294_967_296u64}),
                "granularity",
                whole("4294967296"),
            ),
            (json!({"adjacency": -1}), "adjacency", whole("-1")),
            (json!({"adjacency": 0.5}), "adjacency", whole("0.5")),
            (json!({"adjacency": 1e300}), "adjacency", whole("1e+300")),
        ] {
            let error = Document::from_json(&value).unwrap_err();
            assert_eq!(error.to_string(), format!("{place}: {reason}"));
        }
        let doc = Document::from_json(&json!({
            "weight": f32::MAX, "offset": 1e-300, "granularity": 4_294_967_295u64, "adjacency": 2.0,
        }))
        .unwrap();
        assert_eq!((doc.weight, doc.offset), (f32::MAX, 0.0));
        assert_eq!((doc.granularity, doc.adjacency), (u32::MAX, 2));
    }

    #[test]
    fn what_is_not_a_finite_number_has_a_word() {
        let value = json!({
            "id": "a", "weight": "NaN", "offset": "-Infinity", "location": ["Infinity", 1.0],
            "scores": {"c": {"value": "NaN"}},
        });
        let doc = Document::from_json(&value).unwrap();
        assert!(doc.weight.is_nan() && doc.offset == f32::NEG_INFINITY);
        assert_eq!(doc.to_json(), value);
        let error = Document::from_json(&json!({"weight": "nan"})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "weight: expected a number, found a string"
        );
        // An array keeps its bytes, also where a list would lose some numbers.
        for value in [f64::NAN, f64::INFINITY, 1e300] {
            let buffer = Bytes::copy_from_slice(&value.to_le_bytes());
            let dense = Dense::new("<f8".into(), vec![1], buffer).unwrap();
            let doc = Document {
                id: "a".into(),
                embedding: Some(Arc::new(NdArray::numpy(dense))),
                ..Document::default()
            };
            let json = doc.to_json();
            assert_eq!(json["embedding"]["dtype"], "<f8");
            assert_eq!(Document::from_json(&json).unwrap(), doc);
        }
    }

    #[test]
    fn shapes_survive() {
        for shape in [
            vec![],
            vec![0],
            vec![2],
            vec![1, 2],
            vec![2, 1, 2],
            vec![0, 3],
            vec![3, 0],
        ] {
            let count = shape.iter().product::<u32>() as usize;
            let dense = Dense::new("<f4".into(), shape, vec![0; count * 4].into()).unwrap();
            let doc = Document {
                id: "a".into(),
                content: Content::Tensor(Arc::new(NdArray::numpy(dense))),
                ..Document::default()
            };
            assert_eq!(Document::from_json(&doc.to_json()).unwrap(), doc);
        }
    }

    #[test]
    fn text_and_tree_say_the_same() {
        let text = include_str!("../testdata/docarray_document.json");
        let doc = Document::from_json(&serde_json::from_str(text).unwrap()).unwrap();
        let written = serde_json::to_string(&doc).unwrap();
        assert!(written.contains(r#""weight":0.1,"#), "{written}");
        assert!(written.contains(r#""embedding":[0.1,0.25]"#), "{written}");
        assert_eq!(
            serde_json::from_str::<Value>(&written).unwrap(),
            doc.to_json()
        );
        let docs: DocumentArray = [doc].into_iter().collect();
        assert_eq!(
            serde_json::to_string(&docs).unwrap(),
            format!("[{written}]")
        );
    }
}

//! Documents as JSON objects, for files and terminals: the fields' own names,
//! those that are unset left out.
//!
//! A blob is base64. A dense array of numbers is a (nested) list; any other
//! array is `{"dtype": "<f4", "shape": [2], "buffer": "<base64>"}`. Both forms
//! are read, a list as 32-bit floats. Sparse arrays have no JSON form here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Map, Number, Value};

use crate::array::{Content, Document, DocumentArray, NamedScore, Scores};
use crate::ndarray::{Dense, NdArray};
use crate::{ByteString, Limits, Struct};

/// Why a JSON value is no document, and where.
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

    fn at(mut self, place: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => place.to_owned(),
            inner => format!("{place}.{inner}"),
        };
        self
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

impl Document {
    /// Reads a document; one without an `id` gets a random one.
    ///
    /// # Errors
    /// When it is no object, has an unknown field, more than one of `text`,
    /// `blob` and `tensor`, or a field of the wrong type. The error names it.
    pub fn from_json(value: &Value) -> Result<Self> {
        from_json(value, Limits::default().depth)
    }

    /// The document as a JSON object.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| drop(map.insert(name.to_owned(), value));
        put("id", text(&self.id));
        match &self.content {
            Content::None => {}
            Content::Text(value) => put("text", text(value)),
            Content::Blob(blob) => put("blob", BASE64.encode(blob).into()),
            Content::Tensor(tensor) => put("tensor", array(tensor)),
        }
        for (name, value) in [
            ("parent_id", &self.parent_id),
            ("uri", &self.uri),
            ("mime_type", &self.mime_type),
            ("modality", &self.modality),
        ] {
            if !value.is_empty() {
                put(name, text(value));
            }
        }
        for (name, value) in [
            ("granularity", self.granularity),
            ("adjacency", self.adjacency),
        ] {
            if value != 0 {
                put(name, value.into());
            }
        }
        for (name, value) in [("weight", self.weight), ("offset", self.offset)] {
            if value != 0.0 {
                put(name, float(value));
            }
        }
        if !self.location.is_empty() {
            put(
                "location",
                self.location.iter().copied().map(float).collect(),
            );
        }
        if let Some(embedding) = &self.embedding {
            put("embedding", array(embedding));
        }
        for (name, value) in [("tags", &self.tags), ("_metadata", &self.metadata)] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                put(name, Value::Object(value.to_map()));
            }
        }
        for (name, value) in [("scores", &self.scores), ("evaluations", &self.evaluations)] {
            if !value.is_empty() {
                put(name, scores(value));
            }
        }
        for (name, value) in [("chunks", &self.chunks), ("matches", &self.matches)] {
            if !value.is_empty() {
                put(name, value.iter().map(Document::to_json).collect());
            }
        }
        Value::Object(map)
    }
}

fn text(value: &ByteString) -> Value {
    Value::String(value.to_string())
}

/// Through the shortest decimal that reads back as the same 32-bit float: 0.1
/// and not 0.10000000149011612.
fn float(value: f32) -> Value {
    let decimal = value.to_string().parse::<f64>().ok();
    decimal
        .and_then(Number::from_f64)
        .map_or(Value::Null, Value::Number)
}

fn scores(scores: &Scores) -> Value {
    let scores = scores.iter().map(|(name, score)| {
        let mut map = Map::new();
        map.insert("value".to_owned(), float(score.value));
        for (name, value) in [
            ("op_name", &score.op_name),
            ("description", &score.description),
            ("ref_id", &score.ref_id),
        ] {
            if !value.is_empty() {
                map.insert(name.to_owned(), text(value));
            }
        }
        (name.to_string(), Value::Object(map))
    });
    Value::Object(scores.collect())
}

fn array(array: &NdArray) -> Value {
    let Some(dense) = array.dense() else {
        return Value::Null;
    };
    numbers(dense).unwrap_or_else(|| {
        serde_json::json!({
            "dtype": &**dense.dtype(),
            "shape": dense.shape(),
            "buffer": BASE64.encode(dense.buffer()),
        })
    })
}

/// The array as nested lists, where its dtype is a little-endian number that
/// JSON can hold.
fn numbers(dense: &Dense) -> Option<Value> {
    macro_rules! values {
        ($type:ty, $value:expr) => {
            dense
                .buffer()
                .chunks_exact(size_of::<$type>())
                .map(|bytes| {
                    let number = <$type>::from_le_bytes(bytes.try_into().ok()?);
                    let value: Value = $value(number);
                    (!value.is_null()).then_some(value)
                })
                .collect::<Option<Vec<Value>>>()?
        };
    }
    let f64 = |value: f64| Number::from_f64(value).map_or(Value::Null, Value::Number);
    let mut values = match &**dense.dtype() {
        "<f4" | "float32" => values!(f32, float),
        "<f8" | "float64" => values!(f64, f64),
        "<i8" | "int64" => values!(i64, Value::from),
        "<i4" | "int32" => values!(i32, Value::from),
        "|u1" | "<u1" | "uint8" => values!(u8, Value::from),
        _ => return None,
    };
    // From the innermost dimension outwards.
    for dim in dense.shape().iter().skip(1).rev() {
        if *dim == 0 {
            return None;
        }
        let mut rows = Vec::with_capacity(values.len() / *dim as usize);
        let mut rest = values.into_iter();
        while rest.len() > 0 {
            rows.push(rest.by_ref().take(*dim as usize).collect());
        }
        values = rows;
    }
    match dense.shape() {
        [] => values.pop(),
        _ => Some(Value::Array(values)),
    }
}

fn from_json(value: &Value, depth: u32) -> Result<Document> {
    let Value::Object(map) = value else {
        return Err(JsonError::new(
            "expected an object with a document's fields",
        ));
    };
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| JsonError::new("documents are nested too deep"))?;
    let mut doc = Document::default();
    for (name, value) in map {
        field(&mut doc, name, value, depth).map_err(|error| error.at(name))?;
    }
    if doc.id.is_empty() {
        doc.id = crate::random_id();
    }
    Ok(doc)
}

fn field(doc: &mut Document, name: &str, value: &Value, depth: u32) -> Result<()> {
    if value.is_null() {
        return Ok(());
    }
    match name {
        "id" => doc.id = string(value)?,
        "text" => set_content(doc, Content::Text(string(value)?))?,
        "blob" => {
            let blob = BASE64
                .decode(&*string(value)?)
                .map_err(|error| JsonError::new(format!("not base64: {error}")))?;
            set_content(doc, Content::Blob(blob.into()))?;
        }
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
        "location" => doc.location = list(value)?.iter().map(number).collect::<Result<_>>()?,
        "tags" => doc.tags = Some(structure(value)?),
        "_metadata" => doc.metadata = Some(structure(value)?),
        "scores" => doc.scores = read_scores(value)?,
        "evaluations" => doc.evaluations = read_scores(value)?,
        "chunks" => doc.chunks = documents(value, depth)?,
        "matches" => doc.matches = documents(value, depth)?,
        _ => {
            return Err(JsonError::new(format!(
                "no such field; a document has {}",
                FIELDS.join(", ")
            )));
        }
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
        .ok_or_else(|| JsonError::new("expected a string"))
}

fn number(value: &Value) -> Result<f32> {
    value
        .as_f64()
        .map(|value| value as f32)
        .ok_or_else(|| JsonError::new("expected a number"))
}

fn whole(value: &Value) -> Result<u32> {
    value
        .as_u64()
        .and_then(|value| u32::try_from(value).ok())
        .ok_or_else(|| JsonError::new("expected a whole number below 2^32"))
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value
        .as_array()
        .ok_or_else(|| JsonError::new("expected a list"))
}

fn object(value: &Value) -> Result<&Map<String, Value>> {
    value
        .as_object()
        .ok_or_else(|| JsonError::new("expected an object"))
}

fn structure(value: &Value) -> Result<Struct> {
    Struct::from_map(object(value)?).map_err(|error| JsonError::new(error.to_string()))
}

fn documents(value: &Value, depth: u32) -> Result<DocumentArray> {
    list(value)?
        .iter()
        .enumerate()
        .map(|(index, value)| {
            from_json(value, depth).map_err(|error| error.at(&format!("[{index}]")))
        })
        .collect()
}

fn read_scores(value: &Value) -> Result<Scores> {
    object(value)?
        .iter()
        .map(|(name, value)| {
            let mut score = NamedScore::default();
            match value {
                Value::Object(map) => {
                    for (name, value) in map {
                        match name.as_str() {
                            "value" => score.value = number(value)?,
                            "op_name" => score.op_name = string(value)?,
                            "description" => score.description = string(value)?,
                            "ref_id" => score.ref_id = string(value)?,
                            _ => return Err(JsonError::new("no such field").at(name)),
                        }
                    }
                }
                // The short form: `{"cosine": 0.5}`.
                value => score.value = number(value)?,
            }
            Ok((ByteString::from(name.as_str()), score))
        })
        .collect()
}

fn ndarray(value: &Value) -> Result<NdArray> {
    if let Value::Object(map) = value {
        let get = |name| map.get(name).unwrap_or(&Value::Null);
        let dtype = string(get("dtype")).map_err(|error| error.at("dtype"))?;
        let shape = list(get("shape"))
            .and_then(|shape| shape.iter().map(whole).collect::<Result<Vec<_>>>())
            .map_err(|error| error.at("shape"))?;
        let buffer = string(get("buffer")).map_err(|error| error.at("buffer"))?;
        let buffer = BASE64
            .decode(&*buffer)
            .map_err(|error| JsonError::new(format!("not base64: {error}")).at("buffer"))?;
        let dense = Dense::new(dtype, shape, buffer.into())
            .map_err(|error| JsonError::new(error.to_string()))?;
        return Ok(NdArray::numpy(dense));
    }
    let (mut shape, mut buffer) = (Vec::new(), Vec::new());
    let mut level = value;
    while let Value::Array(values) = level {
        shape.push(values.len() as u32);
        match values.first() {
            Some(first) => level = first,
            None => break,
        }
    }
    fill(value, &shape, &mut buffer)?;
    let dense = Dense::new(ByteString::from_static("<f4"), shape, Bytes::from(buffer))
        .map_err(|error| JsonError::new(error.to_string()))?;
    Ok(NdArray::numpy(dense))
}

fn fill(value: &Value, shape: &[u32], out: &mut Vec<u8>) -> Result<()> {
    match (value, shape) {
        (Value::Array(values), [dim, rest @ ..]) if values.len() == *dim as usize => {
            values.iter().try_for_each(|value| fill(value, rest, out))
        }
        (Value::Number(_), []) => {
            out.extend_from_slice(&number(value)?.to_le_bytes());
            Ok(())
        }
        _ => Err(JsonError::new(
            "expected numbers in lists of equal length, or an object with dtype, shape and buffer",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            (json!([]), "expected an object with a document's fields"),
            (
                json!({"chunks": [{}, {"weight": "x"}]}),
                "chunks.[1].weight: expected a number",
            ),
            (
                json!({"blob": "", "tensor": [1]}),
                "tensor: a document has one of `text`, `blob` and `tensor`, not several",
            ),
            (
                json!({"embedding": [[1], [2, 3]]}),
                "embedding: expected numbers in lists of equal length, or an object with dtype, \
                 shape and buffer",
            ),
        ] {
            let error = Document::from_json(&value).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let error = Document::from_json(&json!({"txt": "a"})).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("txt: no such field; a document has id, text")
        );
    }
}

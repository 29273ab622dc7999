use serde_json::{Number, Value};
use wasm_flow_document::{Content, Document, DocumentArray, NdArray, Struct, StructError};

/// Feeds the reader of documents in JSON, with the bytes as JSON text. If they are
/// not that, they are taken for a `DocumentArrayProto`, whose documents are
/// written as JSON first.
///
/// Neither way may panic. What is written must be JSON, the same as text and as a
/// tree, and must be read again as the same document, except for what JSON has no
/// form for: sparse arrays, and the dtypes of arrays that are written as lists.
/// Once more written and read, it must be the same in all.
///
/// An object is also read as a `Struct`, without a tree, which must give the same as
/// its tree does.
pub fn json(data: &[u8]) {
    match serde_json::from_slice::<Value>(data) {
        Ok(value) => {
            if let (Value::Object(map), Ok(text)) = (&value, std::str::from_utf8(data)) {
                match (Struct::from_json(text), Struct::from_map(map)) {
                    (of_text, of_tree) if of_text == of_tree => {}
                    // Of a repeated key the tree has only the last value.
                    (Err(StructError::TooDeep), Ok(_)) => {}
                    (of_text, of_tree) => panic!("not the same: {of_text:?}, {of_tree:?}"),
                }
            }
            if let Ok(doc) = Document::from_json(&value) {
                survives(&doc);
            }
        }
        Err(_) => {
            let Ok(docs) = DocumentArray::decode(data.to_vec().into()) else {
                return;
            };
            docs.iter().for_each(survives);
        }
    }
}

/// The document as a tree, which is what its text says too.
fn written(doc: &Document) -> Value {
    let tree = doc.to_json();
    let text = serde_json::to_string(doc).unwrap();
    // JSON text that nests more than 128 deep is not read by default.
    if let Ok(read) = serde_json::from_str::<Value>(&text) {
        assert_eq!(read, tree);
    }
    tree
}

/// Writes and reads the document, and then what was read.
fn survives(doc: &Document) {
    let read = read(doc);
    same(doc, &read);
    assert_eq!(plain(&read), plain(&self::read(&read)));
}

fn read(doc: &Document) -> Document {
    let written = written(doc);
    match Document::from_json(&written) {
        Ok(read) => read,
        Err(error) => panic!("what is written is not read: {error}\n{written}"),
    }
}

/// A document as it can be compared. A sparse array has no JSON form, nor has an
/// empty object; the decoder makes neither of what JSON says.
fn plain(doc: &Document) -> String {
    let mut doc = doc.clone();
    for object in [&mut doc.tags, &mut doc.metadata] {
        if object.as_ref().is_some_and(|object| object.is_empty()) {
            *object = None;
        }
    }
    // A map's entries have no order in JSON.
    for scores in [&mut doc.scores, &mut doc.evaluations] {
        scores.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    let chunks: Vec<_> = doc.chunks.iter().map(plain).collect();
    let matches: Vec<_> = doc.matches.iter().map(plain).collect();
    doc.chunks = DocumentArray::new();
    doc.matches = DocumentArray::new();
    format!("{doc:?} {chunks:?} {matches:?}")
}

/// Compares a document that came from the wire with what its JSON is read as.
fn same(doc: &Document, read: &Document) {
    if !doc.id.is_empty() {
        assert_eq!(doc.id, read.id);
    }
    match (&doc.content, &read.content) {
        (Content::Tensor(one), other) => {
            let other = match other {
                Content::Tensor(other) => Some(&**other),
                _ => None,
            };
            same_array(one, other);
        }
        (one, other) => assert_eq!(one, other),
    }
    if let Some(embedding) = &doc.embedding {
        same_array(embedding, read.embedding.as_deref());
    }
    // The rest is what the tree itself shows, and that had all fields.
    let fields = |doc: &Document| {
        let mut doc = doc.clone();
        doc.id = "".into();
        doc.content = Content::None;
        doc.embedding = None;
        doc.chunks = DocumentArray::new();
        doc.matches = DocumentArray::new();
        for object in [&mut doc.tags, &mut doc.metadata] {
            let map = object.as_ref().map(|object| object.to_map());
            let map = map.filter(|map| !map.is_empty());
            *object = map.map(|map| wasm_flow_document::Struct::from_map(&map).unwrap());
        }
        plain(&doc)
    };
    assert_eq!(fields(doc), fields(read));
    for (one, other) in [(&doc.chunks, &read.chunks), (&doc.matches, &read.matches)] {
        assert_eq!(one.len(), other.len());
        for (one, other) in one.iter().zip(other.iter()) {
            same(one, other);
        }
    }
}

/// A list is read as 32-bit floats, so only their values and the shape are left.
fn same_array(array: &NdArray, read: Option<&NdArray>) {
    let Some(dense) = array.dense() else {
        assert!(read.is_none(), "a sparse array has no JSON form");
        return;
    };
    let Some(read) = read.and_then(NdArray::dense) else {
        panic!("an array is gone");
    };
    assert_eq!(dense.shape(), read.shape());
    if dense.dtype() == read.dtype() {
        assert_eq!(dense.buffer(), read.buffer());
    } else {
        assert_eq!(read.dtype(), "<f4");
        let elements: usize = dense.shape().iter().map(|dim| *dim as usize).product();
        assert_eq!(read.buffer().len() / 4, elements);
        let (bytes, _) = read.buffer().as_chunks::<4>();
        assert!(
            bytes
                .iter()
                .all(|bytes| Number::from_f64(f32::from_le_bytes(*bytes).into()).is_some())
        );
    }
}

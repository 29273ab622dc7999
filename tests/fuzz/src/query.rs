use bytes::Bytes;
use serde_json::{Value, json};
use wasm_flow_contract::query::Query;
use wasm_flow_document::{Document, DocumentArray};

/// Reads JSON text as a query, and asks it of documents: those that follow the text's end,
/// which is a zero byte, and a few that are always there.
///
/// A query that is refused says why. One that is taken is the same if its source is read
/// again, and keeps to logic: not both it and its opposite hold, and it together with
/// itself, or instead of itself, is the same as it.
pub fn query(data: &[u8]) {
    let (text, rest) = match data.iter().position(|byte| *byte == 0) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[][..]),
    };
    let Ok(source) = serde_json::from_slice::<Value>(text) else {
        return;
    };
    let query = match Query::parse(&source) {
        Ok(query) => query,
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty());
            return;
        }
    };
    assert_eq!(Query::parse(query.source()).unwrap(), query);
    // These nest deeper, and have more conditions: they may be too much.
    let derived = |source: Value| Query::parse(&source).ok();
    let opposite = derived(json!({ "$not": [source] }));
    let both = derived(json!({ "$and": [source, source] }));
    let either = derived(json!({ "$or": [source, source] }));

    let mut docs = documents();
    if let Ok(more) = DocumentArray::decode(Bytes::copy_from_slice(rest)) {
        docs = docs.iter().chain(more.iter()).cloned().collect();
    }
    let mut count = 0;
    for doc in docs.iter() {
        let holds = query.matches(doc);
        count += usize::from(holds);
        for (other, expected) in [(&opposite, !holds), (&both, holds), (&either, holds)] {
            if let Some(other) = other {
                assert_eq!(other.matches(doc), expected, "{}", other.source());
            }
        }
    }
    assert_eq!(query.select(&docs).len(), count);
}

/// Documents with something in each field that a query can ask for.
fn documents() -> DocumentArray {
    let whole = json!({
        "id": "a",
        "text": "hello world",
        "uri": "data:,x",
        "mime_type": "text/plain",
        "modality": "text",
        "weight": 0.5,
        "granularity": 1,
        "tags": { "n": 3, "name": "hello", "list": [1, "two", null], "deep": { "er": true } },
        "scores": { "cos": { "value": 0.25 } },
        "chunks": [{ "id": "b", "text": "in it" }],
        "embedding": [1.0, 2.0],
    });
    let with_blob = json!({ "id": "c", "blob": "AAEC", "tags": { "n": "3" } });
    [whole, with_blob, json!({})]
        .iter()
        .filter_map(|doc| Document::from_json(doc).ok())
        .collect()
}

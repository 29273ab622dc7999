use bytes::Bytes;
use wasm_flow_document::{Content, Document, DocumentArray, NdArray, NdArrayData};

use crate::encode;

/// Feeds the decoder of `docarray.DocumentArrayProto` with the bytes as they are.
///
/// It must not panic, and what it makes must not take more memory than
/// `MOST_FOR_A_BYTE` times the input. Documents that it makes must survive
/// being written and read again, and then be written the same.
pub fn documents(data: &[u8]) {
    let Ok(docs) = DocumentArray::decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    let held = docs.iter().map(held).sum::<usize>();
    let most = data.len() * MOST_FOR_A_BYTE;
    assert!(held <= most, "{held} bytes for {} of input", data.len());

    let wire = encode(&docs);
    let again = match DocumentArray::decode(wire.clone()) {
        Ok(again) => again,
        Err(error) => panic!("not read again: {error}"),
    };
    // Printed, for NaN is not equal to itself.
    assert_eq!(format!("{docs:?}"), format!("{again:?}"));
    assert_eq!((docs.total(), docs.depth()), (again.total(), again.depth()));
    assert_eq!(encode(&again), wire);
}

/// An empty document takes two bytes of a message, and this many times them of
/// memory.
const MOST_FOR_A_BYTE: usize = size_of::<Document>() / 2 + 64;

/// Bytes of memory that a document takes, without those that it shares with the
/// frame.
fn held(doc: &Document) -> usize {
    let array = |array: &NdArray| {
        let shape = match &array.data {
            None => 0,
            Some(NdArrayData::Dense(dense)) => dense.shape().len(),
            Some(NdArrayData::Sparse(sparse)) => {
                sparse.shape.len() + sparse.indices.shape().len() + sparse.values.shape().len()
            }
        };
        size_of::<NdArray>() + shape * size_of::<u32>()
    };
    let tensor = match &doc.content {
        Content::Tensor(tensor) => array(tensor),
        _ => 0,
    };
    size_of::<Document>()
        + tensor
        + doc.embedding.as_deref().map_or(0, array)
        + size_of_val(&*doc.location)
        + size_of_val(&*doc.scores)
        + size_of_val(&*doc.evaluations)
        + doc.chunks.iter().map(held).sum::<usize>()
        + doc.matches.iter().map(held).sum::<usize>()
}

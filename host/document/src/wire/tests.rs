use bytes::{Bytes, BytesMut};

use crate::array::{Content, Document, DocumentArray};
use crate::protobuf::{Reader, Slice, put_bytes, put_float, put_message};
use crate::{Limits, LiveArray, Rows, Struct, tag};

/// The encoded documents inside the golden messages: field 4 (`data`) of
/// the message, field 1 (`docs`) of that.
fn golden_docs(message: &'static [u8]) -> Bytes {
    let mut docs = Bytes::new();
    let message = Bytes::from_static(message);
    let mut reader = Reader::new(Slice::of(&message));
    while let Some((number, field)) = reader.field().unwrap() {
        if number == 4 {
            let mut data = Reader::new(field.slice().unwrap());
            while let Some((number, field)) = data.field().unwrap() {
                if number == 1 {
                    docs = field.slice().unwrap().share();
                }
            }
        }
    }
    docs
}

fn encode(docs: &DocumentArray) -> Bytes {
    let mut out = BytesMut::new();
    let encoding = docs.encoding();
    encoding.write(&mut out);
    assert_eq!(out.len(), encoding.len());
    out.freeze()
}

#[test]
fn the_golden_documents_are_written_as_the_python_library_writes_them() {
    for message in [
        &include_bytes!("../../testdata/golden_request.bin")[..],
        &include_bytes!("../../testdata/golden_response.bin")[..],
    ] {
        let wire = golden_docs(message);
        let docs = DocumentArray::decode(wire.clone()).unwrap();
        assert_eq!(docs.len(), 1);
        assert_eq!(docs.total(), 3);
        assert_eq!(docs.depth(), 2);
        assert_eq!(encode(&docs), wire);
    }
}

#[test]
fn bytes_are_slices_of_the_frame() {
    let docs: DocumentArray = [Document {
        content: Content::Blob(Bytes::from(vec![7; 1000])),
        ..Document::default()
    }]
    .into_iter()
    .collect();
    let frame = encode(&docs);
    let decoded = DocumentArray::decode(frame.clone()).unwrap();
    let Content::Blob(blob) = &decoded.get(0).unwrap().content else {
        panic!("a blob went in")
    };
    assert!(frame.as_ptr_range().contains(&blob.as_ptr()));
}

#[test]
fn errors_name_document_and_field() {
    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        [&[tag << 3 | 2, body.len() as u8], body].concat()
    }
    let dense = [message(2, &[2]), message(3, b"<f4")].concat();
    let chunk = message(14, &message(3, &message(1, &dense)));
    let wire = message(1, &[message(14, &[]), chunk].concat());
    let error = DocumentArray::decode(wire.into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "docs[0].chunks[1].tensor: shape [2] of dtype <f4 needs 8 bytes, but there are 0"
    );
}

#[test]
fn errors_cut_the_names_that_came_with_a_document() {
    let mut entry = Vec::new();
    put_message(
        tag::entry::KEY,
        "é\n".repeat(1 << 19).as_bytes(),
        &mut entry,
    );
    // A value that is not a message.
    put_message(tag::entry::VALUE, &[0xff], &mut entry);
    let mut doc = Vec::new();
    put_message(tag::document::SCORES, &entry, &mut doc);
    let mut docs = Vec::new();
    put_message(tag::document_array::DOCS, &doc, &mut docs);
    let error = DocumentArray::decode(docs.into()).unwrap_err();
    assert!(
        error.path().starts_with("docs[0].scores.\"é\\né"),
        "{error}"
    );
    assert!(error.to_string().len() < 400, "{error}");
}

#[test]
fn nesting_and_number_are_bounded() {
    let mut doc = Document::default();
    for _ in 0..200 {
        doc = Document {
            chunks: [doc].into_iter().collect(),
            ..Document::default()
        };
    }
    let wire = encode(&[doc].into_iter().collect());
    let error = DocumentArray::decode(wire).unwrap_err();
    assert_eq!(
        error.to_string(),
        "docs[0].chunks[0].chunks[0].chunks[0].….chunks[0].chunks[0].chunks[0].chunks[0]: \
         documents are nested deeper than 64 levels"
    );

    let wire: Vec<u8> = [0x0a, 0].repeat(11);
    let limits = Limits {
        documents: 10,
        depth: 1,
    };
    let error = DocumentArray::decode_within(wire.into(), limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        "docs[10]: the request holds more than 10 documents, chunks and matches included"
    );
}

#[test]
fn a_repeated_message_field_is_merged_and_a_oneof_keeps_the_last() {
    // tags {a: true} then tags {b: true}
    let tag = |key: u8| [0x8a, 1, 9, 0x0a, 7, 0x0a, 1, key, 0x12, 2, 0x20, 1];
    let body: Vec<u8> = [
        &tag(b'a')[..],
        &tag(b'b')[..],
        // text "x", then blob "y"
        &[0x22, 1, b'x', 0x12, 1, b'y'],
    ]
    .concat();
    let wire = [&[0x0a, body.len() as u8], &body[..]].concat();
    let docs = DocumentArray::decode(wire.into()).unwrap();
    let doc = docs.get(0).unwrap();
    assert_eq!(
        doc.tags.as_ref().unwrap().to_json(),
        r#"{"a":true,"b":true}"#
    );
    assert_eq!(doc.content, Content::Blob(Bytes::from_static(b"y")));
}

/// Quadratic in either of these, the test would run for an hour.
#[test]
fn what_a_hostile_message_repeats_is_read_in_one_pass() {
    const MANY: usize = 500_000;
    let tags = Struct::from_json(&format!(r#"{{"a":"{}"}}"#, "x".repeat(8 << 20))).unwrap();
    let mut doc = Vec::new();
    put_message(tag::document::TAGS, tags.as_bytes(), &mut doc);
    for _ in 0..MANY {
        put_message(tag::document::TAGS, b"", &mut doc);
    }
    for name in 0..MANY {
        let mut entry = Vec::new();
        put_bytes(tag::entry::KEY, name.to_string().as_bytes(), &mut entry);
        put_message(tag::document::SCORES, &entry, &mut doc);
    }
    let mut wire = Vec::new();
    put_message(tag::document_array::DOCS, &doc, &mut wire);
    let docs = DocumentArray::decode(wire.into()).unwrap();
    assert_eq!(docs.get(0).unwrap().tags, Some(tags));
}

#[test]
fn scores_are_a_map_and_their_number_is_bounded() {
    let entry = |name: &str, value: f32| {
        let mut score = Vec::new();
        put_float(tag::named_score::VALUE, value, &mut score);
        let mut entry = Vec::new();
        put_bytes(tag::entry::KEY, name.as_bytes(), &mut entry);
        put_message(tag::entry::VALUE, &score, &mut entry);
        let mut out = Vec::new();
        put_message(tag::document::SCORES, &entry, &mut out);
        out
    };
    let decode = |doc: &[u8]| {
        let mut wire = Vec::new();
        put_message(tag::document_array::DOCS, doc, &mut wire);
        DocumentArray::decode(wire.into())
    };
    let doc = [entry("a", 1.0), entry("b", 2.0), entry("a", 3.0)].concat();
    let docs = decode(&doc).unwrap();
    let scores = docs.get(0).unwrap().scores.iter();
    let scores: Vec<_> = scores.map(|(name, score)| (&**name, score.value)).collect();
    assert_eq!(scores, [("a", 3.0), ("b", 2.0)]);

    let mut empty = Vec::new();
    put_message(tag::document::EVALUATIONS, b"", &mut empty);
    let error = decode(&empty.repeat(1_000_001)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "docs[0].evaluations: the message holds more than 1000000 scores and evaluations"
    );
}

#[test]
fn dimensions_are_bounded() {
    let mut dense = Vec::new();
    put_message(tag::dense::SHAPE, &[1; 65], &mut dense);
    put_bytes(tag::dense::DTYPE, b"|O", &mut dense);
    let mut tensor = Vec::new();
    put_message(tag::ndarray::DENSE, &dense, &mut tensor);
    let mut doc = Vec::new();
    put_message(tag::document::TENSOR, &tensor, &mut doc);
    let mut wire = Vec::new();
    put_message(tag::document_array::DOCS, &doc, &mut wire);
    assert_eq!(
        DocumentArray::decode(wire.into()).unwrap_err().to_string(),
        "docs[0].tensor.shape: a shape has more than 64 dimensions"
    );
}

#[test]
fn unknown_fields_are_skipped_groups_too() {
    // Field 30 as a varint, field 31 as a group that holds another.
    let unknown = [0xf0, 1, 7, 0xfb, 1, 0x0b, 0x08, 1, 0x0c, 0xfc, 1];
    let mut doc = unknown.to_vec();
    put_bytes(tag::document::ID, b"id", &mut doc);
    let mut wire = Vec::new();
    put_message(tag::document_array::DOCS, &doc, &mut wire);
    let docs = DocumentArray::decode(wire.into()).unwrap();
    assert_eq!(docs.get(0).unwrap().id, "id");
    let error = DocumentArray::decode(Bytes::from_static(&[0x0a, 2, 0xfb, 1])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "docs[0]: a group of unknown fields is malformed"
    );
}

#[test]
fn lengths_are_those_of_their_documents_at_every_depth() {
    fn tree(depth: usize) -> DocumentArray {
        (0..3)
            .map(|index| Document {
                id: "i".repeat(depth * 100 + index).into(),
                chunks: if depth > 0 && index != 1 {
                    tree(depth - 1)
                } else {
                    DocumentArray::new()
                },
                matches: if depth > 0 && index != 0 {
                    tree(depth - 1)
                } else {
                    DocumentArray::new()
                },
                ..Document::default()
            })
            .collect()
    }
    let docs = tree(4);
    assert_eq!(DocumentArray::decode(encode(&docs)).unwrap(), docs);
}

/// The smallest input of a fault: a guest that lists one large document often
/// made the host reserve terabytes.
#[test]
fn what_a_million_shared_documents_come_to_is_known_without_writing_them() {
    const LARGE: usize = 30 << 20;
    let array = LiveArray::new(
        [Document {
            uri: "x".repeat(LARGE).into(),
            ..Document::default()
        }]
        .into_iter()
        .collect(),
        Limits::default(),
    );
    let many = array.select(&Rows::List(vec![0; 1_000_000])).unwrap();
    let docs = many.snapshot();
    // The uri with a key and a length of four bytes, and so the document.
    let len = 1_000_000 * (LARGE as u64 + 2 * 5);
    assert_eq!(docs.encoded_len(), len);
    assert_eq!(docs.encoded_len_within(len), Some(len));
    assert_eq!(docs.encoded_len_within(len - 1), None);
    assert!(docs.encoding_within(4 << 30).is_none());
}

/// Visiting each of these documents would take years.
#[test]
fn finding_out_that_documents_are_too_long_costs_what_the_bound_allows() {
    let mut docs = DocumentArray::from_texts(["x"]);
    for _ in 0..60 {
        docs = (0..16)
            .map(|_| Document {
                chunks: docs.clone(),
                ..Document::default()
            })
            .collect();
    }
    assert_eq!(docs.total(), u64::MAX);
    assert_eq!(docs.encoded_len_within(1 << 20), None);
    assert!(docs.encoding_within(1 << 20).is_none());
}

#[test]
fn a_bound_is_met_to_the_byte() {
    for message in [
        &include_bytes!("../../testdata/golden_request.bin")[..],
        &include_bytes!("../../testdata/golden_response.bin")[..],
    ] {
        let wire = golden_docs(message);
        let docs = DocumentArray::decode(wire.clone()).unwrap();
        let len = wire.len() as u64;
        assert_eq!(docs.encoded_len(), len);
        for most in 0..len {
            assert_eq!(docs.encoded_len_within(most), None, "{most}");
            assert!(docs.encoding_within(most).is_none(), "{most}");
        }
        let mut out = BytesMut::new();
        docs.encoding_within(len).unwrap().write(&mut out);
        assert_eq!(out, wire);
    }
    assert_eq!(DocumentArray::new().encoded_len_within(0), Some(0));
}

/// A oneof keeps its last member, but no protobuf reader takes a message for
/// well formed if one that was replaced is not.
#[test]
fn a_tensor_that_is_replaced_is_checked_all_the_same() {
    let mut wire = Vec::new();
    let mut doc = Vec::new();
    put_message(tag::document::TENSOR, &[0x0f], &mut doc);
    put_message(tag::document::TEXT, b"t", &mut doc);
    put_message(tag::document_array::DOCS, &doc, &mut wire);
    assert_eq!(
        DocumentArray::decode(wire.into()).unwrap_err().to_string(),
        "docs[0].tensor: a field has no valid number and wire type"
    );
    let mut wire = Vec::new();
    let (mut doc, mut tensor) = (Vec::new(), Vec::new());
    put_message(tag::ndarray::SPARSE, &[0x0f], &mut tensor);
    put_message(tag::ndarray::DENSE, b"", &mut tensor);
    put_message(tag::document::EMBEDDING, &tensor, &mut doc);
    put_message(tag::document_array::DOCS, &doc, &mut wire);
    assert_eq!(
        DocumentArray::decode(wire.into()).unwrap_err().to_string(),
        "docs[0].embedding: a field has no valid number and wire type"
    );
}

#[test]
fn only_what_was_added_is_counted() {
    let long = |text: &str| Document::from_text(text.repeat(1000));
    let before: DocumentArray = [long("a"), long("b")].into_iter().collect();
    assert_eq!(before.added_len_within(&before, 0), Some(0));
    // Arrays of the same documents, made anew, share nothing.
    let copy: DocumentArray = before.iter().cloned().collect();
    assert_eq!(
        copy.added_len_within(&before, 1 << 20),
        Some(copy.encoded_len())
    );
    assert_eq!(copy.added_len_within(&before, copy.encoded_len() - 1), None);

    let live = LiveArray::new(before.clone(), Limits::default());
    let arranged = |rows: &[u32]| live.select(&Rows::List(rows.to_vec())).unwrap().snapshot();
    assert_eq!(
        arranged(&[1, 0]).added_len_within(&before, 0),
        Some(0),
        "moved"
    );
    assert_eq!(
        arranged(&[1]).added_len_within(&before, 0),
        Some(0),
        "left out"
    );
    let again = arranged(&[0, 0, 0]).added_len_within(&before, 10_000);
    assert_eq!(again, Some(2 * (before.encoded_len() / 2)), "listed again");
    assert_eq!(arranged(&[0; 1000]).added_len_within(&before, 10_000), None);
}

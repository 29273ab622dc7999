use NestedField::{Chunks, Matches};

use super::arena::COLLECT_FROM;
use super::*;
use crate::NamedScore;

fn live(texts: &[&str]) -> LiveArray {
    LiveArray::new(
        DocumentArray::from_texts(texts.iter().map(|text| (*text).to_owned())),
        Limits::default(),
    )
}

fn texts(array: &LiveArray) -> Vec<String> {
    array
        .strings(StringField::Text, &Rows::All)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn strings(values: &[&str]) -> Vec<ByteString> {
    values
        .iter()
        .map(|value| ByteString::from(*value))
        .collect()
}

#[test]
fn writes_leave_the_original_alone_and_share_what_is_untouched() {
    let docs = DocumentArray::from_texts(["a", "b", "c"]);
    let array = LiveArray::new(docs.clone(), Limits::default());
    array
        .set_strings(StringField::Text, &Rows::List(vec![1]), strings(&["B"]))
        .unwrap();
    let after = array.snapshot();
    assert_eq!(docs.texts().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(after.texts().collect::<Vec<_>>(), ["a", "B", "c"]);
    assert!(Arc::ptr_eq(&docs.shared()[0], &after.shared()[0]));
    assert!(!Arc::ptr_eq(&docs.shared()[1], &after.shared()[1]));
}

#[test]
fn nothing_written_gives_back_the_very_documents() {
    let mut doc = Document::from_text("a");
    doc.chunks = DocumentArray::from_texts(["x", "y"]);
    let docs: DocumentArray = [doc].into_iter().collect();
    let array = LiveArray::new(docs.clone(), Limits::default());
    // Looking at the chunks makes nodes of them, which does not change them.
    assert_eq!(texts(&array.flatten(&[Chunks]).unwrap()), ["x", "y"]);
    let after = array.snapshot();
    assert!(Arc::ptr_eq(&docs.shared()[0], &after.shared()[0]));
}

#[test]
fn rows_are_checked() {
    let array = live(&["a", "b"]);
    for (rows, message) in [
        (
            Rows::Span { start: 1, count: 2 },
            "rows 1 to 3 were asked for, but the array has 2",
        ),
        (
            Rows::Span {
                start: u32::MAX,
                count: u32::MAX,
            },
            "rows 4294967295 to 8589934590 were asked for, but the array has 2",
        ),
        (
            Rows::List(vec![0, 2]),
            "row 2 was asked for, but the array has 2",
        ),
    ] {
        let error = array.strings(StringField::Text, &rows).unwrap_err();
        assert_eq!(error, LiveError::OutOfRange(message.to_owned()));
    }
    let error = array
        .set_strings(StringField::Text, &Rows::All, strings(&["x"]))
        .unwrap_err();
    assert_eq!(error.to_string(), "1 values were given for 2 rows");
    assert_eq!(texts(&array), ["a", "b"]);
}

#[test]
fn packed_columns_go_both_ways_and_are_checked() {
    let array = live(&["añ", "", "c"]);
    let packed = array.packed_strings(StringField::Text, &Rows::All).unwrap();
    assert_eq!(packed.ends, [3, 3, 4]);
    array
        .set_packed_strings(StringField::Uri, &Rows::All, packed.clone())
        .unwrap();
    assert_eq!(
        array.strings(StringField::Uri, &Rows::All).unwrap(),
        strings(&["añ", "", "c"])
    );
    for (bytes, ends) in [
        (&b"abc"[..], vec![1, 2, 4]),
        (b"abc", vec![2, 1, 3]),
        (b"abc", vec![1, 2, 2]),
        ("añc".as_bytes(), vec![1, 2, 4]),
        (b"abc", vec![1, 3]),
    ] {
        let packed = Packed {
            bytes: Bytes::copy_from_slice(bytes),
            ends,
        };
        let error = array.set_packed_strings(StringField::Uri, &Rows::All, packed);
        assert!(matches!(error, Err(LiveError::Invalid(_))), "{error:?}");
    }
}

#[test]
fn content_is_one_of_three() {
    let array = live(&["a"]);
    array
        .set_blobs(&Rows::All, vec![Bytes::from_static(b"x")])
        .unwrap();
    assert_eq!(array.contents(&Rows::All).unwrap(), [ContentKind::Blob]);
    assert_eq!(texts(&array), [""]);
    array
        .set_ndarrays(
            NdArrayField::Tensor,
            &Rows::All,
            vec![Some(NdArray::numpy(Dense::from_f32(&[1.0])))],
        )
        .unwrap();
    assert_eq!(array.contents(&Rows::All).unwrap(), [ContentKind::Tensor]);
    assert_eq!(array.blobs(&Rows::All).unwrap(), [Bytes::new()]);
    // Unsetting a tensor that is not there leaves the text.
    array
        .set_strings(StringField::Text, &Rows::All, strings(&["t"]))
        .unwrap();
    array
        .set_ndarrays(NdArrayField::Tensor, &Rows::All, vec![None])
        .unwrap();
    assert_eq!(texts(&array), ["t"]);
}

#[test]
fn selections_share_documents_and_not_the_list() {
    let array = live(&["a", "b", "c"]);
    let some = array.select(&Rows::List(vec![2, 0])).unwrap();
    some.set_strings(StringField::Text, &Rows::All, strings(&["C", "A"]))
        .unwrap();
    some.arrange(&[1]).unwrap();
    assert_eq!(texts(&array), ["A", "b", "C"]);
    assert_eq!(texts(&some), ["A"]);
}

#[test]
fn nested_lists_are_shared_and_marked_as_docarray_marks_them() {
    let array = live(&["a", "b"]);
    let chunks = array.nested(Chunks, 1).unwrap();
    chunks.append_new(2).unwrap();
    chunks
        .set_strings(StringField::Text, &Rows::All, strings(&["x", "y"]))
        .unwrap();
    let matches = array.nested(Matches, 0).unwrap();
    matches.extend(&array, &Rows::List(vec![1])).unwrap();
    assert_eq!(array.nested_lengths(Chunks, &Rows::All).unwrap(), [0, 2]);
    assert_eq!(texts(&array.nested(Chunks, 1).unwrap()), ["x", "y"]);

    let after = array.snapshot();
    let (a, b) = (after.get(0).unwrap(), after.get(1).unwrap());
    assert_eq!(b.chunks.texts().collect::<Vec<_>>(), ["x", "y"]);
    let x = b.chunks.get(0).unwrap();
    assert_eq!((&x.parent_id, x.granularity), (&b.id, 1));
    assert_eq!(x.id.len(), 32);
    let copy = a.matches.get(0).unwrap();
    assert_eq!((&copy.id, copy.adjacency), (&b.id, 1));
    assert_eq!(copy.chunks.len(), 2);
    assert_eq!(after.depth(), 3);
    assert_eq!(after.total(), 2 + 2 + 3);
}

#[test]
fn set_nested_marks_newcomers_only() {
    let array = live(&["a"]);
    let chunks = array.nested(Chunks, 0).unwrap();
    chunks.append_new(1).unwrap();
    chunks
        .set_strings(StringField::ParentId, &Rows::All, strings(&["other"]))
        .unwrap();
    let more = live(&["new"]);
    let all = live(&[]);
    all.extend(&chunks, &Rows::All).unwrap();
    all.extend(&more, &Rows::All).unwrap();
    // A copy that was changed is still the same chunk.
    all.set_strings(StringField::Uri, &Rows::List(vec![0]), strings(&["u"]))
        .unwrap();
    array.set_nested(Chunks, 0, &all).unwrap();
    let id = array.strings(StringField::Id, &Rows::All).unwrap();
    assert_eq!(
        chunks.strings(StringField::ParentId, &Rows::All).unwrap(),
        ["other".into(), id[0].clone()]
    );
    assert_eq!(
        chunks
            .integers(IntegerField::Granularity, &Rows::All)
            .unwrap(),
        [1, 1]
    );
}

#[test]
fn copies_are_copies() {
    let array = live(&["a"]);
    array.extend(&array, &Rows::All).unwrap();
    array
        .set_strings(StringField::Text, &Rows::List(vec![1]), strings(&["copy"]))
        .unwrap();
    assert_eq!(texts(&array), ["a", "copy"]);
    array.insert(1, &live(&["other"]), &Rows::All).unwrap();
    assert_eq!(texts(&array), ["a", "other", "copy"]);
    let error = array.insert(9, &live(&[]), &Rows::All).unwrap_err();
    assert!(matches!(error, LiveError::OutOfRange(_)));
}

#[test]
fn arrange_removes_reorders_and_refuses_doubles() {
    let array = live(&["a", "b", "c"]);
    array.arrange(&[2, 0]).unwrap();
    assert_eq!(texts(&array), ["c", "a"]);
    let error = array.arrange(&[0, 0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 0 is named twice; use `extend` to copy documents"
    );
    array.arrange(&[]).unwrap();
    assert_eq!(array.length(), 0);
}

#[test]
fn a_document_cannot_be_grown_without_bound() {
    let limits = Limits {
        documents: 100,
        depth: 5,
    };
    let array = LiveArray::new(DocumentArray::from_texts(["a"]), limits);
    // Into itself, again and again: twice as many each time.
    let error = (0..64)
        .find_map(|_| {
            array
                .nested(Chunks, 0)
                .unwrap()
                .extend(&array, &Rows::All)
                .err()
        })
        .unwrap();
    assert!(matches!(error, LiveError::Limit(_)));
    assert!(array.snapshot().total() <= 100);

    let array = LiveArray::new(DocumentArray::from_texts(["a"]), limits);
    let mut inner = array.nested(Chunks, 0).unwrap();
    let error = (0..64).find_map(|_| {
        if let Err(error) = inner.append_new(1) {
            return Some(error);
        }
        inner = inner.nested(Matches, 0).unwrap();
        None
    });
    assert_eq!(
        error.unwrap().to_string(),
        "documents would be nested 6 levels deep; at most 5 are allowed"
    );
    assert_eq!(array.snapshot().depth(), 5);
    assert!(matches!(
        array.append_new(u32::MAX),
        Err(LiveError::Limit(_))
    ));
}

/// A row named a million times: what is made of it stays within bounds, and is
/// made or refused at once.
#[test]
fn naming_a_row_again_and_again_gives_a_guest_no_more() {
    let again = Rows::List(vec![0; 1_000_000]);
    let refused = |error: LiveError| {
        assert!(matches!(error, LiveError::Limit(_)), "{error:?}");
        error.to_string()
    };
    let array = LiveArray::with_column_limit(
        DocumentArray::from_texts(["x".repeat(1 << 20)]),
        Limits::default(),
        64 << 20,
    );
    let message = "the values of these rows are larger than 67108864 bytes together, which is \
                   the most that one call gives; ask for fewer rows at a time, or give the \
                   executor more memory";
    let text = StringField::Text;
    assert_eq!(
        refused(array.packed_strings(text, &again).unwrap_err()),
        message
    );
    assert_eq!(refused(array.strings(text, &again).unwrap_err()), message);
    let few = array
        .packed_strings(text, &Rows::List(vec![0; 64]))
        .unwrap();
    assert_eq!(few.bytes.len(), 64 << 20);

    let tags = format!(r#"{{"text":"{}"}}"#, "x".repeat(1 << 20));
    array
        .set_json_objects(JsonField::Tags, &Rows::All, strings(&[&tags]))
        .unwrap();
    refused(array.json_objects(JsonField::Tags, &again).unwrap_err());
    refused(
        array
            .packed_json_objects(JsonField::Tags, &again)
            .unwrap_err(),
    );
    array
        .set_locations(&Rows::All, vec![vec![0.0; 1 << 18]])
        .unwrap();
    refused(array.locations(&again).unwrap_err());
    let score = NamedScore {
        description: "x".repeat(1 << 20).into(),
        ..NamedScore::default()
    };
    array
        .set_scores(
            ScoreField::Scores,
            &Rows::All,
            vec![vec![("a".into(), score)]],
        )
        .unwrap();
    refused(array.scores(ScoreField::Scores, &again).unwrap_err());
    let vector = NdArray::numpy(Dense::from_f32(&vec![0.0; 1 << 18]));
    array
        .set_ndarrays(NdArrayField::Embedding, &Rows::All, vec![Some(vector)])
        .unwrap();
    refused(array.matrix(NdArrayField::Embedding, &again).unwrap_err());
    refused(array.ndarrays(NdArrayField::Embedding, &again).unwrap_err());
    array
        .set_blobs(&Rows::All, vec![Bytes::from(vec![0; 1 << 20])])
        .unwrap();
    refused(array.blobs(&again).unwrap_err());
    assert_eq!(
        array.integers(IntegerField::Adjacency, &again).unwrap(),
        vec![0; 1_000_000]
    );

    let more = Rows::List(vec![0; 1_000_001]);
    assert_eq!(
        refused(array.select(&more).unwrap_err()),
        "1000001 rows were named at once; at most 1000000 are allowed"
    );
}

#[test]
fn documents_with_much_below_them_are_copied_once_however_often_they_are_named() {
    let mut doc = Document::from_text("a");
    doc.chunks = (0..50_000).map(|_| Document::default()).collect();
    let array = LiveArray::new([doc].into_iter().collect(), Limits::default());
    // Each chunk is looked at by itself from here on.
    assert_eq!(array.flatten(&[Chunks]).unwrap().length(), 50_000);
    let again = Rows::List(vec![0; 500_000]);
    let error = array.extend(&array, &again).unwrap_err();
    assert!(matches!(error, LiveError::Limit(_)), "{error:?}");
    let many = array.select(&again).unwrap();
    assert_eq!(many.snapshot().total(), 500_000 * 50_001);
    let error = many.flatten(&[Chunks]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1050000 rows were named at once; at most 1000000 are allowed"
    );
}

#[test]
fn set_nested_replaces_what_other_handles_see() {
    let array = live(&["a"]);
    let chunks = array.nested(Chunks, 0).unwrap();
    chunks.append_new(3).unwrap();
    array.set_nested(Chunks, 0, &live(&["x"])).unwrap();
    assert_eq!(texts(&chunks), ["x"]);
    // Its own chunks as its source.
    array.set_nested(Chunks, 0, &chunks).unwrap();
    assert_eq!(texts(&array.flatten(&[Chunks]).unwrap()), ["x"]);
    array.clear(Fields::CHUNKS, &Rows::All).unwrap();
    assert_eq!(chunks.length(), 0);
    assert_eq!(array.snapshot().depth(), 1);
}

#[test]
fn matrices_stack_and_split() {
    let array = live(&["a", "b"]);
    assert_eq!(array.matrix(NdArrayField::Embedding, &Rows::All), Ok(None));
    let matrix = Matrix {
        dtype: "<f4".into(),
        shape: vec![2],
        buffer: Bytes::from_static(&[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]),
        cls_name: "numpy".into(),
    };
    array
        .set_matrix(NdArrayField::Embedding, &Rows::All, matrix.clone())
        .unwrap();
    assert_eq!(
        array.matrix(NdArrayField::Embedding, &Rows::All),
        Ok(Some(matrix.clone()))
    );
    let error = array
        .set_matrix(
            NdArrayField::Embedding,
            &Rows::List(vec![0]),
            matrix.clone(),
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 rows of shape [2] and dtype <f4 need 8 bytes, but there are 16"
    );
    let wild = Matrix {
        shape: vec![u32::MAX; 4],
        ..matrix
    };
    assert!(
        array
            .set_matrix(NdArrayField::Embedding, &Rows::All, wild.clone())
            .is_err()
    );
    let deep = Matrix {
        shape: vec![1; 1_000_000],
        ..wild
    };
    assert_eq!(
        array
            .set_matrix(NdArrayField::Embedding, &Rows::All, deep)
            .unwrap_err()
            .to_string(),
        "the shape has 1000000 dimensions; an array has 64 at most"
    );
}

#[test]
fn tags_are_json_objects() {
    let array = live(&["a", "b"]);
    array
        .set_json_objects(
            JsonField::Tags,
            &Rows::All,
            strings(&[r#"{"price": 3.0, "nested": {"a": [1, null]}}"#, ""]),
        )
        .unwrap();
    assert_eq!(
        array.json_objects(JsonField::Tags, &Rows::All).unwrap(),
        strings(&[r#"{"nested":{"a":[1,null]},"price":3}"#, ""])
    );
    let error = array
        .set_json_objects(JsonField::Tags, &Rows::List(vec![1]), strings(&["[]"]))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "value 0: expected a JSON object, found a list"
    );
}

#[test]
fn scores_keep_the_last_of_a_name() {
    let array = live(&["a"]);
    let score = |value| NamedScore {
        value,
        ..NamedScore::default()
    };
    array
        .set_scores(
            ScoreField::Scores,
            &Rows::All,
            vec![vec![
                ("a".into(), score(1.0)),
                ("b".into(), score(2.0)),
                ("a".into(), score(3.0)),
            ]],
        )
        .unwrap();
    let scores = array.scores(ScoreField::Scores, &Rows::All).unwrap();
    let values: Vec<_> = scores[0].iter().map(|(n, s)| (&**n, s.value)).collect();
    assert_eq!(values, [("b", 2.0), ("a", 3.0)]);
}

/// An array as a window: an executor may keep one for as long as it lives.
#[test]
fn documents_taken_out_again_count_no_more_and_are_let_go() {
    let limits = Limits {
        documents: 100,
        depth: 5,
    };
    let window = LiveArray::new(DocumentArray::from_texts(["kept"]), limits);
    let kept = window.select(&Rows::All).unwrap();
    let below = window.nested(Chunks, 0).unwrap();
    for round in 0..20 {
        let docs = DocumentArray::from_texts((0..30).map(|n| format!("{round}-{n}")));
        let docs = LiveArray::new(docs, limits);
        window.arrange(&[]).unwrap();
        window.extend(&docs, &Rows::All).unwrap();
        // What is below a document and replaced goes the same way.
        window.set_nested(Chunks, 0, &docs).unwrap();
        assert_eq!(window.length(), 30);
    }
    assert_eq!(texts(&window)[29], "19-29");
    assert_eq!(texts(&window.nested(Chunks, 0).unwrap())[29], "19-29");
    // What a handle leads to is there, even if the array let go of it.
    assert_eq!(texts(&kept), ["kept"]);
    below.append_new(1).unwrap();
    assert_eq!(kept.nested_lengths(Chunks, &Rows::All).unwrap(), [1]);
    assert_eq!(
        below.strings(StringField::ParentId, &Rows::All).unwrap(),
        kept.strings(StringField::Id, &Rows::All).unwrap()
    );
    let error = window.append_new(40).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the request would hold 102 documents, chunks and matches included; \
         at most 100 are allowed"
    );
    assert!(window.lock().nodes.len() <= 100);
}

#[test]
fn documents_are_let_go_long_before_a_limit_is_hit() {
    let window = live(&[]);
    for _ in 0..100 {
        window.arrange(&[]).unwrap();
        window.append_new(1000).unwrap();
    }
    let held = window.lock().nodes.len();
    assert!(held <= 2 * COLLECT_FROM as usize, "{held}");
}

#[test]
fn lists_are_used_again_when_their_handles_are_gone() {
    let array = live(&["a"]);
    for _ in 0..100 {
        drop(array.select(&Rows::All).unwrap());
        drop(array.share());
    }
    assert_eq!(array.lock().lists.len(), 2);
    assert_eq!(texts(&array), ["a"]);
}

/// What is found while values are written is never less than what they come to.
#[test]
fn growth_is_known_without_looking() {
    let docs: DocumentArray = (0..3).map(|_| Document::from_text("x")).collect();
    let live = LiveArray::new(docs.clone(), Limits::default());
    assert_eq!(live.grown_at_most(), Some(0));
    let all = &Rows::All;
    let long = || ByteString::from("y".repeat(5000));
    let array = || NdArray::numpy(Dense::from_f32(&[0.5; 2000]));
    let score = || NamedScore {
        description: long(),
        ..NamedScore::default()
    };
    type Write<'a> = (&'a str, Box<dyn Fn() -> Result<()> + 'a>);
    let writes: Vec<Write<'_>> = vec![
        (
            "strings",
            Box::new(|| live.set_strings(StringField::Uri, all, vec![long(); 3])),
        ),
        (
            "packed strings",
            Box::new(|| {
                let bytes = Bytes::from(vec![b'z'; 9000]);
                let ends = vec![0, 3000, 9000];
                live.set_packed_strings(StringField::Text, all, Packed { bytes, ends })
            }),
        ),
        (
            "objects",
            Box::new(|| {
                let tags = format!(r#"{{"k": [{}]}}"#, vec!["1"; 500].join(","));
                live.set_json_objects(JsonField::Tags, all, vec![tags.into(); 3])
            }),
        ),
        (
            "integers",
            Box::new(|| live.set_integers(IntegerField::Granularity, all, &[u32::MAX; 3])),
        ),
        (
            "floats",
            Box::new(|| live.set_floats(FloatField::Weight, all, &[1.5; 3])),
        ),
        (
            "locations",
            Box::new(|| live.set_locations(all, vec![vec![1.0; 700]; 3])),
        ),
        (
            "arrays",
            Box::new(|| live.set_ndarrays(NdArrayField::Embedding, all, vec![Some(array()); 3])),
        ),
        (
            "scores",
            Box::new(|| {
                live.set_scores(ScoreField::Scores, all, vec![vec![(long(), score()); 1]; 3])
            }),
        ),
        (
            "blobs",
            Box::new(|| live.set_blobs(all, vec![vec![7; 4000].into(); 3])),
        ),
    ];
    for (name, write) in writes {
        let (len, known) = (live.snapshot().encoded_len(), live.grown_at_most().unwrap());
        write().unwrap();
        let grown = live.snapshot().encoded_len().saturating_sub(len);
        let counted = live.grown_at_most().unwrap() - known;
        assert!(
            counted >= grown,
            "{name}: {counted} are counted, and {grown} were added"
        );
    }
    // What is put in may be of any size.
    live.append_new(1).unwrap();
    assert_eq!(live.grown_at_most(), None);
}

#[test]
fn an_empty_id_is_replaced_by_a_random_one() {
    let live = LiveArray::new(DocumentArray::from_texts(["a", "b"]), Limits::default());
    let ids = vec!["".into(), "own".into()];
    live.set_strings(StringField::Id, &Rows::All, ids).unwrap();
    let ids = live.strings(StringField::Id, &Rows::All).unwrap();
    assert_eq!(ids[0].len(), 32);
    assert_eq!(ids[1], "own");
}

#[test]
fn sizes_are_those_of_the_encoded_fields() {
    let live = LiveArray::new(DocumentArray::from_texts(["a", "bcd"]), Limits::default());
    let row = &Rows::Span { start: 0, count: 1 };
    live.nested(NestedField::Chunks, 0)
        .unwrap()
        .append_new(1)
        .unwrap();
    // A key, a length and the text.
    assert_eq!(live.sizes(Fields::CONTENT, &Rows::All).unwrap(), [3, 5]);
    let chunks = live.sizes(Fields::CHUNKS, &Rows::All).unwrap();
    assert_eq!(chunks[1], 0);
    let both = Fields::CONTENT.with(Fields::CHUNKS);
    assert_eq!(live.sizes(both, row).unwrap(), [3 + chunks[0]]);
    let all = live.snapshot();
    let id = 2 + all.iter().next().unwrap().id.len() as u64;
    let document = id + 3 + chunks[0];
    assert_eq!(live.encode(row).unwrap().len() as u64, document + 2);
    assert!(live.sizes(both, &Rows::List(vec![2])).is_err());
}

#[test]
fn documents_become_bytes_and_documents_again() {
    let docs = DocumentArray::from_texts(["a", "b"]);
    let live = LiveArray::new(docs.clone(), Limits::default());
    let bytes = live.encode(&Rows::All).unwrap();
    let read = LiveArray::decode(bytes.clone(), Limits::default(), u64::MAX).unwrap();
    assert_eq!(format!("{:?}", read.snapshot()), format!("{docs:?}"));
    let one = live.encode(&Rows::List(vec![1])).unwrap();
    let read = LiveArray::decode(one, Limits::default(), u64::MAX).unwrap();
    assert_eq!(read.strings(StringField::Text, &Rows::All).unwrap(), ["b"]);

    let narrow = LiveArray::with_column_limit(docs, Limits::default(), bytes.len() as u64 - 1);
    assert!(matches!(
        narrow.encode(&Rows::All),
        Err(LiveError::Limit(_))
    ));
    let few = Limits {
        documents: 1,
        ..Limits::default()
    };
    assert!(LiveArray::decode(bytes, few, u64::MAX).is_err());
}

//! Rows and columns of a request's documents, and how changes are written back.
//! Handlers are called as in a component.

use std::cell::RefCell;

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::testing::{Post, TestExecutor};
use wasm_flow_sdk::{Content, Matrix};

type Change = Box<dyn Fn(&mut DocumentArray) -> Result<()>>;

/// An executor whose only handler does what the test says.
struct Does(Change);

#[executor]
impl Does {
    fn new() -> Self {
        Does(Box::new(|_| Ok(())))
    }

    #[requests]
    fn change(&self, docs: &mut DocumentArray) -> Result<()> {
        (self.0)(docs)
    }
}

/// The documents that come back after this change.
#[expect(clippy::unwrap_used, reason = "of a test")]
fn after(
    docs: impl Into<DocumentArray>,
    change: impl Fn(&mut DocumentArray) -> Result<()> + 'static,
) -> DocumentArray {
    TestExecutor::of(Does(Box::new(change)))
        .post("/", docs)
        .unwrap()
        .docs
}

fn texts(docs: &DocumentArray) -> Vec<String> {
    docs.texts().map(str::to_owned).collect()
}

fn abc() -> DocumentArray {
    DocumentArray::from_texts(["a", "b", "c"])
}

/// Documents that have chunks, which have matches.
fn nested() -> DocumentArray {
    ["ab", "", "cde"]
        .into_iter()
        .map(|text| {
            let chunks: DocumentArray = text
                .chars()
                .map(|letter| {
                    Document::new(letter).with_matches([format!("{letter}1"), format!("{letter}2")])
                })
                .collect();
            Document::new(text).with_chunks(chunks)
        })
        .collect()
}

fn tree(docs: &DocumentArray) -> String {
    docs.iter()
        .map(|doc| {
            let mut text = doc.text().to_owned();
            for (nested, [open, close]) in [(doc.chunks(), ["(", ")"]), (doc.matches(), ["[", "]"])]
            {
                if !nested.is_empty() {
                    text += &format!("{open}{}{close}", tree(nested));
                }
            }
            text
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_field_goes_there_and_back() {
    let full = Document::new("text")
        .with_id("one")
        .with_uri("file:a")
        .with_mime_type("text/plain")
        .with_tag("n", 3)
        .with_tag("deep", json!({ "a": [1, null, "x"] }))
        .with_embedding([1f32, 2.0])
        .with_chunks(["chunk"])
        .with_matches(["match"]);
    let docs = after([full], |docs| {
        let doc = &mut docs[0];
        assert_eq!(doc.id(), "one");
        assert_eq!(doc.text(), "text");
        assert_eq!(doc.content(), Content::Text);
        assert_eq!(doc.uri(), "file:a");
        assert_eq!(doc.mime_type(), "text/plain");
        assert_eq!(doc.modality(), "");
        assert_eq!(doc.tag("n"), Some(&json!(3)));
        assert_eq!(doc.tag("deep"), Some(&json!({ "a": [1, null, "x"] })));
        assert_eq!(doc.embedding_as::<f32>(), Some(&[1.0, 2.0][..]));
        assert_eq!(doc.chunks()[0].text(), "chunk");
        assert_eq!(doc.chunks()[0].parent_id(), "one");
        assert_eq!(doc.chunks()[0].granularity(), 1);
        assert_eq!(doc.matches()[0].text(), "match");
        assert_eq!(doc.matches()[0].adjacency(), 1);

        doc.set_id("two");
        doc.set_parent_id("parent");
        doc.set_uri("file:b");
        doc.set_mime_type("text/html");
        doc.set_modality("text");
        doc.set_granularity(4);
        doc.set_adjacency(5);
        doc.set_weight(0.5);
        doc.set_offset(1.5);
        doc.set_location([1.0, 2.0]);
        doc.set_embedding(vec![1i64, 2, 3]);
        doc.set_tag("n", 4);
        doc.metadata_mut().insert("m".into(), json!(true));
        doc.set_score("cosine", 0.25);
        doc.evaluations_mut().insert(
            "recall".into(),
            NamedScore {
                value: 1.0,
                op_name: "op".into(),
                description: "why".into(),
                ref_id: "r".into(),
            },
        );
        Ok(())
    });
    let doc = &docs[0];
    assert_eq!(doc.id(), "two");
    assert_eq!(doc.parent_id(), "parent");
    assert_eq!(doc.uri(), "file:b");
    assert_eq!(doc.mime_type(), "text/html");
    assert_eq!(doc.modality(), "text");
    assert_eq!((doc.granularity(), doc.adjacency()), (4, 5));
    assert_eq!((doc.weight(), doc.offset()), (0.5, 1.5));
    assert_eq!(doc.location(), [1.0, 2.0]);
    assert_eq!(doc.embedding_as::<i64>(), Some(&[1, 2, 3][..]));
    assert_eq!(doc.embedding_as::<f32>(), None);
    assert_eq!(doc.tag("n"), Some(&json!(4)));
    assert_eq!(doc.metadata().get("m"), Some(&json!(true)));
    assert_eq!(doc.scores()["cosine"].value, 0.25);
    assert_eq!(doc.evaluations()["recall"].description, "why");
    assert_eq!(doc.text(), "text");
    assert_eq!(doc.chunks()[0].text(), "chunk");
}

#[test]
fn a_document_has_one_content() {
    let docs = after(
        [
            Document::new("text"),
            Document::default().with_blob(b"blob".to_vec()),
            Document::default().with_tensor([1u8, 2]),
            Document::default(),
            Document::new("stays"),
        ],
        |docs| {
            let contents: Vec<Content> = docs.iter().map(Document::content).collect();
            assert_eq!(
                contents,
                [
                    Content::Text,
                    Content::Blob,
                    Content::Tensor,
                    Content::None,
                    Content::Text
                ]
            );
            assert_eq!(docs[1].blob(), b"blob");
            assert_eq!(docs[1].text(), "");
            assert_eq!(docs[2].tensor().unwrap().shape(), [2]);

            docs[0].set_blob(*b"now a blob");
            assert_eq!(docs[0].text(), "");
            docs[1].set_text("now text");
            assert_eq!(docs[1].blob(), b"");
            docs[2].clear_content();
            assert!(docs[2].tensor().is_none());
            docs[3].set_tensor(NdArray::from_shape(&[1, 2], vec![1.0f64, 2.0])?);
            Ok(())
        },
    );
    assert_eq!(docs[0].blob(), b"now a blob");
    assert_eq!(docs[0].text(), "");
    assert_eq!(docs[1].text(), "now text");
    assert_eq!(docs[1].blob(), b"");
    assert_eq!(docs[2].content(), Content::None);
    assert_eq!(docs[3].tensor().unwrap().shape(), [1, 2]);
    assert_eq!(docs[3].text(), "");
    assert_eq!(docs[4].text(), "stays");
}

#[test]
fn some_rows_are_written_and_the_others_stay() {
    let docs = after(abc(), |docs| {
        docs[2].set_text("C");
        docs[0].set_tag("k", 1);
        Ok(())
    });
    assert_eq!(texts(&docs), ["a", "b", "C"]);
    assert_eq!(docs[0].tag("k"), Some(&json!(1)));
    assert!(docs[1].tags().is_empty());
}

#[test]
fn two_rows_are_changed_at_once() {
    let docs = after(abc(), |docs| {
        let (one, rest) = docs.split_at_mut(1);
        one[0].set_text(format!("{}{}", one[0].text(), rest[1].text()));
        rest[0].set_text(one[0].text());
        docs.swap(0, 2);
        Ok(())
    });
    assert_eq!(texts(&docs), ["c", "ac", "ac"]);
}

#[test]
fn the_list_changes() {
    let change = |change: fn(&mut DocumentArray)| {
        texts(&after(abc(), move |docs| {
            change(docs);
            Ok(())
        }))
    };
    assert_eq!(change(|docs| docs.push("d".into())), ["a", "b", "c", "d"]);
    assert_eq!(
        change(|docs| docs.insert(1, Document::new("x"))),
        ["a", "x", "b", "c"]
    );
    assert_eq!(change(|docs| drop(docs.remove(1))), ["a", "c"]);
    assert_eq!(change(|docs| docs.clear()), [""; 0]);
    assert_eq!(change(|docs| docs.truncate(docs.len() - 2)), ["a"]);
    assert_eq!(change(|docs| docs.reverse()), ["c", "b", "a"]);
    assert_eq!(
        change(|docs| docs.retain(|doc| doc.text() != "b")),
        ["a", "c"]
    );
    assert_eq!(
        change(|docs| docs.extend(["d", "e"])),
        ["a", "b", "c", "d", "e"]
    );
    assert_eq!(
        change(|docs| {
            let tail = docs.drain(1..).collect::<Vec<_>>();
            docs.extend(tail.into_iter().rev());
        }),
        ["a", "c", "b"]
    );
    assert_eq!(
        change(|docs| *docs = DocumentArray::from_texts(["new"])),
        ["new"]
    );
    assert_eq!(
        change(|docs| docs.sort_by(|one, two| two.text().cmp(one.text()))),
        ["c", "b", "a"]
    );
}

#[test]
fn list_and_fields_change_together() {
    let docs = after(abc(), |docs| {
        let mut copy = docs[0].clone();
        docs[0].set_text("A");
        docs[2].set_text("C");
        copy.set_uri("copy");
        docs.push(copy);
        docs.remove(1);
        docs.reverse();
        Ok(())
    });
    // The copy was taken before the original was changed.
    assert_eq!(texts(&docs), ["a", "C", "A"]);
    assert_eq!(docs[0].uri(), "copy");
    assert_eq!(docs[2].uri(), "");
}

#[test]
fn documents_keep_their_ids_and_new_ones_get_some() {
    let before = abc();
    let ids: Vec<String> = before.ids().map(str::to_owned).collect();
    let docs = after(before, |docs| {
        let new = Document::default();
        let id = new.id().to_owned();
        docs.push(new);
        docs.push(Document::default().with_uri(id));
        docs.reverse();
        Ok(())
    });
    let after: Vec<&str> = docs.ids().collect();
    assert_eq!(after[2..], [&*ids[2], &ids[1], &ids[0]]);
    // An id that was read once does not change.
    assert_eq!(after[1], docs[0].uri());
    assert_eq!(after[0].len(), 32);
    assert_ne!(after[0], after[1]);
}

/// Adds the same document of its own to every request as a match.
struct Catalog(Vec<Document>);

#[executor]
impl Catalog {
    fn new() -> Self {
        Catalog(vec![Document::new("entry").with_chunks(["part"])])
    }

    #[requests]
    fn search(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            doc.set_matches(self.0.clone());
        }
    }
}

#[test]
fn a_clone_of_a_new_document_has_its_id() {
    let executor = TestExecutor::<Catalog>::start(json!({})).unwrap();
    let ids = || {
        let docs = executor.post("/", ["query"]).unwrap().docs;
        let entry = &docs[0].matches()[0];
        [entry.id().to_owned(), entry.chunks()[0].id().to_owned()]
    };
    assert_eq!(ids(), ids());

    let docs = after(abc(), |docs| {
        let chunk = Document::new("chunk");
        docs[0].chunks_mut().push(chunk.clone());
        docs[0].set_tag("chunk", chunk.id());
        let mut other = chunk.clone();
        other.set_id("");
        docs[1].chunks_mut().push(other);
        Ok(())
    });
    let id = docs[0].chunks()[0].id();
    assert_eq!(docs[0].tag("chunk"), Some(&json!(id)));
    assert_ne!(docs[1].chunks()[0].id(), id);
}

#[test]
fn chunks_are_read_at_every_depth() {
    after(nested(), |docs| {
        assert_eq!(
            tree(docs),
            "ab(a[a1 a2] b[b1 b2])  cde(c[c1 c2] d[d1 d2] e[e1 e2])"
        );
        assert_eq!(docs.traverse("@c")?.len(), 5);
        assert_eq!(docs.traverse("@cm")?.len(), 10);
        assert_eq!(docs.traverse("@r,c")?.len(), 8);
        assert_eq!(docs.traverse("@m")?.len(), 0);
        assert_eq!(docs.traverse("@cm")?[9].text(), "e2");
        assert!(docs.traverse("@x").is_err());
        assert!(docs.traverse("").is_err());
        assert!(docs.traverse_mut("@r,c").is_err());
        Ok(())
    });
}

#[test]
fn nested_documents_are_changed_in_place() {
    let docs = after(nested(), |docs| {
        for chunk in docs.traverse_mut("@c")? {
            chunk.set_text(chunk.text().to_uppercase());
        }
        for found in docs.traverse_mut("@cm")? {
            if found.text().ends_with('2') {
                found.set_text("-");
            }
        }
        docs[2].set_text("!");
        Ok(())
    });
    assert_eq!(
        tree(&docs),
        "ab(A[a1 -] B[b1 -])  !(C[c1 -] D[d1 -] E[e1 -])"
    );
}

#[test]
fn nested_lists_change() {
    let docs = after(nested(), |docs| {
        docs[0].chunks_mut().push("new".into());
        docs[0].chunks_mut()[0].set_text("A");
        docs[1].set_chunks([Document::new("x").with_chunks(["deep"])]);
        docs[2].chunks_mut().remove(1);
        docs[2].chunks_mut()[1].matches_mut().clear();
        docs[2].chunks_mut()[0].matches_mut()[1].set_text("C2");
        Ok(())
    });
    assert_eq!(
        tree(&docs),
        "ab(A[a1 a2] b[b1 b2] new) (x(deep)) cde(c[c1 C2] e)"
    );
    let x = &docs[1].chunks()[0];
    assert_eq!(x.parent_id(), docs[1].id());
    assert_eq!(x.granularity(), 1);
    assert_eq!(x.chunks()[0].parent_id(), x.id());
    assert_eq!(x.chunks()[0].granularity(), 2);
    assert_eq!(docs[0].chunks()[2].parent_id(), docs[0].id());
}

#[test]
fn documents_move_between_levels() {
    let docs = after(nested(), |docs| {
        let chunk = docs[0].chunks_mut().remove(0);
        let doc = docs.remove(1);
        docs[1].chunks_mut().push(doc);
        let other = docs[1].chunks_mut().remove(0);
        docs[0].matches_mut().push(other);
        docs.push(chunk);
        Ok(())
    });
    assert_eq!(
        tree(&docs),
        "ab(b[b1 b2])[c[c1 c2]] cde(d[d1 d2] e[e1 e2] ) a[a1 a2]"
    );
    assert_eq!(docs[1].chunks()[2].granularity(), 1);
}

#[test]
fn a_copy_has_chunks_of_its_own() {
    let docs = after(nested(), |docs| {
        let before = docs[0].clone();
        docs[0].chunks_mut()[0].set_text("X");
        let mut both = docs[0].clone();
        both.chunks_mut()[1].set_text("Y");
        both.chunks_mut()[1].matches_mut().pop();
        docs.truncate(1);
        docs.push(before);
        docs.push(both);
        Ok(())
    });
    assert_eq!(
        tree(&docs),
        "ab(X[a1 a2] b[b1 b2]) ab(a[a1 a2] b[b1 b2]) ab(X[a1 a2] Y[b1])"
    );
}

#[test]
fn columns() {
    let docs = after(abc(), |docs| {
        let texts: Vec<String> = docs.texts().map(str::to_uppercase).collect();
        docs.set_texts(texts)?;
        let error = docs.set_texts(["one"]).unwrap_err();
        assert_eq!(
            error.message(),
            "expected 3 texts, one for each document, but got 1"
        );
        let id = docs[0].id().to_owned();
        let error = docs.embeddings().unwrap_err();
        assert_eq!(
            error.message(),
            format!("document 0 ({id:?}): it has no embedding")
        );
        docs.set_embeddings(2, vec![0f32, 1., 2., 3., 4., 5.])?;
        assert!(docs.set_embeddings(2, vec![0f32]).is_err());
        Ok(())
    });
    assert_eq!(texts(&docs), ["A", "B", "C"]);
    let matrix = docs.embeddings().unwrap();
    assert_eq!((matrix.rows(), matrix.columns()), (3, 2));
    assert_eq!(matrix.as_slice(), [0., 1., 2., 3., 4., 5.]);
    assert_eq!(
        matrix.iter().map(|row| row[0]).collect::<Vec<_>>(),
        [0., 2., 4.]
    );

    after(docs, |docs| {
        docs.reverse();
        let matrix: Matrix = docs.embeddings().unwrap();
        assert_eq!(matrix.as_slice(), [4., 5., 2., 3., 0., 1.]);
        docs[0].set_embedding([9f32, 9.]);
        assert_eq!(docs.embeddings().unwrap().row(0), [9., 9.]);
        docs[1].set_id("one");
        let refused = |docs: &DocumentArray| docs.embeddings().unwrap_err().to_string();
        docs[1].clear_embedding();
        assert_eq!(refused(docs), "document 1 (\"one\"): it has no embedding");
        docs[1].set_embedding([1f32]);
        assert_eq!(
            refused(docs),
            "document 1 (\"one\"): its embedding has 1 numbers, and document 0 has 2"
        );
        let error = docs.embeddings_to::<f64>().unwrap_err();
        assert!(error.message().contains("has 1 numbers"), "{error}");
        docs[1].set_embedding([1f64, 2.]);
        assert_eq!(
            refused(docs),
            "document 1 (\"one\"): its embedding has dtype <f8, not <f4: use `embeddings_to` to \
             convert"
        );
        let matrix = docs.embeddings_to::<f32>()?;
        assert_eq!(matrix.as_slice(), [9., 9., 1., 2., 0., 1.]);
        // The matrix is not the documents'.
        docs.truncate(1);
        assert_eq!(matrix.rows(), 3);
        docs.clear();
        assert!(docs.embeddings()?.is_empty());
        Ok(())
    });
}

#[test]
fn embeddings_that_differ_go_back_one_by_one() {
    let docs = after(abc(), |docs| {
        docs[0].set_embedding([1f32, 2.]);
        docs[1].set_embedding([1f64]);
        Ok(())
    });
    assert_eq!(docs[0].embedding_as::<f32>(), Some(&[1., 2.][..]));
    assert_eq!(docs[1].embedding_as::<f64>(), Some(&[1.][..]));
    assert!(docs[2].embedding().is_none());
    let docs = after(docs, |docs| {
        docs[1].clear_embedding();
        Ok(())
    });
    assert!(docs[1].embedding().is_none());
    assert!(docs[0].embedding().is_some());
}

#[test]
fn a_failure_writes_nothing() {
    // The documents that are sent belong to the test. The handler gets its own,
    // and a handler that fails returns nothing.
    let executor = TestExecutor::of(Does(Box::new(|docs: &mut DocumentArray| {
        docs[0].set_text("changed");
        bail!("no further")
    })));
    let error = executor.post("/", abc()).unwrap_err();
    assert_eq!(error.message(), "no further");
}

/// Keeps documents of one request for the next one.
#[derive(Default)]
struct Keeps {
    kept: RefCell<Vec<Document>>,
}

#[executor]
impl Keeps {
    #[requests(on = "/keep")]
    fn keep(&self, docs: &mut DocumentArray) -> Result<()> {
        self.kept.borrow_mut().extend(docs.iter().cloned());
        for doc in docs.iter_mut() {
            doc.set_text("changed");
            doc.set_embedding([0f32]);
            doc.set_tag("k", "changed");
            for chunk in doc.chunks_mut().iter_mut() {
                chunk.set_text("changed");
            }
        }
        if let Some(last) = docs.last_mut() {
            last.set_chunks([""; 0]);
        }
        docs.reverse();
        Ok(())
    }

    #[requests(on = "/keep_owned")]
    fn keep_owned(&self, docs: &mut DocumentArray) {
        let owned = docs.clone().into_owned();
        self.kept.borrow_mut().extend(owned);
        docs.clear();
    }

    #[requests(on = "/kept")]
    fn kept(&self) -> DocumentArray {
        self.kept.borrow().iter().cloned().collect()
    }
}

#[test]
fn kept_documents_read_what_they_held() {
    for keep in ["/keep", "/keep_owned"] {
        let executor = TestExecutor::<Keeps>::start(json!({})).unwrap();
        let mut docs = nested();
        docs.push(
            Document::new("last")
                .with_id("last")
                .with_tag("k", "v")
                .with_embedding([1f32])
                .with_chunks(["x"]),
        );
        let before = tree(&docs);
        let reply = executor.post(keep, docs).unwrap();
        if keep == "/keep" {
            assert_eq!(
                tree(&reply.docs),
                "changed changed(changed[c1 c2] changed[d1 d2] changed[e1 e2]) changed \
                 changed(changed[a1 a2] changed[b1 b2])"
            );
        } else {
            assert!(reply.docs.is_empty());
        }
        let kept = executor.post("/kept", DocumentArray::new()).unwrap().docs;
        assert_eq!(tree(&kept), before);
        assert_eq!(kept[3].id(), "last");
        assert_eq!(kept[3].tag("k"), Some(&json!("v")));
        assert_eq!(kept[3].embedding_as::<f32>(), Some(&[1.][..]));
        assert!(kept[0].embedding().is_none());
    }
}

/// Reads the documents by predecessor.
#[derive(Default)]
struct Joins;

#[executor]
impl Joins {
    #[requests]
    fn join(&self, matrix: &DocsMatrix, docs: &mut DocumentArray) -> Json {
        for doc in docs.iter_mut() {
            doc.set_text("changed");
        }
        let parts: Vec<Json> = matrix
            .iter()
            .map(|part| json!([part.executor(), part.docs().texts().collect::<Vec<_>>()]))
            .collect();
        let all: Vec<Document> = matrix
            .iter()
            .flat_map(|part| part.docs().iter().cloned())
            .collect();
        docs.extend(all);
        json!({ "parts": parts })
    }
}

#[test]
fn parts_stay_as_they_came() {
    let executor = TestExecutor::<Joins>::start(json!({})).unwrap();
    let reply = executor.post("/", ["a"]).unwrap();
    assert_eq!(
        reply.results,
        Some(json!({ "parts": [["gateway", ["a"]]] }))
    );
    assert_eq!(texts(&reply.docs), ["changed", "a"]);

    let post = Post::new("/")
        .docs(["a"])
        .part("one", ["x"])
        .part("two", ["y", "z"]);
    let reply = wasm_flow_sdk::testing::block_on(executor.send(post)).unwrap();
    assert_eq!(
        reply.results,
        Some(json!({ "parts": [["one", ["x"]], ["two", ["y", "z"]]] }))
    );
    assert_eq!(texts(&reply.docs), ["changed", "x", "y", "z"]);

    let reply = executor.post("/", DocumentArray::new()).unwrap();
    assert_eq!(reply.results, Some(json!({ "parts": [["gateway", []]] })));
}

#[test]
fn documents_show_what_they_are() {
    let doc = Document::new("hello")
        .with_id("1")
        .with_tag("k", 1)
        .with_chunks(["x"]);
    assert_eq!(
        format!("{doc:?}"),
        r#"Document { id: "1", text: "hello", tags: {"k": Number(1)}, chunks: 1, .. }"#
    );
}

#[test]
fn deep_documents_are_built_at_once() {
    // If documents nest deeper than the host allows, it refuses them and does not
    // crash.
    let mut doc = Document::new("leaf");
    for _ in 0..200 {
        doc = Document::default().with_chunks(doc);
    }
    let executor = TestExecutor::of(Does(Box::new(move |docs: &mut DocumentArray| {
        docs.push(doc.clone());
        Ok(())
    })));
    let error = executor.post("/", abc()).unwrap_err();
    assert_eq!(error.name(), "Limit");
}

#[test]
fn every_field_has_a_builder() {
    let map = |key: &str| Map::from_iter([(key.to_owned(), json!(1))]);
    let doc = Document::new("text")
        .with_id("one")
        .with_parent_id("parent")
        .with_granularity(1)
        .with_adjacency(2)
        .with_uri("file:a")
        .with_mime_type("text/plain")
        .with_modality("text")
        .with_weight(0.5)
        .with_offset(1.5)
        .with_location([1.0, 2.0])
        .with_embedding([1f32])
        .with_tags(map("a"))
        .with_tag("b", 2)
        .with_scores([("cosine".to_owned(), 0.25.into())].into())
        .with_score("dot", 4.0)
        .with_evaluations([("recall".to_owned(), 1.0.into())].into())
        .with_evaluation("precision", 0.5)
        .with_metadata(map("m"))
        .with_chunks(["chunk"])
        .with_matches(["match"]);
    let docs = after([doc], |_| Ok(()));
    let doc = &docs[0];
    assert_eq!((doc.id(), doc.parent_id()), ("one", "parent"));
    assert_eq!((doc.granularity(), doc.adjacency()), (1, 2));
    assert_eq!((doc.uri(), doc.mime_type()), ("file:a", "text/plain"));
    assert_eq!(doc.modality(), "text");
    assert_eq!((doc.weight(), doc.offset()), (0.5, 1.5));
    assert_eq!(doc.location(), [1.0, 2.0]);
    assert_eq!(doc.embedding_as::<f32>(), Some(&[1.0][..]));
    assert_eq!(json!(doc.tags()), json!({ "a": 1, "b": 2 }));
    assert_eq!(doc.scores()["cosine"].value, 0.25);
    assert_eq!(doc.scores()["dot"].value, 4.0);
    assert_eq!(doc.evaluations()["recall"].value, 1.0);
    assert_eq!(doc.evaluations()["precision"].value, 0.5);
    assert_eq!(json!(doc.metadata()), json!({ "m": 1 }));
    assert_eq!(doc.chunks()[0].text(), "chunk");
    assert_eq!(doc.matches()[0].text(), "match");
}

#[test]
fn documents_become_bytes_and_come_back_whole() -> Result<()> {
    let bytes = nested().to_bytes()?;
    let mut docs = DocumentArray::from_bytes(&bytes)?;
    assert_eq!(tree(&docs), tree(&nested()));
    docs[0].set_text("changed");
    let again = DocumentArray::from_bytes(&docs.to_bytes()?)?;
    assert_eq!(again[0].text(), "changed");
    assert_eq!(again[0].id(), docs[0].id());
    assert_eq!(DocumentArray::from_bytes(&[])?.len(), 0);
    assert_eq!(
        DocumentArray::from_bytes(b"no documents")
            .unwrap_err()
            .name(),
        "Invalid"
    );
    Ok(())
}

/// Documents with 2 MiB each, which are more together than is fetched at once.
fn large(make: impl Fn(u8) -> Document) -> DocumentArray {
    (0..5).map(make).collect()
}

const LARGE: usize = 2 << 20;

#[test]
fn large_blobs_are_read_and_replaced_one_by_one() {
    let blobs = || large(|n| Document::default().with_blob(vec![n; LARGE]));
    let docs = after(blobs(), |docs| {
        for doc in docs.iter_mut().rev() {
            let first = doc.blob()[0];
            assert!(doc.blob().iter().all(|byte| *byte == first));
            doc.set_text(format!("{first} {}", doc.blob().len()));
        }
        Ok(())
    });
    let of = |n: usize| format!("{n} {LARGE}");
    assert_eq!(texts(&docs), (0..5).map(of).collect::<Vec<_>>());

    let docs = after(blobs(), |docs| {
        let mut blob = docs[3].take_blob();
        assert_eq!(blob, vec![3; LARGE]);
        assert!(docs[3].take_blob().is_empty());
        blob.truncate(1);
        docs[4].set_blob(blob);
        assert_eq!(docs[4].take_blob(), [3]);
        assert_eq!(docs[4].content(), Content::None);
        Ok(())
    });
    assert_eq!(docs[2].blob(), vec![2; LARGE]);
    assert_eq!(docs[3].content(), Content::None);
    assert_eq!(docs[4].content(), Content::None);
}

#[test]
fn large_tensors_are_read_and_written() {
    let docs = large(|n| Document::default().with_tensor(vec![n; LARGE]));
    let docs = after(docs, |docs| {
        for doc in docs.iter_mut() {
            let tensor = doc.tensor().context("no tensor")?;
            assert_eq!(tensor.shape(), [LARGE as u32]);
            let more: Vec<u8> = tensor.as_slice::<u8>()?.iter().map(|n| n + 1).collect();
            doc.set_tensor(more);
        }
        Ok(())
    });
    for (n, doc) in docs.iter().enumerate() {
        let tensor = doc.tensor().unwrap();
        assert_eq!(tensor.as_slice::<u8>().unwrap(), vec![n as u8 + 1; LARGE]);
    }
}

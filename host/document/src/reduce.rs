//! Documents of several arrays put together, as docarray's `reduce` does.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::iter;
use std::sync::Arc;

use bytestring::ByteString;

use crate::array::{Content, Document, DocumentArray};

impl DocumentArray {
    /// One array of the first's documents and of those of the others whose ids it does
    /// not have, in their order.
    ///
    /// If arrays have a document of the same id, the first of them counts, and what
    /// is unset in it is taken from the others: each field whole, from the first that
    /// has it. Text, blob and tensor are one field, the content. Chunks and matches are
    /// put together in the same way.
    ///
    /// If one array has several documents of an id, the first of them goes with the
    /// first of the others, the second with the second, and so on.
    ///
    /// Documents that need no change are shared and not copied, and so is everything
    /// in a document that does. Documents without an id are never one:
    /// [`with_ids`](Self::with_ids) gives them ids before they go different ways.
    ///
    /// Source: `DocumentArray.reduce_all` of docarray 0.21. There, text, blob and
    /// tensor are three fields of which the last that is set stays: what one branch
    /// leaves as it was takes the place of what another made of it.
    pub fn reduce<'a>(arrays: impl IntoIterator<Item = &'a DocumentArray>) -> DocumentArray {
        let mut arrays = arrays.into_iter();
        let Some(first) = arrays.next() else {
            return DocumentArray::new();
        };
        // Most branches change few documents, or none.
        let mut rest = arrays
            .filter(|other| !other.is_empty() && !same(first, other))
            .peekable();
        if rest.peek().is_none() {
            return first.clone();
        }
        let mut reduced = Reduced::of(first);
        for other in rest {
            reduced.add(other);
        }
        reduced.docs.into()
    }
}

impl DocumentArray {
    /// The same documents, each with an id, chunks and matches included. Those that
    /// have one are shared.
    pub fn with_ids(&self) -> DocumentArray {
        // Some at a time: each time is a call to the operating system.
        let mut fresh = iter::repeat_with(|| crate::random_ids(16)).flatten();
        identified(self, &mut fresh).unwrap_or_else(|| self.clone())
    }
}

/// The same documents, each with an id, or none if each has one. Depth is bounded when
/// documents are read.
fn identified(
    docs: &DocumentArray,
    fresh: &mut dyn Iterator<Item = ByteString>,
) -> Option<DocumentArray> {
    let mut all: Option<Vec<Arc<Document>>> = None;
    for (place, doc) in docs.shared().iter().enumerate() {
        // Nearly all documents.
        if !doc.id.is_empty() && doc.chunks.is_empty() && doc.matches.is_empty() {
            continue;
        }
        let id = if doc.id.is_empty() {
            fresh.next()
        } else {
            None
        };
        let chunks = identified(&doc.chunks, fresh);
        let matches = identified(&doc.matches, fresh);
        if id.is_none() && chunks.is_none() && matches.is_none() {
            continue;
        }
        let mut doc = Document::clone(doc);
        doc.id = id.unwrap_or(doc.id);
        doc.chunks = chunks.unwrap_or(doc.chunks);
        doc.matches = matches.unwrap_or(doc.matches);
        let all = all.get_or_insert_with(|| docs.shared().to_vec());
        if let Some(known) = all.get_mut(place) {
            *known = Arc::new(doc);
        }
    }
    all.map(DocumentArray::from)
}

/// Whether both are one list.
fn same(one: &DocumentArray, other: &DocumentArray) -> bool {
    std::ptr::eq(one.shared(), other.shared())
}

/// Documents that are being put together.
struct Reduced {
    docs: Vec<Arc<Document>>,
    known: HashMap<ByteString, Known>,
    /// How many arrays were added.
    arrays: usize,
}

/// The documents of one id.
struct Known {
    first: usize,
    /// The places of more. Nearly always there are none.
    more: Vec<usize>,
    /// How many of them the array with this number has met.
    met: (usize, usize),
}

impl Known {
    /// The place of the next document that an array has not met, if there is one.
    fn next(&mut self, array: usize) -> Option<usize> {
        let met = match self.met {
            (number, met) if number == array => met,
            _ => 0,
        };
        self.met = (array, met + 1);
        match met.checked_sub(1) {
            None => Some(self.first),
            Some(more) => self.more.get(more).copied(),
        }
    }
}

impl Reduced {
    fn of(first: &DocumentArray) -> Reduced {
        let mut reduced = Reduced {
            docs: first.shared().to_vec(),
            known: HashMap::with_capacity(first.len()),
            arrays: 0,
        };
        for (place, doc) in first.shared().iter().enumerate() {
            reduced.note(doc, place);
        }
        reduced
    }

    /// Notes that a document is in a place. The array that it comes from has met it.
    fn note(&mut self, doc: &Document, place: usize) {
        match self.known.entry(doc.id.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(Known {
                    first: place,
                    more: Vec::new(),
                    met: (self.arrays, 1),
                });
            }
            Entry::Occupied(mut entry) => entry.get_mut().more.push(place),
        }
    }

    fn add(&mut self, other: &DocumentArray) {
        self.arrays += 1;
        for doc in other.shared() {
            let known = match doc.id.is_empty() {
                true => None,
                false => self.known.get_mut(&doc.id),
            };
            let place = known.and_then(|known| known.next(self.arrays));
            match place.and_then(|place| self.docs.get_mut(place)) {
                Some(base) => merge(base, doc),
                None => {
                    self.note(doc, self.docs.len());
                    self.docs.push(Arc::clone(doc));
                }
            }
        }
    }
}

/// Takes what `base` does not have from `other`.
fn merge(base: &mut Arc<Document>, other: &Arc<Document>) {
    if Arc::ptr_eq(base, other) {
        return;
    }
    let chunks = merged(&base.chunks, &other.chunks);
    let matches = merged(&base.matches, &other.matches);
    if chunks.is_none() && matches.is_none() && !lacks(base, other) {
        return;
    }
    let base = Arc::make_mut(base);
    if let Some(chunks) = chunks {
        base.chunks = chunks;
    }
    if let Some(matches) = matches {
        base.matches = matches;
    }
    fill(base, other);
}

/// The arrays put together, or none if the first is all of it.
fn merged(base: &DocumentArray, other: &DocumentArray) -> Option<DocumentArray> {
    if other.is_empty() || same(base, other) {
        return None;
    }
    if base.is_empty() {
        return Some(other.clone());
    }
    let mut reduced = Reduced::of(base);
    reduced.add(other);
    let unchanged = reduced.docs.len() == base.len()
        && reduced
            .docs
            .iter()
            .zip(base.shared())
            .all(|(one, two)| Arc::ptr_eq(one, two));
    (!unchanged).then(|| reduced.docs.into())
}

/// Calls `$do!(field, whether it is unset)` for the fields that are merged. `id` and
/// `parent_id` are not.
macro_rules! fields {
    ($do:ident, $base:ident, $other:ident) => {
        $do!(granularity, |value: &u32| *value == 0);
        $do!(adjacency, |value: &u32| *value == 0);
        $do!(weight, |value: &f32| *value == 0.0);
        $do!(uri, |value: &ByteString| value.is_empty());
        $do!(modality, |value: &ByteString| value.is_empty());
        $do!(mime_type, |value: &ByteString| value.is_empty());
        $do!(offset, |value: &f32| *value == 0.0);
        $do!(location, |value: &Vec<f32>| value.is_empty());
        $do!(embedding, |value: &Option<Arc<crate::NdArray>>| value
            .is_none());
        $do!(tags, |value: &Option<crate::Struct>| value
            .as_ref()
            .is_none_or(crate::Struct::is_empty));
        $do!(scores, |value: &crate::Scores| value.is_empty());
        $do!(evaluations, |value: &crate::Scores| value.is_empty());
        $do!(metadata, |value: &Option<crate::Struct>| value
            .as_ref()
            .is_none_or(crate::Struct::is_empty));
    };
}

/// Whether `base` lacks a field that `other` has.
fn lacks(base: &Document, other: &Document) -> bool {
    macro_rules! check {
        ($field:ident, $unset:expr) => {
            let unset = $unset;
            if unset(&base.$field) && !unset(&other.$field) {
                return true;
            }
        };
    }
    fields!(check, base, other);
    comes_in(&base.content, &other.content)
}

fn fill(base: &mut Document, other: &Document) {
    macro_rules! take {
        ($field:ident, $unset:expr) => {
            let unset = $unset;
            if unset(&base.$field) && !unset(&other.$field) {
                base.$field.clone_from(&other.$field);
            }
        };
    }
    fields!(take, base, other);
    if comes_in(&base.content, &other.content) {
        base.content = other.content.clone();
    }
}

/// Whether a content is taken: if the base has none.
fn comes_in(base: &Content, other: &Content) -> bool {
    let is_empty = |content: &Content| match content {
        Content::None => true,
        Content::Text(text) => text.is_empty(),
        Content::Blob(blob) => blob.is_empty(),
        Content::Tensor(_) => false,
    };
    is_empty(base) && !is_empty(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dense, NdArray};

    fn doc(id: &str) -> Document {
        Document {
            id: id.into(),
            ..Document::default()
        }
    }

    fn text(id: &str, text: &'static str) -> Document {
        Document {
            content: Content::Text(text.into()),
            ..doc(id)
        }
    }

    fn array<const N: usize>(docs: [Document; N]) -> DocumentArray {
        docs.into_iter().collect()
    }

    fn ids(docs: &DocumentArray) -> Vec<&str> {
        docs.iter().map(|doc| &*doc.id).collect()
    }

    fn embedding() -> Arc<NdArray> {
        let dense = Dense::new("<f4".into(), vec![1], vec![0; 4].into()).unwrap();
        Arc::new(NdArray::numpy(dense))
    }

    #[test]
    fn ids_come_once_in_the_order_of_the_arrays() {
        let reduced = DocumentArray::reduce(&[
            array([doc("a"), doc("b")]),
            array([doc("c"), doc("a")]),
            array([doc("d"), doc("b"), doc("c")]),
        ]);
        assert_eq!(ids(&reduced), ["a", "b", "c", "d"]);
        assert!(DocumentArray::reduce(&[]).is_empty());
    }

    #[test]
    fn documents_of_one_id_in_one_array_stay_apart() {
        let weighed = |id: &str, weight| Document { weight, ..doc(id) };
        let texts = |docs: &DocumentArray| -> Vec<String> {
            docs.iter()
                .map(|doc| format!("{}{}", doc.text(), doc.weight))
                .collect()
        };
        let two = array([text("x", "one"), text("x", "two")]);
        let reduced = DocumentArray::reduce(&[
            two.clone(),
            array([weighed("x", 1.0), weighed("x", 2.0), weighed("x", 3.0)]),
            array([
                weighed("y", 4.0),
                weighed("x", 5.0),
                text("y", "y"),
                text("x", "not taken"),
                text("x", "three"),
            ]),
        ]);
        assert_eq!(ids(&reduced), ["x", "x", "x", "y", "y"]);
        assert_eq!(texts(&reduced), ["one1", "two2", "three3", "4", "y0"]);
        // What a branch does not change makes no difference, also beside one that it does.
        let tagged = array([
            two.shared()[0].as_ref().clone(),
            Document {
                uri: "u".into(),
                ..two.shared()[1].as_ref().clone()
            },
        ]);
        let reduced = DocumentArray::reduce(&[two.clone(), tagged]);
        assert_eq!(texts(&reduced), ["one0", "two0"]);
        let uris: Vec<&str> = reduced.iter().map(|doc| &*doc.uri).collect();
        assert_eq!(uris, ["", "u"]);
    }

    #[test]
    fn a_field_is_taken_whole_from_the_first_that_has_it() {
        let tags = |json: &str| Some(crate::Struct::from_json(json).unwrap());
        let one = Document {
            tags: tags(r#"{"a": 1}"#),
            ..text("x", "one")
        };
        let two = Document {
            tags: tags(r#"{"b": 2}"#),
            weight: 2.0,
            parent_id: "p".into(),
            ..text("x", "two")
        };
        let three = Document {
            weight: 3.0,
            embedding: Some(embedding()),
            ..doc("x")
        };
        let reduced = DocumentArray::reduce(&[array([one]), array([two]), array([three])]);
        let doc = reduced.get(0).unwrap();
        assert_eq!(doc.text(), "one");
        assert_eq!(doc.tags.as_ref().unwrap().to_json(), r#"{"a":1}"#);
        assert_eq!(doc.weight, 2.0);
        assert!(doc.embedding.is_some());
        assert_eq!(&*doc.parent_id, "", "never merged");
    }

    #[test]
    fn the_content_is_one_field() {
        let blob = Document {
            content: Content::Blob(b"x".as_slice().into()),
            ..doc("x")
        };
        let first = |one: Document, two: Document| {
            let reduced = DocumentArray::reduce(&[array([one]), array([two])]);
            reduced.get(0).unwrap().content.clone()
        };
        assert_eq!(first(blob.clone(), text("x", "t")), blob.content);
        assert_eq!(first(text("x", ""), blob.clone()), blob.content);
        assert_eq!(first(blob.clone(), text("x", "")), blob.content);
    }

    #[test]
    fn documents_without_ids_are_never_one() {
        let reduced = DocumentArray::reduce(&[array([text("", "a")]), array([text("", "b")])]);
        assert_eq!(reduced.texts().collect::<Vec<_>>(), ["a", "b"]);

        let docs = array([
            text("", "a"),
            Document {
                chunks: array([text("", "c")]),
                ..text("x", "b")
            },
        ]);
        let with_ids = docs.with_ids();
        let chunk = with_ids.get(1).unwrap().chunks.get(0).unwrap();
        assert_eq!(
            (chunk.id.len(), with_ids.get(0).unwrap().id.len()),
            (32, 32)
        );
        assert_eq!(&*with_ids.get(1).unwrap().id, "x");
        assert_eq!(
            DocumentArray::reduce(&[with_ids.clone(), with_ids.clone()]).len(),
            2
        );
        assert!(same(&with_ids, &with_ids.with_ids()), "nothing to do");
    }

    #[test]
    fn chunks_and_matches_are_put_together_at_every_depth() {
        let nested = |chunk: Document| Document {
            chunks: array([Document {
                matches: array([chunk]),
                ..doc("chunk")
            }]),
            ..doc("x")
        };
        let reduced = DocumentArray::reduce(&[
            array([nested(doc("m"))]),
            array([nested(text("m", "text"))]),
            array([nested(doc("n"))]),
        ]);
        let chunk = reduced.get(0).unwrap().chunks.get(0).unwrap();
        assert_eq!(ids(&chunk.matches), ["m", "n"]);
        assert_eq!(chunk.matches.get(0).unwrap().text(), "text");
        assert_eq!((reduced.total(), reduced.depth()), (4, 3));
    }

    #[test]
    fn what_does_not_change_is_shared() {
        let docs = array([text("a", "a"), text("b", "b")]);
        let reduced = DocumentArray::reduce(&[docs.clone(), docs.clone()]);
        assert!(same(&reduced, &docs));

        let embedded = Document {
            embedding: Some(embedding()),
            ..text("b", "b")
        };
        let other = array([text("a", "other"), embedded.clone()]);
        let reduced = DocumentArray::reduce(&[docs.clone(), other]);
        assert!(Arc::ptr_eq(&reduced.shared()[0], &docs.shared()[0]));
        let taken = reduced.get(1).unwrap().embedding.as_ref().unwrap();
        assert!(Arc::ptr_eq(taken, embedded.embedding.as_ref().unwrap()));
    }
}

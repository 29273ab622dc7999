//! Documents that executors work on: shared between handles, read and written
//! column by column.
//!
//! The documents of one request are the nodes of an arena. A node starts as a
//! shared reference to the document that came in and gets a copy of its own
//! when it is first written, so that the original stays as it was and a request
//! can be tried again. A document's chunks and matches become nodes when
//! somebody asks for them, and not before.
//!
//! Documents are copied, never shared, when they are put into another array.
//! The arena is therefore a forest: no document can come to hold itself.

#![expect(
    clippy::indexing_slicing,
    reason = "node and list ids are made by the arena that they index; lists stay where they \
              are, and where nodes move their ids do too"
)]

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use crate::array::{Content, Document, DocumentArray, Scores};
use crate::ndarray::{Dense, MAX_DIMS, NdArray, NdArrayData, item_size};
use crate::{Limits, Struct, random_ids};

/// Why an operation was refused. The array is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// A row that the array does not have.
    #[error("{0}")]
    OutOfRange(String),
    /// A value that the field cannot hold.
    #[error("{0}")]
    Invalid(String),
    /// More documents, or deeper ones, than [`Limits`] allow.
    #[error("{0}")]
    Limit(String),
}

type Result<T, E = LiveError> = std::result::Result<T, E>;

/// Bytes that one read may come to where nobody says less: what a guest of 32
/// bits can address, and what the ends of a [`Packed`] can count.
const MAX_COLUMN: u64 = u32::MAX as u64;

/// Documents below which nothing is looked for that could be let go.
const COLLECT_FROM: u64 = 4096;

/// The rows of an array that an operation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Every row, in order.
    All,
    /// `count` rows from `start` on.
    Span {
        /// The first row.
        start: u32,
        /// How many.
        count: u32,
    },
    /// These rows, in this order. Written twice, a row keeps the last value.
    List(Vec<u32>),
}

/// The fields that hold one string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringField {
    /// The document's id.
    Id,
    /// The id of the document whose chunk this is.
    ParentId,
    /// Writing it replaces a blob or a tensor.
    Text,
    /// Where the content comes from.
    Uri,
    /// The content's media type.
    MimeType,
    /// `text`, `image`, ...
    Modality,
}

/// The fields that hold one JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonField {
    /// The user's own values.
    Tags,
    /// docarray's own notes.
    Metadata,
}

/// The fields that hold one unsigned number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegerField {
    /// How many `chunks` lists are above.
    Granularity,
    /// How many `matches` lists are above.
    Adjacency,
}

/// The fields that hold one float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatField {
    /// The weight among siblings.
    Weight,
    /// The place in the parent.
    Offset,
}

/// The fields that hold an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NdArrayField {
    /// Writing it replaces a text or a blob.
    Tensor,
    /// The vector that stands for the document.
    Embedding,
}

/// The fields that hold scores by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreField {
    /// Scores.
    Scores,
    /// Evaluations.
    Evaluations,
}

/// The fields that hold documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NestedField {
    /// Parts of the document.
    Chunks,
    /// What the document matched.
    Matches,
}

/// Which content a document has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentKind {
    /// None.
    None,
    /// Text.
    Text,
    /// Bytes.
    Blob,
    /// An array.
    Tensor,
}

/// A set of fields, for [`LiveArray::clear`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields(u32);

impl Fields {
    /// No field.
    pub const NONE: Fields = Fields(0);
    /// The parent's id.
    pub const PARENT_ID: Fields = Fields(1);
    /// The granularity.
    pub const GRANULARITY: Fields = Fields(1 << 1);
    /// The adjacency.
    pub const ADJACENCY: Fields = Fields(1 << 2);
    /// Whichever of text, blob and tensor is set.
    pub const CONTENT: Fields = Fields(1 << 3);
    /// The uri.
    pub const URI: Fields = Fields(1 << 4);
    /// The media type.
    pub const MIME_TYPE: Fields = Fields(1 << 5);
    /// The modality.
    pub const MODALITY: Fields = Fields(1 << 6);
    /// The weight.
    pub const WEIGHT: Fields = Fields(1 << 7);
    /// The offset.
    pub const OFFSET: Fields = Fields(1 << 8);
    /// The location.
    pub const LOCATION: Fields = Fields(1 << 9);
    /// The embedding.
    pub const EMBEDDING: Fields = Fields(1 << 10);
    /// The tags.
    pub const TAGS: Fields = Fields(1 << 11);
    /// The scores.
    pub const SCORES: Fields = Fields(1 << 12);
    /// The evaluations.
    pub const EVALUATIONS: Fields = Fields(1 << 13);
    /// The chunks.
    pub const CHUNKS: Fields = Fields(1 << 14);
    /// The matches.
    pub const MATCHES: Fields = Fields(1 << 15);
    /// docarray's own notes.
    pub const METADATA: Fields = Fields(1 << 16);

    /// The fields of both sets.
    #[must_use]
    pub const fn with(self, other: Fields) -> Fields {
        Fields(self.0 | other.0)
    }

    /// Whether all of `other` are in this set.
    pub const fn contains(self, other: Fields) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A column of strings laid end to end: value `i` is
/// `bytes[ends[i - 1]..ends[i]]`, and value 0 begins at 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    /// UTF-8.
    pub bytes: Bytes,
    /// One for each row, never decreasing; the last is the length of `bytes`.
    pub ends: Vec<u32>,
}

impl Packed {
    fn collect<'a>(
        values: impl Iterator<Item = &'a str> + Clone,
        mut column: Column,
    ) -> Result<Self> {
        // Known before anything is allocated: a row may be named often.
        let mut total = 0;
        for value in values.clone() {
            column.add(value.len())?;
            total += value.len();
        }
        let mut bytes = BytesMut::with_capacity(total);
        let mut ends = Vec::with_capacity(values.size_hint().0);
        for value in values {
            bytes.extend_from_slice(value.as_bytes());
            // Exact: a column is never larger than 32 bits count.
            ends.push(bytes.len() as u32);
        }
        Ok(Packed {
            bytes: bytes.freeze(),
            ends,
        })
    }

    /// The values, as slices of `bytes`.
    fn split(&self) -> Result<Vec<ByteString>> {
        let mut start = 0;
        let mut values = Vec::with_capacity(self.ends.len());
        for (row, end) in self.ends.iter().enumerate() {
            let end = *end as usize;
            if end < start || end > self.bytes.len() {
                return Err(LiveError::Invalid(format!(
                    "packed value {row} ends at byte {end}, but must end between {start} and {}",
                    self.bytes.len()
                )));
            }
            let value = ByteString::try_from(self.bytes.slice(start..end))
                .map_err(|_| LiveError::Invalid(format!("packed value {row} is not UTF-8")))?;
            values.push(value);
            start = end;
        }
        if start != self.bytes.len() {
            return Err(LiveError::Invalid(format!(
                "the last packed value ends at byte {start}, but there are {} bytes",
                self.bytes.len()
            )));
        }
        Ok(values)
    }
}

/// The same dense array in every row, stacked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    /// The element type, as numpy spells it.
    pub dtype: ByteString,
    /// The shape of one row's array.
    pub shape: Vec<u32>,
    /// The rows' buffers end to end.
    pub buffer: Bytes,
    /// The library that the arrays are for.
    pub cls_name: ByteString,
}

type NodeId = usize;
type ListId = usize;

/// What one read may still come to. A guest may name a row as often as it
/// likes, and what it reads is copied for each time.
#[derive(Debug, Clone, Copy)]
struct Column {
    left: u64,
    most: u64,
}

impl Column {
    fn new(most: u64) -> Self {
        Column { left: most, most }
    }

    fn add(&mut self, bytes: usize) -> Result<()> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(LiveError::Limit(format!(
                "the values of these rows are larger than {} bytes together, which is the most \
                 that one call gives; ask for fewer rows at a time",
                self.most
            ))),
        }
    }
}

#[derive(Debug)]
struct Node {
    doc: Arc<Document>,
    /// The document that this one is a copy of, where it was put in from
    /// another array.
    copy_of: Option<Arc<Document>>,
    /// 1 for a document of an array that is nobody's chunks or matches.
    level: u32,
    /// The lists that stand for the document's own chunks and matches, once
    /// somebody asked for them.
    nested: [Option<ListId>; 2],
}

#[derive(Debug, Default)]
struct List {
    nodes: Vec<NodeId>,
    /// The document and field that this list is, or none for an array by itself.
    owner: Option<(NodeId, NestedField)>,
    handles: usize,
}

#[derive(Debug)]
struct Arena {
    nodes: Vec<Node>,
    lists: Vec<List>,
    /// Lists without owner and handle, for use again.
    free: Vec<ListId>,
    /// Documents put in since the last [`collect`](Arena::collect), and those
    /// that it kept, nested ones included: an upper bound of those it holds.
    total: u64,
    /// With more than this it is time to look for documents to let go.
    collect_at: u64,
    limits: Limits,
    /// Bytes that one read may come to.
    column: u64,
}

impl Arena {
    fn pick<'a>(&'a self, list: ListId, rows: &Rows) -> Result<Cow<'a, [NodeId]>> {
        pick(&self.lists[list].nodes, rows, self.limits)
    }

    fn list(&mut self, nodes: Vec<NodeId>, owner: Option<(NodeId, NestedField)>) -> ListId {
        let list = List {
            nodes,
            owner,
            handles: 0,
        };
        match self.free.pop() {
            Some(id) => {
                self.lists[id] = list;
                id
            }
            None => {
                self.lists.push(list);
                self.lists.len() - 1
            }
        }
    }

    fn node(&mut self, doc: Arc<Document>, level: u32) -> NodeId {
        self.nodes.push(Node {
            doc,
            copy_of: None,
            level,
            nested: [None, None],
        });
        self.nodes.len() - 1
    }

    /// The list that stands for a document's chunks or matches.
    fn nested(&mut self, node: NodeId, field: NestedField) -> ListId {
        let slot = field as usize;
        if let Some(list) = self.nodes[node].nested[slot] {
            return list;
        }
        let docs = nested_of(&self.nodes[node].doc, field).clone();
        let level = self.nodes[node].level + 1;
        let nodes = docs
            .shared()
            .iter()
            .map(|doc| self.node(doc.clone(), level))
            .collect();
        let list = self.list(nodes, Some((node, field)));
        self.nodes[node].nested[slot] = Some(list);
        list
    }

    /// The document as it is now, with all that was changed below it.
    fn resolve(&mut self, node: NodeId) -> Arc<Document> {
        for field in [NestedField::Chunks, NestedField::Matches] {
            let Some(list) = self.nodes[node].nested[field as usize] else {
                continue;
            };
            // Levels are bounded where documents are put in, so this is too.
            let docs: Vec<_> = (0..self.lists[list].nodes.len())
                .map(|row| self.resolve(self.lists[list].nodes[row]))
                .collect();
            let before = nested_of(&self.nodes[node].doc, field).shared();
            let same = before.len() == docs.len()
                && before
                    .iter()
                    .zip(&docs)
                    .all(|(old, new)| Arc::ptr_eq(old, new));
            if !same {
                let doc = Arc::make_mut(&mut self.nodes[node].doc);
                *nested_of_mut(doc, field) = DocumentArray::from(docs);
            }
        }
        self.nodes[node].doc.clone()
    }

    /// The documents of many nodes, each resolved once: a list may name a node
    /// as often as it has places, and there may be much below it. Below two
    /// nodes of one list there is never the same.
    fn resolve_all(&mut self, nodes: Vec<NodeId>) -> Vec<Arc<Document>> {
        let mut resolved: HashMap<NodeId, Arc<Document>> = HashMap::new();
        nodes
            .into_iter()
            .map(|node| match self.nodes[node].nested {
                [None, None] => self.nodes[node].doc.clone(),
                _ => resolved
                    .entry(node)
                    .or_insert_with(|| self.resolve(node))
                    .clone(),
            })
            .collect()
    }

    fn resolve_rows(&mut self, list: ListId, rows: &Rows) -> Result<Vec<Arc<Document>>> {
        let nodes = self.pick(list, rows)?.into_owned();
        Ok(self.resolve_all(nodes))
    }

    /// Sees whether so many documents more may be put in, and gives how many
    /// there are then.
    ///
    /// What was put in and taken out again is let go here: for nothing where
    /// little was put in, and otherwise at a cost that goes with what was.
    fn make_room(&mut self, added: u64) -> Result<u64> {
        if self.total.saturating_add(added) > self.collect_at.min(self.limits.documents) {
            self.collect();
            let total = self.total.saturating_add(added);
            self.collect_at = total.saturating_mul(2).max(COLLECT_FROM);
        }
        let total = self.total.saturating_add(added);
        if total > self.limits.documents {
            return Err(LiveError::Limit(format!(
                "the request would hold {total} documents, chunks and matches included; \
                 at most {} are allowed",
                self.limits.documents
            )));
        }
        Ok(total)
    }

    /// Lets go of the documents that no handle leads to any more, and counts
    /// the others anew. Lists keep their ids, which handles know; nodes do not.
    fn collect(&mut self) {
        let mut kept = vec![false; self.nodes.len()];
        let mut live: Vec<bool> = self.lists.iter().map(|list| list.handles > 0).collect();
        let mut pending: Vec<ListId> = (0..live.len()).filter(|list| live[*list]).collect();
        while let Some(list) = pending.pop() {
            let list = &self.lists[list];
            // Newcomers are marked after the owner, wherever that is now.
            let owner = list.owner.map(|(node, _)| node);
            for node in list.nodes.iter().copied().chain(owner) {
                if std::mem::replace(&mut kept[node], true) {
                    continue;
                }
                for nested in self.nodes[node].nested.into_iter().flatten() {
                    if !std::mem::replace(&mut live[nested], true) {
                        pending.push(nested);
                    }
                }
            }
        }
        let mut next = 0;
        let moved: Vec<NodeId> = kept
            .iter()
            .map(|kept| {
                let id = next;
                next += usize::from(*kept);
                id
            })
            .collect();
        let mut kept = kept.into_iter();
        self.nodes.retain(|_| kept.next().unwrap_or(false));
        for (list, live) in self.lists.iter_mut().zip(&live) {
            if !live {
                *list = List::default();
                continue;
            }
            for node in &mut list.nodes {
                *node = moved[*node];
            }
            if let Some((owner, _)) = &mut list.owner {
                *owner = moved[*owner];
            }
        }
        self.free = (0..live.len()).filter(|list| !live[*list]).collect();
        self.total = self.nodes.iter().fold(0u64, |sum, node| {
            // Those below it that have nodes of their own count there.
            let below = [NestedField::Chunks, NestedField::Matches]
                .into_iter()
                .filter(|field| node.nested[*field as usize].is_none())
                .fold(1u64, |sum, field| {
                    sum.saturating_add(nested_of(&node.doc, field).total())
                });
            sum.saturating_add(below)
        });
    }

    /// Makes nodes of documents that are to go into `list`. Those that are to
    /// be marked as newcomers are told by `is_new`, which gets their place.
    fn admit(
        &mut self,
        list: ListId,
        mut docs: Vec<Arc<Document>>,
        is_new: impl Fn(usize) -> bool,
    ) -> Result<Vec<NodeId>> {
        let added = docs
            .iter()
            .fold(0u64, |sum, doc| sum.saturating_add(doc.total()));
        let total = self.make_room(added)?;
        let owner = self.lists[list].owner;
        let level = owner.map_or(1, |(node, _)| self.nodes[node].level + 1);
        let depth = docs.iter().map(|doc| doc.depth()).max().unwrap_or(0);
        let deepest = (level - 1).saturating_add(depth);
        if deepest > self.limits.depth {
            return Err(LiveError::Limit(format!(
                "documents would be nested {deepest} levels deep; at most {} are allowed",
                self.limits.depth
            )));
        }
        if let Some((node, field)) = owner {
            let parent = self.nodes[node].doc.clone();
            for (_, doc) in docs
                .iter_mut()
                .enumerate()
                .filter(|(index, _)| is_new(*index))
            {
                adopt(&parent, field, doc);
            }
        }
        self.total = total;
        Ok(docs.into_iter().map(|doc| self.node(doc, level)).collect())
    }
}

/// The nodes of some rows.
fn pick<'a>(nodes: &'a [NodeId], rows: &Rows, limits: Limits) -> Result<Cow<'a, [NodeId]>> {
    match rows {
        Rows::All => Ok(Cow::Borrowed(nodes)),
        Rows::Span { start, count } => {
            let start = *start as usize;
            let end = start.saturating_add(*count as usize);
            nodes.get(start..end).map(Cow::Borrowed).ok_or_else(|| {
                LiveError::OutOfRange(format!(
                    "rows {start} to {end} were asked for, but the array has {}",
                    nodes.len()
                ))
            })
        }
        Rows::List(rows) => pick_each(nodes, rows, limits).map(Cow::Owned),
    }
}

/// The same for rows by number. An array has no more rows than a request may
/// hold documents, so neither has a list of them that is of use.
fn pick_each(nodes: &[NodeId], rows: &[u32], limits: Limits) -> Result<Vec<NodeId>> {
    bounded(rows.len(), limits)?;
    rows.iter()
        .map(|row| {
            nodes.get(*row as usize).copied().ok_or_else(|| {
                LiveError::OutOfRange(format!(
                    "row {row} was asked for, but the array has {}",
                    nodes.len()
                ))
            })
        })
        .collect()
}

/// Whether a list may have so many rows.
fn bounded(rows: usize, limits: Limits) -> Result<()> {
    if rows as u64 > limits.documents {
        return Err(LiveError::Limit(format!(
            "{rows} rows were named at once; at most {} are allowed",
            limits.documents
        )));
    }
    Ok(())
}

/// As docarray does when a document becomes a chunk or a match of another.
fn adopt(parent: &Document, field: NestedField, doc: &mut Arc<Document>) {
    match field {
        NestedField::Chunks => {
            let granularity = parent.granularity.saturating_add(1);
            if doc.parent_id != parent.id || doc.granularity != granularity {
                let doc = Arc::make_mut(doc);
                doc.parent_id = parent.id.clone();
                doc.granularity = granularity;
            }
        }
        NestedField::Matches => {
            let adjacency = parent.adjacency.saturating_add(1);
            if doc.adjacency != adjacency {
                Arc::make_mut(doc).adjacency = adjacency;
            }
        }
    }
}

fn nested_of(doc: &Document, field: NestedField) -> &DocumentArray {
    match field {
        NestedField::Chunks => &doc.chunks,
        NestedField::Matches => &doc.matches,
    }
}

fn nested_of_mut(doc: &mut Document, field: NestedField) -> &mut DocumentArray {
    match field {
        NestedField::Chunks => &mut doc.chunks,
        NestedField::Matches => &mut doc.matches,
    }
}

fn string_of(doc: &Document, field: StringField) -> &ByteString {
    static EMPTY: ByteString = ByteString::new();
    match field {
        StringField::Id => &doc.id,
        StringField::ParentId => &doc.parent_id,
        StringField::Text => match &doc.content {
            Content::Text(text) => text,
            _ => &EMPTY,
        },
        StringField::Uri => &doc.uri,
        StringField::MimeType => &doc.mime_type,
        StringField::Modality => &doc.modality,
    }
}

fn set_string(doc: &mut Document, field: StringField, value: ByteString) {
    match field {
        StringField::Id => doc.id = value,
        StringField::ParentId => doc.parent_id = value,
        StringField::Text => doc.content = Content::Text(value),
        StringField::Uri => doc.uri = value,
        StringField::MimeType => doc.mime_type = value,
        StringField::Modality => doc.modality = value,
    }
}

fn set_struct(doc: &mut Document, field: JsonField, value: Option<Struct>) {
    match field {
        JsonField::Tags => doc.tags = value,
        JsonField::Metadata => doc.metadata = value,
    }
}

/// The objects that JSON texts are; the empty one is none.
fn structs(texts: &[ByteString]) -> Result<Vec<Option<Struct>>> {
    texts
        .iter()
        .enumerate()
        .map(|(row, text)| {
            (!text.is_empty())
                .then(|| Struct::from_json(text))
                .transpose()
                .map_err(|error| LiveError::Invalid(format!("value {row}: {error}")))
        })
        .collect()
}

/// Bytes that a copy of an array takes, its parameters as JSON.
fn ndarray_size(array: &NdArray) -> usize {
    let dense = |dense: &Dense| {
        dense
            .buffer()
            .len()
            .saturating_add(dense.dtype().len())
            .saturating_add(size_of_val(dense.shape()))
    };
    let data = match &array.data {
        None => 0,
        Some(NdArrayData::Dense(data)) => dense(data),
        Some(NdArrayData::Sparse(data)) => dense(&data.indices)
            .saturating_add(dense(&data.values))
            .saturating_add(size_of_val(&*data.shape)),
    };
    // What JSON writes longest is a control character: six bytes for one.
    let parameters = array.parameters.as_ref().map_or(0, |parameters| {
        parameters.as_bytes().len().saturating_mul(6)
    });
    data.saturating_add(array.cls_name.len())
        .saturating_add(parameters)
}

/// Bytes that a copy of a document's scores takes.
fn scores_size(scores: &Scores) -> usize {
    scores
        .iter()
        .fold(size_of_val(&**scores), |sum, (name, score)| {
            [name, &score.op_name, &score.description, &score.ref_id]
                .into_iter()
                .fold(sum, |sum, text| sum.saturating_add(text.len()))
        })
}

fn struct_of(doc: &Document, field: JsonField) -> Option<&Struct> {
    match field {
        JsonField::Tags => doc.tags.as_ref(),
        JsonField::Metadata => doc.metadata.as_ref(),
    }
}

fn ndarray_of(doc: &Document, field: NdArrayField) -> Option<&Arc<NdArray>> {
    match (field, &doc.content) {
        (NdArrayField::Embedding, _) => doc.embedding.as_ref(),
        (NdArrayField::Tensor, Content::Tensor(tensor)) => Some(tensor),
        (NdArrayField::Tensor, _) => None,
    }
}

fn set_ndarray(doc: &mut Document, field: NdArrayField, value: Option<Arc<NdArray>>) {
    match (field, value) {
        (NdArrayField::Embedding, value) => doc.embedding = value,
        (NdArrayField::Tensor, Some(tensor)) => doc.content = Content::Tensor(tensor),
        (NdArrayField::Tensor, None) => {
            if matches!(doc.content, Content::Tensor(_)) {
                doc.content = Content::None;
            }
        }
    }
}

/// A handle to an array of an arena. What a WIT `document-array` stands for;
/// the operations are its, and documented there.
///
/// The handles of one request may be used from several tasks, one at a time:
/// each operation locks the arena, and none waits while it holds the lock.
#[derive(Debug)]
pub struct LiveArray {
    arena: Arc<Mutex<Arena>>,
    list: ListId,
}

impl LiveArray {
    /// Makes documents workable. The array given stays as it is.
    pub fn new(docs: DocumentArray, limits: Limits) -> Self {
        LiveArray::with_column_limit(docs, limits, MAX_COLUMN)
    }

    /// The same, where one read may come to so many bytes and no more: what a
    /// guest reads is copied, also where it names a row again and again.
    pub fn with_column_limit(docs: DocumentArray, limits: Limits, bytes: u64) -> Self {
        let mut arena = Arena {
            nodes: Vec::with_capacity(docs.len()),
            lists: Vec::with_capacity(1),
            free: Vec::new(),
            total: docs.total(),
            collect_at: docs.total().saturating_mul(2).max(COLLECT_FROM),
            limits,
            column: bytes.min(MAX_COLUMN),
        };
        let nodes = docs
            .shared()
            .iter()
            .map(|doc| arena.node(doc.clone(), 1))
            .collect();
        let list = arena.list(nodes, None);
        arena.lists[list].handles = 1;
        LiveArray {
            arena: Arc::new(Mutex::new(arena)),
            list,
        }
    }

    /// An empty array of its own.
    pub fn empty(limits: Limits) -> Self {
        LiveArray::new(DocumentArray::new(), limits)
    }

    /// The documents as they are now. Those that nobody wrote to are shared
    /// with the array that came in.
    pub fn snapshot(&self) -> DocumentArray {
        let mut arena = self.lock();
        let nodes = arena.lists[self.list].nodes.clone();
        arena.resolve_all(nodes).into()
    }

    /// Another handle to the same array.
    #[must_use]
    pub fn share(&self) -> Self {
        self.handle(&mut self.lock(), self.list)
    }

    // No operation leaves the arena half changed where it can panic, and a
    // guest's request must not be able to fail another's.
    fn lock(&self) -> MutexGuard<'_, Arena> {
        self.arena.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, arena: &mut Arena, list: ListId) -> Self {
        arena.lists[list].handles += 1;
        LiveArray {
            arena: self.arena.clone(),
            list,
        }
    }

    // --- which documents ----------------------------------------------------

    /// How many documents there are.
    pub fn length(&self) -> u32 {
        self.lock().lists[self.list].nodes.len() as u32
    }

    /// The given rows as an array that shares them.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn select(&self, rows: &Rows) -> Result<LiveArray> {
        let mut arena = self.lock();
        let nodes = arena.pick(self.list, rows)?.into_owned();
        let list = arena.list(nodes, None);
        Ok(self.handle(&mut arena, list))
    }

    /// All documents at `path` below every row, in order.
    ///
    /// # Errors
    /// When a limit is hit: an array may list a document more than once.
    pub fn flatten(&self, path: &[NestedField]) -> Result<LiveArray> {
        let mut arena = self.lock();
        let mut nodes = arena.lists[self.list].nodes.clone();
        for field in path {
            if nodes.is_empty() {
                break;
            }
            let mut below = Vec::new();
            for node in nodes {
                let list = arena.nested(node, *field);
                let more = &arena.lists[list].nodes;
                bounded(below.len().saturating_add(more.len()), arena.limits)?;
                below.extend_from_slice(more);
            }
            nodes = below;
        }
        let list = arena.list(nodes, None);
        Ok(self.handle(&mut arena, list))
    }

    /// One row's chunks or matches, to read and to change in place.
    ///
    /// # Errors
    /// When the row does not exist.
    pub fn nested(&self, field: NestedField, row: u32) -> Result<LiveArray> {
        let mut arena = self.lock();
        let node = arena.pick(self.list, &Rows::List(vec![row]))?[0];
        let list = arena.nested(node, field);
        Ok(self.handle(&mut arena, list))
    }

    /// How many chunks or matches each row has.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn nested_lengths(&self, field: NestedField, rows: &Rows) -> Result<Vec<u32>> {
        let arena = self.lock();
        let nodes = arena.pick(self.list, rows)?;
        Ok(nodes
            .iter()
            .map(|node| {
                let node = &arena.nodes[*node];
                let len = match node.nested[field as usize] {
                    Some(list) => arena.lists[list].nodes.len(),
                    None => nested_of(&node.doc, field).len(),
                };
                len as u32
            })
            .collect())
    }

    /// Makes copies of all of `source` the row's chunks or matches. Those that
    /// were not there before are marked as docarray marks them.
    ///
    /// # Errors
    /// When the row does not exist, or a limit is hit.
    pub fn set_nested(&self, field: NestedField, row: u32, source: &LiveArray) -> Result<()> {
        let (docs, copies) = {
            let mut arena = source.lock();
            let docs = arena.resolve_rows(source.list, &Rows::All)?;
            let nodes = &arena.lists[source.list].nodes;
            let copies: Vec<_> = nodes
                .iter()
                .map(|node| arena.nodes[*node].copy_of.clone())
                .collect();
            (docs, copies)
        };
        let mut arena = self.lock();
        let node = arena.pick(self.list, &Rows::List(vec![row]))?[0];
        let list = arena.nested(node, field);
        // Held while their addresses are compared.
        let before = arena.resolve_rows(list, &Rows::All)?;
        let before_at: HashSet<_> = before.iter().map(Arc::as_ptr).collect();
        let is_new: Vec<_> = docs
            .iter()
            .zip(&copies)
            .map(|(doc, copy_of)| {
                let was_there = |doc: &Arc<Document>| before_at.contains(&Arc::as_ptr(doc));
                !was_there(doc) && !copy_of.as_ref().is_some_and(was_there)
            })
            .collect();
        let nodes = arena.admit(list, docs, |index| is_new[index])?;
        arena.lists[list].nodes = nodes;
        Ok(())
    }

    /// Appends `count` empty documents with random ids.
    ///
    /// # Errors
    /// When a limit is hit.
    pub fn append_new(&self, count: u32) -> Result<()> {
        // Said before the documents are made.
        self.lock().make_room(u64::from(count))?;
        let docs = random_ids(count as usize)
            .into_iter()
            .map(|id| {
                Arc::new(Document {
                    id,
                    ..Document::default()
                })
            })
            .collect();
        self.put(None, docs, false)
    }

    /// Appends copies of the rows of `source`.
    ///
    /// # Errors
    /// When a row does not exist, or a limit is hit.
    pub fn extend(&self, source: &LiveArray, rows: &Rows) -> Result<()> {
        let docs = source.lock().resolve_rows(source.list, rows)?;
        self.put(None, docs, true)
    }

    /// Puts copies of the rows of `source` before row `at`.
    ///
    /// # Errors
    /// When a row does not exist, or a limit is hit.
    pub fn insert(&self, at: u32, source: &LiveArray, rows: &Rows) -> Result<()> {
        let docs = source.lock().resolve_rows(source.list, rows)?;
        self.put(Some(at), docs, true)
    }

    fn put(&self, at: Option<u32>, docs: Vec<Arc<Document>>, copied: bool) -> Result<()> {
        let mut arena = self.lock();
        let len = arena.lists[self.list].nodes.len();
        let at = at.map_or(len, |at| at as usize);
        if at > len {
            return Err(LiveError::OutOfRange(format!(
                "documents were to be put before row {at}, but the array has {len}"
            )));
        }
        let copies = if copied { docs.clone() } else { Vec::new() };
        let nodes = arena.admit(self.list, docs, |_| true)?;
        for (node, copy_of) in nodes.iter().zip(copies) {
            arena.nodes[*node].copy_of = Some(copy_of);
        }
        arena.lists[self.list].nodes.splice(at..at, nodes);
        Ok(())
    }

    /// Keeps exactly the rows named, in that order.
    ///
    /// # Errors
    /// When a row does not exist, or is named twice.
    pub fn arrange(&self, order: &[u32]) -> Result<()> {
        let mut arena = self.lock();
        let nodes = pick_each(&arena.lists[self.list].nodes, order, arena.limits)?;
        let mut seen = HashSet::with_capacity(order.len());
        if let Some(twice) = order.iter().find(|row| !seen.insert(**row)) {
            return Err(LiveError::Invalid(format!(
                "row {twice} is named twice; use `extend` to copy documents"
            )));
        }
        arena.lists[self.list].nodes = nodes;
        Ok(())
    }

    // --- their fields -------------------------------------------------------

    /// A value of each row. `size` is what it takes to copy one, beside what
    /// any row takes.
    fn read<T>(
        &self,
        rows: &Rows,
        get: impl Fn(&Document) -> T,
        size: impl Fn(&T) -> usize,
    ) -> Result<Vec<T>> {
        let arena = self.lock();
        let nodes = arena.pick(self.list, rows)?;
        let mut column = Column::new(arena.column);
        let mut values = Vec::with_capacity(nodes.len());
        for node in nodes.iter() {
            let value = get(&arena.nodes[*node].doc);
            column.add(size(&value))?;
            values.push(value);
        }
        Ok(values)
    }

    fn write<T>(
        &self,
        rows: &Rows,
        values: impl ExactSizeIterator<Item = T>,
        set: impl Fn(&mut Document, T),
    ) -> Result<()> {
        self.write_all(rows, values.len(), || Ok(values), set)
    }

    /// Writes values that have to be made first, of what there is one for each
    /// row: `given` is how many there are.
    fn write_all<T, I: IntoIterator<Item = T>>(
        &self,
        rows: &Rows,
        given: usize,
        values: impl FnOnce() -> Result<I>,
        set: impl Fn(&mut Document, T),
    ) -> Result<()> {
        let mut arena = self.lock();
        let arena = &mut *arena;
        let nodes = pick(&arena.lists[self.list].nodes, rows, arena.limits)?;
        if nodes.len() != given {
            return Err(LiveError::Invalid(format!(
                "{given} values were given for {} rows",
                nodes.len()
            )));
        }
        for (node, value) in nodes.iter().zip(values()?) {
            set(Arc::make_mut(&mut arena.nodes[*node].doc), value);
        }
        Ok(())
    }

    /// A string of each row, empty where unset.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn strings(&self, field: StringField, rows: &Rows) -> Result<Vec<ByteString>> {
        self.read(rows, |doc| string_of(doc, field).clone(), |text| text.len())
    }

    /// Writes a string of each row.
    ///
    /// # Errors
    /// When a row does not exist, or there are not as many values as rows.
    pub fn set_strings(
        &self,
        field: StringField,
        rows: &Rows,
        values: Vec<ByteString>,
    ) -> Result<()> {
        self.write(rows, values.into_iter(), |doc, value| {
            set_string(doc, field, value);
        })
    }

    /// [`strings`](Self::strings) in one buffer.
    ///
    /// # Errors
    /// When a row does not exist, or they are larger together than one read may be.
    pub fn packed_strings(&self, field: StringField, rows: &Rows) -> Result<Packed> {
        let arena = self.lock();
        let nodes = arena.pick(self.list, rows)?;
        Packed::collect(
            nodes
                .iter()
                .map(|node| &**string_of(&arena.nodes[*node].doc, field)),
            Column::new(arena.column),
        )
    }

    /// [`set_strings`](Self::set_strings) from one buffer, which is shared and
    /// not copied.
    ///
    /// # Errors
    /// As there, and when the buffer is not well formed.
    pub fn set_packed_strings(
        &self,
        field: StringField,
        rows: &Rows,
        values: Packed,
    ) -> Result<()> {
        self.write_all(
            rows,
            values.ends.len(),
            || values.split(),
            |doc, value| set_string(doc, field, value),
        )
    }

    /// A JSON object of each row, the empty string where unset.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn json_objects(&self, field: JsonField, rows: &Rows) -> Result<Vec<ByteString>> {
        self.read(
            rows,
            |doc| {
                struct_of(doc, field).map_or_else(ByteString::new, |value| value.to_json().into())
            },
            |text| text.len(),
        )
    }

    /// Writes a JSON object of each row; the empty string unsets it.
    ///
    /// # Errors
    /// When a row does not exist, there are not as many values as rows, or one
    /// is no JSON object.
    pub fn set_json_objects(
        &self,
        field: JsonField,
        rows: &Rows,
        values: Vec<ByteString>,
    ) -> Result<()> {
        self.write_all(
            rows,
            values.len(),
            || structs(&values),
            |doc, value| set_struct(doc, field, value),
        )
    }

    /// [`json_objects`](Self::json_objects) in one buffer.
    ///
    /// # Errors
    /// When a row does not exist, or they are larger together than one read may be.
    pub fn packed_json_objects(&self, field: JsonField, rows: &Rows) -> Result<Packed> {
        let values = self.json_objects(field, rows)?;
        // Held to the bound already.
        Packed::collect(values.iter().map(|value| &**value), Column::new(MAX_COLUMN))
    }

    /// [`set_json_objects`](Self::set_json_objects) from one buffer.
    ///
    /// # Errors
    /// As there, and when the buffer is not well formed.
    pub fn set_packed_json_objects(
        &self,
        field: JsonField,
        rows: &Rows,
        values: Packed,
    ) -> Result<()> {
        self.write_all(
            rows,
            values.ends.len(),
            || structs(&values.split()?),
            |doc, value| set_struct(doc, field, value),
        )
    }

    /// A number of each row, 0 where unset.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn integers(&self, field: IntegerField, rows: &Rows) -> Result<Vec<u32>> {
        self.read(
            rows,
            |doc| match field {
                IntegerField::Granularity => doc.granularity,
                IntegerField::Adjacency => doc.adjacency,
            },
            |_| 0,
        )
    }

    /// Writes a number of each row.
    ///
    /// # Errors
    /// When a row does not exist, or there are not as many values as rows.
    pub fn set_integers(&self, field: IntegerField, rows: &Rows, values: &[u32]) -> Result<()> {
        self.write(rows, values.iter(), |doc, value| match field {
            IntegerField::Granularity => doc.granularity = *value,
            IntegerField::Adjacency => doc.adjacency = *value,
        })
    }

    /// A number of each row, 0 where unset.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn floats(&self, field: FloatField, rows: &Rows) -> Result<Vec<f32>> {
        self.read(
            rows,
            |doc| match field {
                FloatField::Weight => doc.weight,
                FloatField::Offset => doc.offset,
            },
            |_| 0,
        )
    }

    /// Writes a number of each row.
    ///
    /// # Errors
    /// When a row does not exist, or there are not as many values as rows.
    pub fn set_floats(&self, field: FloatField, rows: &Rows, values: &[f32]) -> Result<()> {
        self.write(rows, values.iter(), |doc, value| match field {
            FloatField::Weight => doc.weight = *value,
            FloatField::Offset => doc.offset = *value,
        })
    }

    /// The location of each row, empty where unset.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn locations(&self, rows: &Rows) -> Result<Vec<Vec<f32>>> {
        self.read(
            rows,
            |doc| doc.location.clone(),
            |location| size_of_val(&**location),
        )
    }

    /// Writes the location of each row.
    ///
    /// # Errors
    /// When a row does not exist, or there are not as many values as rows.
    pub fn set_locations(&self, rows: &Rows, values: Vec<Vec<f32>>) -> Result<()> {
        self.write(rows, values.into_iter(), |doc, value| doc.location = value)
    }

    /// Which content each row has.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn contents(&self, rows: &Rows) -> Result<Vec<ContentKind>> {
        self.read(
            rows,
            |doc| match doc.content {
                Content::None => ContentKind::None,
                Content::Text(_) => ContentKind::Text,
                Content::Blob(_) => ContentKind::Blob,
                Content::Tensor(_) => ContentKind::Tensor,
            },
            |_| 0,
        )
    }

    /// The blob of each row, empty where the content is something else.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn blobs(&self, rows: &Rows) -> Result<Vec<Bytes>> {
        self.read(
            rows,
            |doc| match &doc.content {
                Content::Blob(blob) => blob.clone(),
                _ => Bytes::new(),
            },
            Bytes::len,
        )
    }

    /// Makes a blob the content of each row.
    ///
    /// # Errors
    /// When a row does not exist, or there are not as many values as rows.
    pub fn set_blobs(&self, rows: &Rows, values: Vec<Bytes>) -> Result<()> {
        self.write(rows, values.into_iter(), |doc, value| {
            doc.content = Content::Blob(value);
        })
    }

    /// An array of each row. An array without data, which only a client can
    /// make, reads as none.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn ndarrays(&self, field: NdArrayField, rows: &Rows) -> Result<Vec<Option<NdArray>>> {
        self.read(
            rows,
            |doc| {
                ndarray_of(doc, field)
                    .filter(|array| array.data.is_some())
                    .map(|array| NdArray::clone(array))
            },
            |array| array.as_ref().map_or(0, ndarray_size),
        )
    }

    /// Writes an array of each row; none unsets it.
    ///
    /// # Errors
    /// When a row does not exist, or there are not as many values as rows.
    pub fn set_ndarrays(
        &self,
        field: NdArrayField,
        rows: &Rows,
        values: Vec<Option<NdArray>>,
    ) -> Result<()> {
        self.write(rows, values.into_iter(), |doc, value| {
            set_ndarray(doc, field, value.map(Arc::new));
        })
    }

    /// The rows' arrays stacked, or none where they are not all dense, of one
    /// dtype, shape and library, and without parameters. None for no rows.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn matrix(&self, field: NdArrayField, rows: &Rows) -> Result<Option<Matrix>> {
        let arena = self.lock();
        let nodes = arena.pick(self.list, rows)?;
        let Some(first) = nodes.first() else {
            return Ok(None);
        };
        let array = |node: &NodeId| {
            let array = ndarray_of(&arena.nodes[*node].doc, field)?;
            let plain = array.parameters.is_none();
            plain.then_some((array.dense()?, &array.cls_name))
        };
        let Some((model, cls_name)) = array(first) else {
            return Ok(None);
        };
        let total = model.buffer().len().saturating_mul(nodes.len());
        let mut buffer = BytesMut::with_capacity(total.min(arena.column as usize));
        let mut column = Column::new(arena.column);
        for node in nodes.iter() {
            match array(node) {
                Some((dense, name))
                    if name == cls_name
                        && dense.dtype() == model.dtype()
                        && dense.shape() == model.shape()
                        && dense.buffer().len() == model.buffer().len() =>
                {
                    column.add(dense.buffer().len())?;
                    buffer.extend_from_slice(dense.buffer());
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(Matrix {
            dtype: model.dtype().clone(),
            shape: model.shape().to_vec(),
            buffer: buffer.freeze(),
            cls_name: cls_name.clone(),
        }))
    }

    /// Writes the same dense array of each row. The buffer is shared between
    /// the rows and not copied.
    ///
    /// # Errors
    /// When a row does not exist, the dtype is not a number's, there are too many
    /// dimensions, or the buffer is not as long as the rows need.
    pub fn set_matrix(&self, field: NdArrayField, rows: &Rows, matrix: Matrix) -> Result<()> {
        let count = self.lock().pick(self.list, rows)?.len();
        let Matrix {
            dtype,
            shape,
            buffer,
            cls_name,
        } = matrix;
        if shape.len() > MAX_DIMS {
            return Err(LiveError::Invalid(format!(
                "the shape has {} dimensions; an array has {MAX_DIMS} at most",
                shape.len()
            )));
        }
        let size = item_size(&dtype).ok_or_else(|| {
            LiveError::Invalid(format!(
                "the size of one element of dtype {dtype:?} is not known"
            ))
        })?;
        let row = shape
            .iter()
            .try_fold(size, |product, dim| product.checked_mul(u64::from(*dim)));
        let needed = row.and_then(|row| row.checked_mul(count as u64));
        let (Some(row), true) = (row, needed == Some(buffer.len() as u64)) else {
            return Err(LiveError::Invalid(format!(
                "{count} rows of shape {shape:?} and dtype {dtype} need {} bytes, but there are {}",
                needed.map_or_else(|| "more than 2^64".to_owned(), |needed| needed.to_string()),
                buffer.len()
            )));
        };
        let row = row as usize;
        let values = (0..count)
            .map(|index| {
                let dense = Dense::new(
                    dtype.clone(),
                    shape.clone(),
                    buffer.slice(index * row..(index + 1) * row),
                )
                .map_err(|error| LiveError::Invalid(error.to_string()))?;
                Ok(Some(NdArray {
                    data: Some(NdArrayData::Dense(dense)),
                    cls_name: cls_name.clone(),
                    parameters: None,
                }))
            })
            .collect::<Result<Vec<_>>>()?;
        self.set_ndarrays(field, rows, values)
    }

    /// The scores of each row.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn scores(&self, field: ScoreField, rows: &Rows) -> Result<Vec<Scores>> {
        self.read(
            rows,
            |doc| match field {
                ScoreField::Scores => doc.scores.clone(),
                ScoreField::Evaluations => doc.evaluations.clone(),
            },
            scores_size,
        )
    }

    /// Writes the scores of each row. Of a repeated name the last counts.
    ///
    /// # Errors
    /// When a row does not exist, or there are not as many values as rows.
    pub fn set_scores(&self, field: ScoreField, rows: &Rows, values: Vec<Scores>) -> Result<()> {
        self.write(rows, values.into_iter(), |doc, mut value| {
            let mut names = HashSet::new();
            value.reverse();
            value.retain(|(name, _)| names.insert(name.clone()));
            value.reverse();
            match field {
                ScoreField::Scores => doc.scores = value,
                ScoreField::Evaluations => doc.evaluations = value,
            }
        })
    }

    /// Unsets the given fields.
    ///
    /// # Errors
    /// When a row does not exist.
    pub fn clear(&self, fields: Fields, rows: &Rows) -> Result<()> {
        let mut arena = self.lock();
        let nodes = arena.pick(self.list, rows)?.into_owned();
        for node in nodes {
            let doc = Arc::make_mut(&mut arena.nodes[node].doc);
            let blank = Document::default();
            macro_rules! clear {
                ($($flag:ident => $field:ident),* $(,)?) => {
                    $(if fields.contains(Fields::$flag) { doc.$field = blank.$field; })*
                };
            }
            clear! {
                PARENT_ID => parent_id, GRANULARITY => granularity, ADJACENCY => adjacency,
                CONTENT => content, URI => uri, MIME_TYPE => mime_type, MODALITY => modality,
                WEIGHT => weight, OFFSET => offset, LOCATION => location,
                EMBEDDING => embedding, TAGS => tags, SCORES => scores,
                EVALUATIONS => evaluations, CHUNKS => chunks, MATCHES => matches,
                METADATA => metadata,
            }
            for (flag, field) in [
                (Fields::CHUNKS, NestedField::Chunks),
                (Fields::MATCHES, NestedField::Matches),
            ] {
                if let (true, Some(list)) = (
                    fields.contains(flag),
                    arena.nodes[node].nested[field as usize],
                ) {
                    arena.lists[list].nodes.clear();
                }
            }
        }
        Ok(())
    }
}

impl Drop for LiveArray {
    fn drop(&mut self) {
        let mut arena = self.lock();
        let list = &mut arena.lists[self.list];
        list.handles -= 1;
        if list.handles == 0 && list.owner.is_none() {
            list.nodes = Vec::new();
            arena.free.push(self.list);
        }
    }
}

#[cfg(test)]
mod tests;

//! What the handles of one request share: documents, and lists of them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use super::fields::{NestedField, Rows, nested_of, nested_of_mut};
use super::{LiveError, Result};
use crate::Limits;
use crate::array::{Document, DocumentArray};

/// With fewer documents than this, nobody looks for some that could be let go.
pub(super) const COLLECT_FROM: u64 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NodeId(usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ListId(usize);

/// The place of a value in a [`Table`].
pub(super) trait Id: Copy {
    fn new(place: usize) -> Self;
    fn place(self) -> usize;
}

impl Id for NodeId {
    fn new(place: usize) -> Self {
        NodeId(place)
    }

    fn place(self) -> usize {
        self.0
    }
}

impl Id for ListId {
    fn new(place: usize) -> Self {
        ListId(place)
    }

    fn place(self) -> usize {
        self.0
    }
}

/// Values by id. Ids are made here and by nobody else.
///
/// Only [`retain`](Self::retain) shortens a table, and then every id must be replaced.
/// So an id always has a value.
#[derive(Debug)]
pub(super) struct Table<I, T> {
    values: Vec<T>,
    ids: PhantomData<I>,
}

impl<I: Id, T> Table<I, T> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Table::from(Vec::with_capacity(capacity))
    }

    fn from(values: Vec<T>) -> Self {
        Table {
            values,
            ids: PhantomData,
        }
    }

    pub(super) fn push(&mut self, value: T) -> I {
        self.values.push(value);
        I::new(self.values.len() - 1)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    fn ids(&self) -> impl Iterator<Item = I> + use<I, T> {
        (0..self.values.len()).map(I::new)
    }

    /// A table with the same ids.
    fn map<U>(&self, value: impl FnMut(&T) -> U) -> Table<I, U> {
        Table::from(self.values.iter().map(value).collect())
    }

    /// Lets go of the values that are not `kept`, and gives the others' new ids.
    fn retain(&mut self, kept: &Table<I, bool>) -> Table<I, I> {
        let mut next = 0;
        let moved = kept.map(|kept| {
            let id = I::new(next);
            next += usize::from(*kept);
            id
        });
        let mut kept = kept.values.iter();
        self.values
            .retain(|_| kept.next().is_some_and(|kept| *kept));
        moved
    }
}

impl<I: Id, T> Index<I> for Table<I, T> {
    type Output = T;

    #[expect(clippy::indexing_slicing, reason = "the table made the id")]
    fn index(&self, id: I) -> &T {
        &self.values[id.place()]
    }
}

impl<I: Id, T> IndexMut<I> for Table<I, T> {
    #[expect(clippy::indexing_slicing, reason = "the table made the id")]
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.values[id.place()]
    }
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) doc: Arc<Document>,
    /// The document that this one is a copy of, if it was put in from another
    /// array.
    pub(super) copy_of: Option<Arc<Document>>,
    /// 1 for a document of an array that is nobody's chunks or matches.
    level: u32,
    pub(super) nested: Nested,
}

/// The lists that stand for a document's own chunks and matches, once somebody
/// asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Nested {
    chunks: Option<ListId>,
    matches: Option<ListId>,
}

impl Nested {
    pub(super) fn get(self, field: NestedField) -> Option<ListId> {
        match field {
            NestedField::Chunks => self.chunks,
            NestedField::Matches => self.matches,
        }
    }

    fn set(&mut self, field: NestedField, list: ListId) {
        match field {
            NestedField::Chunks => self.chunks = Some(list),
            NestedField::Matches => self.matches = Some(list),
        }
    }

    fn lists(self) -> impl Iterator<Item = ListId> {
        self.chunks.into_iter().chain(self.matches)
    }
}

#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) nodes: Vec<NodeId>,
    /// The document and field that this list is, or none for an array by itself.
    pub(super) owner: Option<(NodeId, NestedField)>,
    pub(super) handles: usize,
}

#[derive(Debug)]
pub(super) struct Arena {
    pub(super) nodes: Table<NodeId, Node>,
    pub(super) lists: Table<ListId, List>,
    /// Lists without owner and handle, for use again.
    pub(super) free: Vec<ListId>,
    /// Documents put in since the last [`collect`](Arena::collect), and those
    /// that it kept, nested ones included: an upper bound of those it holds.
    total: u64,
    /// With more than this it is time to look for documents to let go.
    collect_at: u64,
    pub(super) limits: Limits,
    /// Bytes that one read may come to.
    pub(super) read_limit: u64,
    /// What was written into the documents.
    pub(super) growth: Growth,
}

/// By how much documents have grown, counted while they are written: to look at
/// all of them afterwards would cost as much as the writing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Growth {
    /// Bytes of the values that were written, at the most.
    written: u64,
    /// Whether documents were put in, which may be large, and there already.
    admitted: bool,
}

impl Growth {
    /// Bytes that a value takes beside its own, at the most: its tag and length,
    /// and what it adds to the lengths of the documents that it is in.
    const OVERHEAD: u64 = 512;

    pub(super) fn write(&mut self, values: usize, bytes: usize) {
        let overhead = Growth::OVERHEAD.saturating_mul(values as u64);
        self.written = self
            .written
            .saturating_add(overhead)
            .saturating_add(bytes as u64);
    }

    /// None if documents were put in.
    pub(super) fn at_most(self) -> Option<u64> {
        (!self.admitted).then_some(self.written)
    }
}

impl Arena {
    /// An arena with these documents, and their list, which has one handle.
    pub(super) fn new(docs: &DocumentArray, limits: Limits, read_limit: u64) -> (Self, ListId) {
        let mut arena = Arena {
            nodes: Table::with_capacity(docs.len()),
            lists: Table::with_capacity(1),
            free: Vec::new(),
            total: docs.total(),
            collect_at: docs.total().saturating_mul(2).max(COLLECT_FROM),
            limits,
            read_limit,
            growth: Growth::default(),
        };
        let nodes = docs
            .shared()
            .iter()
            .map(|doc| arena.node(doc.clone(), 1))
            .collect();
        let list = arena.list(nodes, None);
        arena.lists[list].handles = 1;
        (arena, list)
    }

    /// The nodes of some rows of a list.
    pub(super) fn pick<'a>(&'a self, list: ListId, rows: &Rows) -> Result<Cow<'a, [NodeId]>> {
        pick(&self.lists[list].nodes, rows, self.limits)
    }

    pub(super) fn pick_one(&self, list: ListId, row: u32) -> Result<NodeId> {
        at(&self.lists[list].nodes, row)
    }

    pub(super) fn list(
        &mut self,
        nodes: Vec<NodeId>,
        owner: Option<(NodeId, NestedField)>,
    ) -> ListId {
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
            None => self.lists.push(list),
        }
    }

    fn node(&mut self, doc: Arc<Document>, level: u32) -> NodeId {
        self.nodes.push(Node {
            doc,
            copy_of: None,
            level,
            nested: Nested::default(),
        })
    }

    /// The list that stands for a document's chunks or matches.
    pub(super) fn nested(&mut self, node: NodeId, field: NestedField) -> ListId {
        if let Some(list) = self.nodes[node].nested.get(field) {
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
        self.nodes[node].nested.set(field, list);
        list
    }

    /// The document as it is now, with all that was changed below it.
    fn resolve(&mut self, node: NodeId) -> Arc<Document> {
        for field in [NestedField::Chunks, NestedField::Matches] {
            let Some(list) = self.nodes[node].nested.get(field) else {
                continue;
            };
            // Levels are bounded when documents are put in, so this recursion is.
            let nodes = std::mem::take(&mut self.lists[list].nodes);
            let docs: Vec<_> = nodes.iter().map(|node| self.resolve(*node)).collect();
            self.lists[list].nodes = nodes;
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
    /// as often as it has places, and there may be much below it. Two nodes of
    /// one list never have the same node below them.
    pub(super) fn resolve_all(&mut self, nodes: Vec<NodeId>) -> Vec<Arc<Document>> {
        let mut resolved: HashMap<NodeId, Arc<Document>> = HashMap::new();
        nodes
            .into_iter()
            .map(|node| {
                if self.nodes[node].nested == Nested::default() {
                    return self.nodes[node].doc.clone();
                }
                resolved
                    .entry(node)
                    .or_insert_with(|| self.resolve(node))
                    .clone()
            })
            .collect()
    }

    pub(super) fn resolve_rows(&mut self, list: ListId, rows: &Rows) -> Result<Vec<Arc<Document>>> {
        let nodes = self.pick(list, rows)?.into_owned();
        Ok(self.resolve_all(nodes))
    }

    /// Checks whether `added` more documents may be put in, and returns how many
    /// there will be.
    ///
    /// This lets go of what was put in and taken out again. It costs nothing if
    /// little was put in, and otherwise the cost goes with what was.
    pub(super) fn make_room(&mut self, added: u64) -> Result<u64> {
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
        let mut kept = self.nodes.map(|_| false);
        let mut live = self.lists.map(|list| list.handles > 0);
        let mut pending: Vec<ListId> = live.ids().filter(|list| live[*list]).collect();
        while let Some(list) = pending.pop() {
            let list = &self.lists[list];
            // Documents that are put in are marked after the owner, so it stays
            // as long as its list can be written to, wherever it is now.
            let owner = list.owner.map(|(node, _)| node);
            for node in list.nodes.iter().copied().chain(owner) {
                if std::mem::replace(&mut kept[node], true) {
                    continue;
                }
                for nested in self.nodes[node].nested.lists() {
                    if !std::mem::replace(&mut live[nested], true) {
                        pending.push(nested);
                    }
                }
            }
        }
        let moved = self.nodes.retain(&kept);
        self.free.clear();
        for id in live.ids() {
            let list = &mut self.lists[id];
            if !live[id] {
                *list = List::default();
                self.free.push(id);
                continue;
            }
            for node in &mut list.nodes {
                *node = moved[*node];
            }
            if let Some((owner, _)) = &mut list.owner {
                *owner = moved[*owner];
            }
        }
        self.total = self.nodes.values.iter().fold(0u64, |sum, node| {
            // Those below it that have nodes of their own count there.
            let below = [NestedField::Chunks, NestedField::Matches]
                .into_iter()
                .filter(|field| node.nested.get(*field).is_none())
                .fold(1u64, |sum, field| {
                    sum.saturating_add(nested_of(&node.doc, field).total())
                });
            sum.saturating_add(below)
        });
    }

    /// Makes nodes of documents that are to go into `list`. `newcomers` says of
    /// each whether it is to be marked as one.
    pub(super) fn admit(
        &mut self,
        list: ListId,
        mut docs: Vec<Arc<Document>>,
        newcomers: impl IntoIterator<Item = bool>,
    ) -> Result<Vec<NodeId>> {
        let added = docs
            .iter()
            .fold(0u64, |sum, doc| sum.saturating_add(doc.total()));
        let total = self.make_room(added)?;
        self.growth.admitted = true;
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
            for (doc, is_new) in docs.iter_mut().zip(newcomers) {
                if is_new {
                    adopt(&parent, field, doc);
                }
            }
        }
        self.total = total;
        Ok(docs.into_iter().map(|doc| self.node(doc, level)).collect())
    }
}

/// The nodes of some rows.
pub(super) fn pick<'a>(
    nodes: &'a [NodeId],
    rows: &Rows,
    limits: Limits,
) -> Result<Cow<'a, [NodeId]>> {
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

/// The same for rows by number. A useful list of rows is never longer than the
/// limit of documents.
pub(super) fn pick_each(nodes: &[NodeId], rows: &[u32], limits: Limits) -> Result<Vec<NodeId>> {
    check_rows(rows.len(), limits)?;
    rows.iter().map(|row| at(nodes, *row)).collect()
}

fn at(nodes: &[NodeId], row: u32) -> Result<NodeId> {
    nodes.get(row as usize).copied().ok_or_else(|| {
        LiveError::OutOfRange(format!(
            "row {row} was asked for, but the array has {}",
            nodes.len()
        ))
    })
}

/// Checks whether a list may have so many rows.
pub(super) fn check_rows(rows: usize, limits: Limits) -> Result<()> {
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

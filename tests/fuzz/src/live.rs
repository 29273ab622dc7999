use std::collections::HashSet;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use wasm_flow_document::{
    ByteString, Content, ContentKind, Dense, Document, DocumentArray, Fields, FloatField,
    IntegerField, JsonField, Limits, LiveArray, LiveError, Matrix, NamedScore, NdArray,
    NdArrayField, NestedField, Packed, Rows, ScoreField, StringField, Struct,
};

/// Does to live arrays what the bytes say, and the same to a plain model: lists of
/// numbers, each of which is a document.
///
/// Every operation is among them. After each one all handles must show what the
/// model has, and an operation that the model refuses must be refused for the same
/// reason, and change nothing. Limits are small, so they are met often.
///
/// The model does not know one thing: which documents `set_nested` takes for new
/// if some of them were copied from those that were there. Then either is right.
pub fn live(data: &[u8]) {
    let mut u = Unstructured::new(data);
    // An end of the choices is an end of the test.
    let _ = World::default().run(&mut u);
}

/// Documents that one arena may hold, how deep they may nest, and bytes that one
/// read may come to.
const LIMITS: Limits = Limits {
    documents: 40,
    depth: 4,
};
const READ_LIMIT: u64 = 200;

const NESTED: [NestedField; 2] = [NestedField::Chunks, NestedField::Matches];

/// Why the model refuses something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum No {
    OutOfRange,
    Invalid,
    Limit,
}

type Answer<T> = std::result::Result<T, No>;

/// Compares what ours says with what the model says.
fn agree<T: std::fmt::Debug>(
    ours: std::result::Result<T, LiveError>,
    model: Answer<()>,
) -> Option<T> {
    match (ours, model) {
        (Ok(value), Ok(())) => Some(value),
        (Err(LiveError::OutOfRange(_)), Err(No::OutOfRange))
        | (Err(LiveError::Invalid(_)), Err(No::Invalid))
        | (Err(LiveError::Limit(_)), Err(No::Limit)) => None,
        (ours, model) => panic!("ours: {ours:?}, the model: {model:?}"),
    }
}

/// The same for an operation that gives a value.
fn agree_on<T: std::fmt::Debug>(ours: std::result::Result<T, LiveError>, model: Answer<T>) {
    match model {
        // Printed, for NaN is not equal to itself.
        Ok(expected) => match agree(ours, Ok(())) {
            Some(value) => assert_eq!(format!("{value:?}"), format!("{expected:?}")),
            None => panic!("refused"),
        },
        Err(no) => drop(agree(ours, Err(no))),
    }
}

/// A document of the model: its own fields, and its chunks and matches as lists.
struct Node {
    doc: Document,
    nested: [usize; 2],
    /// How deep it lies: 1 for a document of an array that is nobody's.
    level: u32,
    /// Documents that were copied from one another are of one family.
    family: usize,
}

#[derive(Default)]
struct List {
    nodes: Vec<usize>,
    owner: Option<(usize, NestedField)>,
}

struct Handle {
    array: LiveArray,
    list: usize,
    arena: usize,
}

#[derive(Default)]
struct World {
    nodes: Vec<Node>,
    lists: Vec<List>,
    handles: Vec<Handle>,
    arenas: usize,
    families: usize,
}

impl World {
    fn run(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        while !u.is_empty() {
            if self.handles.is_empty() {
                self.make(u)?;
            }
            self.step(u)?;
            self.check();
        }
        Ok(())
    }

    // --- the model ----------------------------------------------------------

    fn add_list(&mut self, nodes: Vec<usize>, owner: Option<(usize, NestedField)>) -> usize {
        self.lists.push(List { nodes, owner });
        self.lists.len() - 1
    }

    /// Takes in a document and all below it.
    fn add(&mut self, doc: &Document, level: u32) -> usize {
        let node = self.nodes.len();
        self.families += 1;
        let mut own = doc.clone();
        own.chunks = DocumentArray::new();
        own.matches = DocumentArray::new();
        self.nodes.push(Node {
            doc: own,
            nested: [0, 0],
            level,
            family: self.families,
        });
        for (slot, docs) in [&doc.chunks, &doc.matches].into_iter().enumerate() {
            let nodes = docs.iter().map(|doc| self.add(doc, level + 1)).collect();
            self.nodes[node].nested[slot] = self.add_list(nodes, Some((node, NESTED[slot])));
        }
        node
    }

    /// A copy of a document and all below it.
    fn copy(&mut self, from: usize, level: u32) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node {
            doc: self.nodes[from].doc.clone(),
            nested: [0, 0],
            level,
            family: self.nodes[from].family,
        });
        for (slot, field) in NESTED.into_iter().enumerate() {
            let below = self.lists[self.nodes[from].nested[slot]].nodes.clone();
            let nodes = below
                .into_iter()
                .map(|node| self.copy(node, level + 1))
                .collect();
            self.nodes[node].nested[slot] = self.add_list(nodes, Some((node, field)));
        }
        node
    }

    fn below(&self, node: usize, field: NestedField) -> &[usize] {
        &self.lists[self.nodes[node].nested[field as usize]].nodes
    }

    fn document(&self, node: usize) -> Document {
        let mut doc = self.nodes[node].doc.clone();
        let docs = |field| {
            let nodes = self.below(node, field).iter();
            nodes.map(|node| self.document(*node)).collect()
        };
        doc.chunks = docs(NestedField::Chunks);
        doc.matches = docs(NestedField::Matches);
        doc
    }

    /// Documents that the handles of an arena lead to, wherever they are listed.
    fn held(&self, arena: usize) -> u64 {
        let mut seen = HashSet::new();
        let mut lists: Vec<usize> = self
            .handles
            .iter()
            .filter(|handle| handle.arena == arena)
            .map(|handle| handle.list)
            .collect();
        while let Some(list) = lists.pop() {
            let list = &self.lists[list];
            let owner = list.owner.map(|(node, _)| node);
            for node in list.nodes.iter().copied().chain(owner) {
                if seen.insert(node) {
                    lists.extend(self.nodes[node].nested);
                }
            }
        }
        seen.len() as u64
    }

    /// Documents of a node and below it, and how deep they nest.
    fn extent(&self, node: usize) -> (u64, u32) {
        let mut total = (1, 0);
        for field in NESTED {
            for node in self.below(node, field) {
                let (count, depth) = self.extent(*node);
                total = (total.0 + count, total.1.max(depth));
            }
        }
        (total.0, total.1 + 1)
    }

    /// Whether a list takes documents that come to so many and nest so deep.
    fn room(&self, handle: &Handle, list: usize, count: u64, depth: u32) -> Answer<()> {
        let level = self.lists[list]
            .owner
            .map_or(1, |(node, _)| self.nodes[node].level + 1);
        if self.held(handle.arena) + count > LIMITS.documents || level - 1 + depth > LIMITS.depth {
            return Err(No::Limit);
        }
        Ok(())
    }

    fn room_for(&self, handle: &Handle, list: usize, nodes: &[usize]) -> Answer<()> {
        let extents: Vec<_> = nodes.iter().map(|node| self.extent(*node)).collect();
        let count = extents.iter().map(|(count, _)| count).sum();
        let depth = extents.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
        self.room(handle, list, count, depth)
    }

    fn level(&self, list: usize) -> u32 {
        self.lists[list]
            .owner
            .map_or(1, |(node, _)| self.nodes[node].level + 1)
    }

    /// Marks a document that came into a list, if that is somebody's.
    fn adopt(&mut self, list: usize, node: usize) {
        let Some((owner, field)) = self.lists[list].owner else {
            return;
        };
        let parent = self.nodes[owner].doc.clone();
        let doc = &mut self.nodes[node].doc;
        match field {
            NestedField::Chunks => {
                doc.parent_id = parent.id;
                doc.granularity = parent.granularity.saturating_add(1);
            }
            NestedField::Matches => doc.adjacency = parent.adjacency.saturating_add(1),
        }
    }

    fn pick(&self, list: usize, rows: &Rows) -> Answer<Vec<usize>> {
        let nodes = &self.lists[list].nodes;
        match rows {
            Rows::All => Ok(nodes.clone()),
            Rows::Span { start, count } => nodes
                .iter()
                .skip(*start as usize)
                .take(*count as usize)
                .copied()
                .map(Some)
                .chain(std::iter::repeat(None))
                .take(*count as usize)
                .collect::<Option<Vec<_>>>()
                // Nothing, from a place behind the end.
                .filter(|_| *start as usize <= nodes.len())
                .ok_or(No::OutOfRange),
            Rows::List(rows) if rows.len() as u64 > LIMITS.documents => Err(No::Limit),
            Rows::List(rows) => rows
                .iter()
                .map(|row| nodes.get(*row as usize).copied().ok_or(No::OutOfRange))
                .collect(),
        }
    }

    /// Everything that can be seen, through every handle.
    fn check(&self) {
        for handle in &self.handles {
            let nodes = &self.lists[handle.list].nodes;
            let docs = handle.array.snapshot();
            let expected: DocumentArray = nodes.iter().map(|node| self.document(*node)).collect();
            assert_eq!(handle.array.length() as usize, nodes.len());
            // Written, for NaN is not equal to itself; and printed only if need be.
            if written(&docs) != written(&expected) {
                assert_eq!(format!("{docs:?}"), format!("{expected:?}"));
                panic!("documents that print alike are written otherwise: {docs:?}");
            }
            let mut distinct = HashSet::new();
            if nodes.iter().all(|node| distinct.insert(node))
                && self.lists[handle.list].owner.is_none()
            {
                assert!(docs.depth() <= LIMITS.depth);
            }
        }
    }

    // --- operations ---------------------------------------------------------

    /// An array of its own.
    fn make(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let docs = documents(u, 2)?;
        let array = LiveArray::with_column_limit(docs.clone(), LIMITS, READ_LIMIT);
        let nodes = docs.iter().map(|doc| self.add(doc, 1)).collect();
        let list = self.add_list(nodes, None);
        self.arenas += 1;
        self.handles.push(Handle {
            array,
            list,
            arena: self.arenas,
        });
        Ok(())
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let at = u.int_in_range(0..=self.handles.len() - 1)?;
        let list = self.handles[at].list;
        let rows = self.rows(u, list)?;
        match u.int_in_range(0..=15)? {
            0 => {
                if self.handles.len() < 8 {
                    self.make(u)?;
                }
            }
            1 => drop(self.handles.swap_remove(at)),
            2 => {
                let handle = &self.handles[at];
                let array = handle.array.share();
                self.hold(at, array, list);
            }
            3 => {
                let picked = self.pick(list, &rows);
                let ours = self.handles[at].array.select(&rows);
                if let Some(array) = agree(ours, picked.clone().map(drop)) {
                    let list = self.add_list(picked.unwrap_or_default(), None);
                    self.hold(at, array, list);
                }
            }
            4 => self.flatten(u, at)?,
            5 => {
                let (field, row) = (*u.choose(&NESTED)?, self.row(u, list)?);
                let node = self.lists[list].nodes.get(row as usize).copied();
                let ours = self.handles[at].array.nested(field, row);
                let model = node.map(drop).ok_or(No::OutOfRange);
                if let (Some(array), Some(node)) = (agree(ours, model), node) {
                    let list = self.nodes[node].nested[field as usize];
                    self.hold(at, array, list);
                }
            }
            6 => self.append(u, at)?,
            7 | 8 => self.put(u, at)?,
            9 => self.arrange(u, at)?,
            10 => self.set_nested(u, at)?,
            11 => self.clear(u, at, &rows)?,
            12 | 13 => self.write(u, at, &rows)?,
            _ => self.read(u, at, &rows)?,
        }
        Ok(())
    }

    fn hold(&mut self, at: usize, array: LiveArray, list: usize) {
        if self.handles.len() < 8 {
            let arena = self.handles[at].arena;
            self.handles.push(Handle { array, list, arena });
        }
    }

    fn flatten(&mut self, u: &mut Unstructured<'_>, at: usize) -> Result<()> {
        let path: Vec<NestedField> = (0..u.int_in_range(0..=2)?)
            .map(|_| u.choose(&NESTED).copied())
            .collect::<Result<_>>()?;
        let mut nodes = self.lists[self.handles[at].list].nodes.clone();
        let mut model = Ok(());
        for field in &path {
            nodes = nodes
                .iter()
                .flat_map(|node| self.below(*node, *field))
                .copied()
                .collect();
            if nodes.len() as u64 > LIMITS.documents {
                model = Err(No::Limit);
                break;
            }
        }
        let ours = self.handles[at].array.flatten(&path);
        if let Some(array) = agree(ours, model) {
            let list = self.add_list(nodes, None);
            self.hold(at, array, list);
        }
        Ok(())
    }

    fn append(&mut self, u: &mut Unstructured<'_>, at: usize) -> Result<()> {
        let count = match u.ratio(1, 16)? {
            true => u32::MAX,
            false => u.int_in_range(0..=6)?,
        };
        let handle = &self.handles[at];
        let list = handle.list;
        let model = self.room(handle, list, u64::from(count), u32::from(count > 0));
        let before = self.lists[list].nodes.len();
        if agree(handle.array.append_new(count), model).is_none() {
            return Ok(());
        }
        let ids = handle.array.strings(
            StringField::Id,
            &Rows::Span {
                start: before as u32,
                count,
            },
        );
        // Ids are as long as one read may be when there are six of them.
        let ids = ids.unwrap_or_else(|error| panic!("{error}"));
        let level = self.level(list);
        for id in ids {
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let doc = Document {
                id,
                ..Document::default()
            };
            let node = self.add(&doc, level);
            self.adopt(list, node);
            self.lists[list].nodes.push(node);
        }
        Ok(())
    }

    /// `extend` and `insert`.
    fn put(&mut self, u: &mut Unstructured<'_>, at: usize) -> Result<()> {
        let from = u.int_in_range(0..=self.handles.len() - 1)?;
        let (list, source) = (self.handles[at].list, self.handles[from].list);
        let rows = self.rows(u, source)?;
        let place = match u.arbitrary::<bool>()? {
            true => Some(self.row(u, list)?),
            false => None,
        };
        let len = self.lists[list].nodes.len();
        let picked = self.pick(source, &rows);
        let model = picked.clone().and_then(|nodes| {
            if place.is_some_and(|place| place as usize > len) {
                return Err(No::OutOfRange);
            }
            self.room_for(&self.handles[at], list, &nodes)
        });
        let (array, from) = (&self.handles[at].array, &self.handles[from].array);
        let ours = match place {
            Some(place) => array.insert(place, from, &rows),
            None => array.extend(from, &rows),
        };
        if agree(ours, model).is_some() {
            let level = self.level(list);
            let mut copies = Vec::new();
            for node in picked.unwrap_or_default() {
                copies.push(self.copy(node, level));
            }
            copies.iter().for_each(|node| self.adopt(list, *node));
            let place = place.map_or(len, |place| place as usize);
            self.lists[list].nodes.splice(place..place, copies);
        }
        Ok(())
    }

    fn arrange(&mut self, u: &mut Unstructured<'_>, at: usize) -> Result<()> {
        let list = self.handles[at].list;
        let Rows::List(order) = self.list_of_rows(u, list)? else {
            return Ok(());
        };
        let picked = self.pick(list, &Rows::List(order.clone()));
        let mut seen = HashSet::new();
        let model = match &picked {
            Ok(_) if !order.iter().all(|row| seen.insert(row)) => Err(No::Invalid),
            Ok(_) => Ok(()),
            Err(no) => Err(*no),
        };
        if agree(self.handles[at].array.arrange(&order), model).is_some() {
            self.lists[list].nodes = picked.unwrap_or_default();
        }
        Ok(())
    }

    fn set_nested(&mut self, u: &mut Unstructured<'_>, at: usize) -> Result<()> {
        let from = u.int_in_range(0..=self.handles.len() - 1)?;
        let (list, source) = (self.handles[at].list, self.handles[from].list);
        let (field, row) = (*u.choose(&NESTED)?, self.row(u, list)?);
        let nodes = self.lists[source].nodes.clone();
        let owner = self.lists[list].nodes.get(row as usize).copied();
        let target = owner.map(|owner| self.nodes[owner].nested[field as usize]);
        let model = match target {
            Some(target) => self.room_for(&self.handles[at], target, &nodes),
            None => Err(No::OutOfRange),
        };
        let ours = self.handles[at]
            .array
            .set_nested(field, row, &self.handles[from].array);
        let (Some(()), Some(target)) = (agree(ours, model), target) else {
            return Ok(());
        };
        let families: HashSet<usize> = self.lists[target]
            .nodes
            .iter()
            .map(|node| self.nodes[*node].family)
            .collect();
        let level = self.level(target);
        let mut copies = Vec::new();
        for node in nodes {
            copies.push(self.copy(node, level));
        }
        let now = match self.handles[at].array.nested(field, row) {
            Ok(now) => now.snapshot(),
            Err(error) => panic!("{error}"),
        };
        for (node, now) in copies.iter().zip(now.iter()) {
            let own = self.nodes[*node].doc.clone();
            self.adopt(target, *node);
            let adopted = &self.nodes[*node].doc;
            let marks = |doc: &Document| (doc.parent_id.clone(), doc.granularity, doc.adjacency);
            // One that is related to what was there need not be new.
            if marks(adopted) != marks(now) && families.contains(&self.nodes[*node].family) {
                self.nodes[*node].doc = own;
            }
        }
        self.lists[target].nodes = copies;
        Ok(())
    }

    fn clear(&mut self, u: &mut Unstructured<'_>, at: usize, rows: &Rows) -> Result<()> {
        let flag = *u.choose(&[
            Fields::NONE,
            Fields::PARENT_ID
                .with(Fields::GRANULARITY)
                .with(Fields::ADJACENCY),
            Fields::CONTENT.with(Fields::URI),
            Fields::MIME_TYPE.with(Fields::MODALITY),
            Fields::WEIGHT.with(Fields::OFFSET).with(Fields::LOCATION),
            Fields::EMBEDDING,
            Fields::TAGS.with(Fields::METADATA),
            Fields::SCORES.with(Fields::EVALUATIONS),
            Fields::CHUNKS,
            Fields::MATCHES,
        ])?;
        let picked = self.pick(self.handles[at].list, rows);
        let ours = self.handles[at].array.clear(flag, rows);
        if agree(ours, picked.clone().map(drop)).is_none() {
            return Ok(());
        }
        for node in picked.unwrap_or_default() {
            let doc = &mut self.nodes[node].doc;
            let has = |field| flag.contains(field);
            if has(Fields::PARENT_ID) {
                doc.parent_id = ByteString::new();
                doc.granularity = 0;
                doc.adjacency = 0;
            }
            if has(Fields::CONTENT) {
                doc.content = Content::None;
                doc.uri = ByteString::new();
            }
            if has(Fields::MIME_TYPE) {
                doc.mime_type = ByteString::new();
                doc.modality = ByteString::new();
            }
            if has(Fields::WEIGHT) {
                doc.weight = 0.0;
                doc.offset = 0.0;
                doc.location = Vec::new();
            }
            if has(Fields::EMBEDDING) {
                doc.embedding = None;
            }
            if has(Fields::TAGS) {
                doc.tags = None;
                doc.metadata = None;
            }
            if has(Fields::SCORES) {
                doc.scores = Vec::new();
                doc.evaluations = Vec::new();
            }
            for (field, slot) in [(Fields::CHUNKS, 0), (Fields::MATCHES, 1)] {
                if has(field) {
                    let list = self.nodes[node].nested[slot];
                    self.lists[list].nodes.clear();
                }
            }
        }
        Ok(())
    }

    /// Sets a value of each picked node, after ours did the same.
    fn written<T: Clone>(
        &mut self,
        ours: std::result::Result<(), LiveError>,
        picked: Answer<Vec<usize>>,
        values: Answer<Vec<T>>,
        given: usize,
        set: impl Fn(&mut Document, T),
    ) {
        let model = picked.and_then(|nodes| match nodes.len() == given {
            true => values.map(|values| (nodes, values)),
            false => Err(No::Invalid),
        });
        if agree(ours, model.as_ref().map(drop).map_err(|no| *no)).is_some()
            && let Ok((nodes, values)) = model
        {
            for (node, value) in nodes.into_iter().zip(values) {
                set(&mut self.nodes[node].doc, value);
            }
        }
    }

    /// An id that is written as the empty string is replaced by a random one, which
    /// the model takes over.
    fn take_drawn_ids(&mut self, at: usize, field: StringField) {
        if field != StringField::Id {
            return;
        }
        let handle = &self.handles[at];
        let docs = handle.array.snapshot();
        for (node, doc) in self.lists[handle.list].nodes.iter().zip(docs.iter()) {
            let known = &mut self.nodes[*node].doc.id;
            if known.is_empty() {
                known.clone_from(&doc.id);
            }
        }
    }

    fn write(&mut self, u: &mut Unstructured<'_>, at: usize, rows: &Rows) -> Result<()> {
        let picked = self.pick(self.handles[at].list, rows);
        let mut given = picked.as_ref().map_or(2, Vec::len);
        if u.ratio(1, 16)? {
            given += 1;
        }
        let array = self.handles[at].array.share();
        match u.int_in_range(0..=8)? {
            0 => {
                let field = *u.choose(&STRINGS)?;
                let values = many(u, given, text)?;
                let ours = array.set_strings(field, rows, values.clone());
                self.written(ours, picked, Ok(values), given, |doc, value| {
                    set_string(doc, field, value);
                });
                self.take_drawn_ids(at, field);
            }
            1 => {
                let field = *u.choose(&STRINGS)?;
                let values = many(u, given, text)?;
                let (packed, model) = packed(u, values)?;
                let given = packed.ends.len();
                let ours = array.set_packed_strings(field, rows, packed);
                self.written(ours, picked, model, given, |doc, value| {
                    set_string(doc, field, value);
                });
                self.take_drawn_ids(at, field);
            }
            2 => {
                let (field, in_one) = (*u.choose(&JSON)?, u.arbitrary()?);
                let texts = many(u, given, |u| {
                    Ok(ByteString::from(*u.choose(&[
                        "",
                        "{}",
                        r#"{"a":1}"#,
                        r#"{"b":[null,"x"]}"#,
                        "[]",
                        "{",
                    ])?))
                })?;
                let objects = texts
                    .iter()
                    .map(|text| match text.is_empty() {
                        true => Ok(None),
                        false => Struct::from_json(text).map(Some).map_err(|_| No::Invalid),
                    })
                    .collect();
                let ours = if in_one {
                    let mut bytes = Vec::new();
                    let ends = texts.iter().map(|text| {
                        bytes.extend(text.bytes());
                        bytes.len() as u32
                    });
                    let ends = ends.collect();
                    let bytes = bytes.into();
                    array.set_packed_json_objects(field, rows, Packed { bytes, ends })
                } else {
                    array.set_json_objects(field, rows, texts)
                };
                self.written(ours, picked, objects, given, |doc, value| match field {
                    JsonField::Tags => doc.tags = value,
                    JsonField::Metadata => doc.metadata = value,
                });
            }
            3 => {
                let field = *u.choose(&INTEGERS)?;
                let values = many(u, given, |u| u.arbitrary::<u32>())?;
                let ours = array.set_integers(field, rows, &values);
                self.written(ours, picked, Ok(values), given, |doc, value| match field {
                    IntegerField::Granularity => doc.granularity = value,
                    IntegerField::Adjacency => doc.adjacency = value,
                });
            }
            4 => {
                let field = *u.choose(&FLOATS)?;
                let values = many(u, given, |u| u.arbitrary::<f32>())?;
                let ours = array.set_floats(field, rows, &values);
                self.written(ours, picked, Ok(values), given, |doc, value| match field {
                    FloatField::Weight => doc.weight = value,
                    FloatField::Offset => doc.offset = value,
                });
            }
            5 => {
                let values = many(u, given, location)?;
                let ours = array.set_locations(rows, values.clone());
                self.written(ours, picked, Ok(values), given, |doc, value| {
                    doc.location = value;
                });
            }
            6 => {
                let values = many(u, given, |u| Ok(Bytes::from(text(u)?.to_string())))?;
                let ours = array.set_blobs(rows, values.clone());
                self.written(ours, picked, Ok(values), given, |doc, value| {
                    doc.content = Content::Blob(value);
                });
            }
            7 => {
                let field = *u.choose(&ARRAYS)?;
                if u.arbitrary()? {
                    let values = many(u, given, |u| match u.arbitrary::<bool>()? {
                        true => Ok(Some(array_of(&location(u)?))),
                        false => Ok(None),
                    })?;
                    let ours = array.set_ndarrays(field, rows, values.clone());
                    self.written(ours, picked, Ok(values), given, |doc, value| {
                        set_array(doc, field, value);
                    });
                } else {
                    let values = many(u, given * 2, |u| u.arbitrary::<f32>())?;
                    let matrix = Matrix {
                        dtype: "<f4".into(),
                        shape: vec![2],
                        buffer: Dense::from_f32(&values).buffer().clone(),
                        cls_name: "numpy".into(),
                    };
                    let ours = array.set_matrix(field, rows, matrix);
                    let values = values.chunks(2).map(|row| Some(array_of(row))).collect();
                    self.written(ours, picked, Ok(values), given, |doc, value| {
                        set_array(doc, field, value);
                    });
                }
            }
            _ => {
                let field = *u.choose(&SCORES)?;
                let values = many(u, given, |u| {
                    let len = u.int_in_range(0..=3)?;
                    many(u, len, |u| {
                        let score = NamedScore {
                            value: u.arbitrary()?,
                            op_name: text(u)?,
                            ..NamedScore::default()
                        };
                        Ok((text(u)?, score))
                    })
                })?;
                let ours = array.set_scores(field, rows, values.clone());
                let last = |scores: Vec<(ByteString, NamedScore)>| {
                    let behind = |at: usize, name| {
                        scores.iter().skip(at + 1).any(|(other, _)| other == name)
                    };
                    scores
                        .iter()
                        .enumerate()
                        .filter(|(at, (name, _))| !behind(*at, name))
                        .map(|(_, score)| score.clone())
                        .collect()
                };
                self.written(ours, picked, Ok(values), given, |doc, value| match field {
                    ScoreField::Scores => doc.scores = last(value),
                    ScoreField::Evaluations => doc.evaluations = last(value),
                });
            }
        }
        Ok(())
    }

    fn read(&mut self, u: &mut Unstructured<'_>, at: usize, rows: &Rows) -> Result<()> {
        let array = &self.handles[at].array;
        let nodes = self.pick(self.handles[at].list, rows);
        let docs = |nodes: Vec<usize>| nodes.into_iter().map(|node| &self.nodes[node].doc);
        let within = |bytes: usize| match bytes as u64 > READ_LIMIT {
            true => Err(No::Limit),
            false => Ok(()),
        };
        match u.int_in_range(0..=9)? {
            0 | 1 => {
                let field = *u.choose(&STRINGS)?;
                let values = nodes.and_then(|nodes| {
                    let values: Vec<_> = docs(nodes).map(|doc| string_of(doc, field)).collect();
                    within(values.iter().map(|value| value.len()).sum())?;
                    Ok(values)
                });
                agree_on(array.strings(field, rows), values.clone());
                agree_on(
                    array.packed_strings(field, rows),
                    values.map(|values| pack(&values)),
                );
            }
            2 => {
                let field = *u.choose(&JSON)?;
                let values = nodes.and_then(|nodes| {
                    let values: Vec<ByteString> = docs(nodes)
                        .map(|doc| match field {
                            JsonField::Tags => doc.tags.as_ref(),
                            JsonField::Metadata => doc.metadata.as_ref(),
                        })
                        .map(|value| value.map_or_else(String::new, Struct::to_json).into())
                        .collect();
                    within(values.iter().map(|value| value.len()).sum())?;
                    Ok(values)
                });
                agree_on(array.json_objects(field, rows), values.clone());
                agree_on(
                    array.packed_json_objects(field, rows),
                    values.map(|values| pack(&values)),
                );
            }
            3 => {
                let values = |value: fn(&Document) -> u32| {
                    nodes.clone().map(|nodes| docs(nodes).map(value).collect())
                };
                agree_on(
                    array.integers(IntegerField::Granularity, rows),
                    values(|doc| doc.granularity),
                );
                agree_on(
                    array.integers(IntegerField::Adjacency, rows),
                    values(|doc| doc.adjacency),
                );
            }
            4 => {
                let values = |value: fn(&Document) -> f32| {
                    nodes.clone().map(|nodes| docs(nodes).map(value).collect())
                };
                agree_on(
                    array.floats(FloatField::Weight, rows),
                    values(|doc| doc.weight),
                );
                agree_on(
                    array.floats(FloatField::Offset, rows),
                    values(|doc| doc.offset),
                );
            }
            5 => {
                let values = nodes.and_then(|nodes| {
                    let values: Vec<_> = docs(nodes).map(|doc| doc.location.clone()).collect();
                    within(values.iter().map(|value| value.len() * 4).sum())?;
                    Ok(values)
                });
                agree_on(array.locations(rows), values);
            }
            6 => {
                let kinds = nodes.clone().map(|nodes| {
                    docs(nodes)
                        .map(|doc| match doc.content {
                            Content::None => ContentKind::None,
                            Content::Text(_) => ContentKind::Text,
                            Content::Blob(_) => ContentKind::Blob,
                            Content::Tensor(_) => ContentKind::Tensor,
                        })
                        .collect()
                });
                agree_on(array.contents(rows), kinds);
                let blobs = nodes.and_then(|nodes| {
                    let blobs: Vec<_> = docs(nodes)
                        .map(|doc| match &doc.content {
                            Content::Blob(blob) => blob.clone(),
                            _ => Bytes::new(),
                        })
                        .collect();
                    within(blobs.iter().map(Bytes::len).sum())?;
                    Ok(blobs)
                });
                agree_on(array.blobs(rows), blobs);
            }
            7 => {
                let field = *u.choose(&ARRAYS)?;
                let arrays: Answer<Vec<Option<NdArray>>> =
                    nodes.map(|nodes| docs(nodes).map(|doc| get_array(doc, field)).collect());
                match array.ndarrays(field, rows) {
                    // What a copy of an array takes is the host's to say.
                    Err(LiveError::Limit(_)) => {}
                    ours => agree_on(ours, arrays.clone()),
                }
                match array.matrix(field, rows) {
                    Err(LiveError::Limit(_)) => {}
                    ours => agree_on(ours, arrays.map(|arrays| stacked(&arrays))),
                }
            }
            8 => {
                let field = *u.choose(&SCORES)?;
                match array.scores(field, rows) {
                    // The same.
                    Err(LiveError::Limit(_)) => {}
                    ours => agree_on(
                        ours,
                        nodes.map(|nodes| {
                            docs(nodes)
                                .map(|doc| match field {
                                    ScoreField::Scores => doc.scores.clone(),
                                    ScoreField::Evaluations => doc.evaluations.clone(),
                                })
                                .collect()
                        }),
                    ),
                }
            }
            _ => {
                let field = *u.choose(&NESTED)?;
                let lens = nodes.map(|nodes| {
                    nodes
                        .iter()
                        .map(|node| self.below(*node, field).len() as u32)
                        .collect()
                });
                agree_on(array.nested_lengths(field, rows), lens);
            }
        }
        Ok(())
    }

    // --- choices ------------------------------------------------------------

    /// A row, nearly always one that there is.
    fn row(&self, u: &mut Unstructured<'_>, list: usize) -> Result<u32> {
        let len = self.lists[list].nodes.len() as u32;
        match u.ratio(1, 16)? {
            true => u.arbitrary(),
            false => u.int_in_range(0..=len.saturating_sub(1)),
        }
    }

    fn list_of_rows(&self, u: &mut Unstructured<'_>, list: usize) -> Result<Rows> {
        let count = match u.ratio(1, 16)? {
            true => LIMITS.documents as usize + 1,
            false => u.int_in_range(0..=6)?,
        };
        Ok(Rows::List(many(u, count, |u| self.row(u, list))?))
    }

    fn rows(&self, u: &mut Unstructured<'_>, list: usize) -> Result<Rows> {
        match u.int_in_range(0..=3)? {
            0 => Ok(Rows::All),
            1 => Ok(Rows::Span {
                start: self.row(u, list)?,
                count: u.int_in_range(0..=3)?,
            }),
            _ => self.list_of_rows(u, list),
        }
    }
}

const STRINGS: [StringField; 6] = [
    StringField::Id,
    StringField::ParentId,
    StringField::Text,
    StringField::Uri,
    StringField::MimeType,
    StringField::Modality,
];
const JSON: [JsonField; 2] = [JsonField::Tags, JsonField::Metadata];
const INTEGERS: [IntegerField; 2] = [IntegerField::Granularity, IntegerField::Adjacency];
const FLOATS: [FloatField; 2] = [FloatField::Weight, FloatField::Offset];
const ARRAYS: [NdArrayField; 2] = [NdArrayField::Tensor, NdArrayField::Embedding];
const SCORES: [ScoreField; 2] = [ScoreField::Scores, ScoreField::Evaluations];

fn written(docs: &DocumentArray) -> Vec<u8> {
    let encoding = docs.encoding();
    let mut out = Vec::with_capacity(encoding.len());
    encoding.write(&mut out);
    out
}

fn many<T>(
    u: &mut Unstructured<'_>,
    count: usize,
    mut item: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    (0..count).map(|_| item(u)).collect()
}

fn text(u: &mut Unstructured<'_>) -> Result<ByteString> {
    let text = *u.choose(&[
        "",
        "a",
        "é🎉",
        "a longer text, of which few fit into a read",
    ])?;
    Ok(text.into())
}

fn location(u: &mut Unstructured<'_>) -> Result<Vec<f32>> {
    let len = u.int_in_range(0..=3)?;
    many(u, len, |u| u.arbitrary())
}

/// Documents whose number and depth are within the limits.
fn documents(u: &mut Unstructured<'_>, depth: u32) -> Result<DocumentArray> {
    let count = u.int_in_range(0..=3)?;
    let docs = many(u, count, |u| {
        let (chunks, matches) = match depth {
            0 => (DocumentArray::new(), DocumentArray::new()),
            _ => (
                documents(u, depth - 1)?,
                match u.ratio(1, 4)? {
                    true => documents(u, 0)?,
                    false => DocumentArray::new(),
                },
            ),
        };
        Ok(Document {
            id: text(u)?,
            content: match u.arbitrary()? {
                true => Content::Text(text(u)?),
                false => Content::None,
            },
            granularity: u.arbitrary()?,
            chunks,
            matches,
            ..Document::default()
        })
    })?;
    Ok(docs.into_iter().collect())
}

fn string_of(doc: &Document, field: StringField) -> ByteString {
    match field {
        StringField::Id => doc.id.clone(),
        StringField::ParentId => doc.parent_id.clone(),
        StringField::Text => doc.text().into(),
        StringField::Uri => doc.uri.clone(),
        StringField::MimeType => doc.mime_type.clone(),
        StringField::Modality => doc.modality.clone(),
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

fn array_of(values: &[f32]) -> NdArray {
    NdArray::numpy(Dense::from_f32(values))
}

fn get_array(doc: &Document, field: NdArrayField) -> Option<NdArray> {
    match (field, &doc.content) {
        (NdArrayField::Embedding, _) => doc.embedding.as_deref().cloned(),
        (NdArrayField::Tensor, Content::Tensor(tensor)) => Some(NdArray::clone(tensor)),
        (NdArrayField::Tensor, _) => None,
    }
}

fn set_array(doc: &mut Document, field: NdArrayField, value: Option<NdArray>) {
    match (field, value.map(Arc::new)) {
        (NdArrayField::Embedding, value) => doc.embedding = value,
        (NdArrayField::Tensor, Some(value)) => doc.content = Content::Tensor(value),
        (NdArrayField::Tensor, None) => {
            if let Content::Tensor(_) = doc.content {
                doc.content = Content::None;
            }
        }
    }
}

/// Arrays in one matrix, if there are some and all have one shape.
fn stacked(arrays: &[Option<NdArray>]) -> Option<Matrix> {
    let dense: Option<Vec<&Dense>> = arrays
        .iter()
        .map(|array| array.as_ref().and_then(NdArray::dense))
        .collect();
    let dense = dense?;
    let first = dense.first()?;
    let alike = dense.iter().all(|dense| dense.shape() == first.shape());
    alike.then(|| Matrix {
        dtype: first.dtype().clone(),
        shape: first.shape().to_vec(),
        buffer: dense
            .iter()
            .flat_map(|dense| dense.buffer().iter().copied())
            .collect(),
        cls_name: "numpy".into(),
    })
}

fn pack(values: &[ByteString]) -> Packed {
    let mut bytes = Vec::new();
    let ends = values
        .iter()
        .map(|value| {
            bytes.extend(value.bytes());
            bytes.len() as u32
        })
        .collect();
    Packed {
        bytes: bytes.into(),
        ends,
    }
}

/// Strings in one buffer, now and then with an end that is not one.
fn packed(
    u: &mut Unstructured<'_>,
    values: Vec<ByteString>,
) -> Result<(Packed, Answer<Vec<ByteString>>)> {
    let mut packed = pack(&values);
    let mut model = Ok(values);
    if u.ratio(1, 8)?
        && let Some(end) = packed.ends.last_mut()
    {
        *end = end.wrapping_add(u.int_in_range(1..=9)?);
        model = Err(No::Invalid);
    }
    Ok((packed, model))
}

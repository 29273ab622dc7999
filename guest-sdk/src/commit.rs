//! Writes a handler's changes back to the host.
//!
//! Nothing is written while a handler runs. When it returns, its documents are
//! compared with those that it received, and the difference is written to the
//! host with one call for each column that changed:
//!
//! 1. Documents that are new, or came from another array, are built in arrays of
//!    their own. This reads from the host's arrays, which are still as the handler
//!    received them.
//! 2. Changed fields of documents that stayed in their place are written there.
//! 3. Lists of chunks and matches that changed are replaced.
//! 4. The list of the request's documents is rearranged.
//!
//! A document that the executor keeps in its own state reads from the arrays that
//! are written here. If there is such a document, it gets a copy to read from.

#![expect(
    clippy::indexing_slicing,
    reason = "a field's number indexes an array that has an element for each field"
)]

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::column::PART;
use crate::document::{Held, Local};
use crate::raw::{
    self, Array, FloatField, IntegerField, JsonField, NdarrayField, NestedField, Rows, ScoreField,
    StringField,
};
use crate::source::Source;
use crate::tensor;
use crate::{Document, DocumentArray, Error, NdArray, Result};

const NESTED: [NestedField; 2] = [NestedField::Chunks, NestedField::Matches];

/// Changed documents, each with its row.
type Changes = Vec<(u32, Box<Local>)>;

/// What to write in place once all reads are done.
#[derive(Default)]
struct Plan {
    writes: Vec<(Rc<Source>, Changes)>,
    lists: Vec<(Rc<Source>, NestedField, u32, Array)>,
}

/// Makes the array behind `source` hold `docs`.
pub(crate) fn write_back(docs: DocumentArray, source: &Rc<Source>) -> Result<()> {
    let mut plan = Plan::default();
    let list = if is_whole(&docs, source) {
        in_place(docs.into_vec(), source, &mut plan)?;
        None
    } else {
        Some(rearranged(docs.into_vec(), source, &mut plan)?)
    };
    if list.is_none() && plan.writes.is_empty() && plan.lists.is_empty() {
        return Ok(());
    }
    if is_kept(source, &plan) {
        source.detach()?;
    }
    for (source, changes) in &mut plan.writes {
        write(source.target(), source.len(), changes)?;
    }
    for (source, field, row, array) in &plan.lists {
        source.target().set_nested(*field, *row, array)?;
    }
    if let Some(List { added, order }) = list {
        let array = source.target();
        if let Some(added) = added {
            array.extend(&added, &Rows::All)?;
        }
        if let Some(order) = order {
            array.arrange(&order)?;
        }
    }
    Ok(())
}

/// A new array that holds `docs`.
pub(crate) fn build(docs: Vec<Document>) -> Result<Array> {
    let array = Array::new();
    let total = row_count(docs.len())?;

    // Copies first: one call for each run of documents from the same array.
    let mut rows = Vec::new();
    let mut rest = docs.as_slice();
    while let Some(first) = rest.first() {
        let same = |doc: &&Document| match (doc.origin(), first.origin()) {
            (Some((one, _)), Some((two, _))) => Rc::ptr_eq(one, two),
            (None, None) => true,
            _ => false,
        };
        let count = rest.iter().take_while(same).count();
        let (run, after) = rest.split_at(count);
        match first.origin() {
            None => array.append_new(row_count(count)?)?,
            Some((source, _)) => {
                rows.clear();
                rows.extend(run.iter().filter_map(Document::origin).map(|(_, row)| row));
                array.extend(source.handle(), &raw::rows(&rows, source.len()))?;
            }
        }
        rest = after;
    }

    let mut changes: Changes = Vec::new();
    let mut lists: [Vec<(u32, DocumentArray)>; 2] = Default::default();
    for (row, mut doc) in (0..).zip(docs) {
        for field in NESTED {
            if is_pristine_list(&doc, field) {
                continue;
            }
            let Some(list) = doc.take_nested(field) else {
                continue;
            };
            let list = descended(&doc, field, list);
            lists[field as usize].push((row, list));
        }
        if let Some(local) = doc.into_local() {
            changes.push((row, local));
        }
    }
    write(&array, total, &mut changes)?;
    for field in NESTED {
        let lists = std::mem::take(&mut lists[field as usize]);
        for (row, list) in build_lists(lists)? {
            array.set_nested(field, row, &list)?;
        }
    }
    Ok(array)
}

/// Builds several lists as one array, so that a column of all of them is written
/// with one call, and then takes them apart.
fn build_lists<K>(lists: Vec<(K, DocumentArray)>) -> Result<Vec<(K, Array)>> {
    let mut spans = Vec::with_capacity(lists.len());
    let mut all = Vec::new();
    for (key, list) in lists {
        spans.push((key, row_count(all.len())?, row_count(list.len())?));
        all.append(&mut list.into_vec());
    }
    if spans.is_empty() {
        return Ok(Vec::new());
    }
    let array = build(all)?;
    spans
        .into_iter()
        .map(|(key, start, count)| Ok((key, array.select(&raw::span(start, count))?)))
        .collect()
}

fn row_count(count: usize) -> Result<u32> {
    u32::try_from(count)
        .map_err(|_| Error::named("Limit", format_args!("{count} documents are too many")))
}

/// Whether `docs` are all of the source's documents, in order.
pub(crate) fn is_whole(docs: &DocumentArray, source: &Rc<Source>) -> bool {
    is_list_of(docs, source, 0..source.len())
}

/// Whether `docs` are exactly these rows, in order, whatever they hold.
fn is_list_of(docs: &DocumentArray, source: &Rc<Source>, rows: std::ops::Range<u32>) -> bool {
    docs.len() == rows.len()
        && docs
            .iter()
            .zip(rows)
            .all(|(doc, row)| doc.is_row_of(source, row))
}

/// Whether a copy of the document's row already has the right chunks, or matches.
fn is_pristine_list(doc: &Document, field: NestedField) -> bool {
    let Some(list) = doc
        .local()
        .and_then(|local| local.nested[field as usize].get())
    else {
        return true;
    };
    let Some((source, row)) = doc.origin() else {
        return list.is_empty();
    };
    let Some(nested) = source.known_nested(field) else {
        return false;
    };
    is_list_of(list, &nested.source, nested.range(row)) && list.iter().all(is_pristine)
}

fn is_pristine(doc: &Document) -> bool {
    doc.local().is_none_or(|local| !has_changes(local))
        && NESTED.iter().all(|field| is_pristine_list(doc, *field))
}

/// Sets the level of documents that are put below `parent` and have nested
/// documents of their own. The host will set the same level, but the nested
/// documents are built first, and their levels are counted from it.
fn descended(parent: &Document, field: NestedField, mut list: DocumentArray) -> DocumentArray {
    let has_nested = |doc: &Document| {
        doc.local().is_some_and(|local| {
            local
                .nested
                .iter()
                .any(|list| list.get().is_some_and(|list| !list.is_empty()))
        })
    };
    for doc in list.iter_mut().filter(|doc| has_nested(doc)) {
        match field {
            NestedField::Chunks => {
                let granularity = parent.granularity().saturating_add(1);
                if doc.granularity() != granularity {
                    doc.set_granularity(granularity);
                }
            }
            NestedField::Matches => {
                let adjacency = parent.adjacency().saturating_add(1);
                if doc.adjacency() != adjacency {
                    doc.set_adjacency(adjacency);
                }
            }
        }
    }
    list
}

/// Plans the changes to documents that are all rows of `source`.
fn in_place(mut docs: Vec<Document>, source: &Rc<Source>, plan: &mut Plan) -> Result<()> {
    for field in NESTED {
        let mut same = Vec::new();
        let mut others = Vec::new();
        for doc in &mut docs {
            let Some(list) = doc.take_nested(field) else {
                continue;
            };
            let Some((_, row)) = doc.origin() else {
                continue;
            };
            let stayed = source
                .known_nested(field)
                .is_some_and(|nested| is_list_of(&list, &nested.source, nested.range(row)));
            if stayed {
                same.append(&mut list.into_vec());
            } else {
                others.push((row, descended(doc, field, list)));
            }
        }
        if let (Some(nested), false) = (source.known_nested(field), same.is_empty()) {
            in_place(same, &nested.source, plan)?;
        }
        for (row, list) in build_lists(others)? {
            plan.lists.push((source.clone(), field, row, list));
        }
    }
    let mut changes: Changes = Vec::new();
    for doc in docs {
        let Some((_, row)) = doc.origin() else {
            continue;
        };
        if let Some(local) = doc.into_local().filter(|local| has_changes(local)) {
            changes.push((row, local));
        }
    }
    if !changes.is_empty() {
        plan.writes.push((source.clone(), changes));
    }
    Ok(())
}

/// How to turn an array's list of documents into another.
struct List {
    /// Documents to append.
    added: Option<Array>,
    /// Which rows to keep after that, and in which order; none to keep all as they
    /// are.
    order: Option<Vec<u32>>,
}

fn rearranged(docs: Vec<Document>, source: &Rc<Source>, plan: &mut Plan) -> Result<List> {
    let len = source.len();
    let mut taken = vec![false; len as usize];
    let mut own = Vec::new();
    let mut added = Vec::new();
    let mut order = Vec::with_capacity(docs.len());
    for doc in docs {
        let row = match doc.origin() {
            Some((from, row)) if Rc::ptr_eq(from, source) => Some(row),
            _ => None,
        };
        match row.and_then(|row| taken.get_mut(row as usize).map(|taken| (row, taken))) {
            // The second copy of a document is another document.
            Some((row, taken)) if !*taken => {
                *taken = true;
                order.push(row);
                own.push(doc);
            }
            _ => {
                order.push(len.saturating_add(row_count(added.len())?));
                added.push(doc);
            }
        }
    }
    let total = len.saturating_add(row_count(added.len())?);
    let unchanged = order.iter().copied().eq(0..total);
    let added = if added.is_empty() {
        None
    } else {
        Some(build(added)?)
    };
    in_place(own, source, plan)?;
    Ok(List {
        added,
        order: (!unchanged).then_some(order),
    })
}

/// Whether anything but the plan and its call still reads from these arrays, as a
/// document in the executor's state does.
fn is_kept(root: &Rc<Source>, plan: &Plan) -> bool {
    fn visit(source: &Rc<Source>, owners: usize, plan: &Plan) -> bool {
        let planned = plan
            .writes
            .iter()
            .map(|(planned, _)| planned)
            .chain(plan.lists.iter().map(|(planned, ..)| planned))
            .filter(|planned| Rc::ptr_eq(planned, source))
            .count();
        Rc::strong_count(source) > owners + planned
            || NESTED
                .iter()
                .filter_map(|field| source.known_nested(*field))
                .any(|nested| visit(&nested.source, 1, plan))
    }
    visit(root, 1, plan)
}

const STRINGS: [StringField; 4] = [
    StringField::ParentId,
    StringField::Uri,
    StringField::MimeType,
    StringField::Modality,
];
const OBJECTS: [JsonField; 2] = [JsonField::Tags, JsonField::Metadata];
const INTEGERS: [IntegerField; 2] = [IntegerField::Granularity, IntegerField::Adjacency];
const FLOATS: [FloatField; 2] = [FloatField::Weight, FloatField::Offset];
const SCORES: [ScoreField; 2] = [ScoreField::Scores, ScoreField::Evaluations];

/// Whether a field other than nested documents was set.
fn has_changes(local: &Local) -> bool {
    local.content.is_some()
        || local.embedding.is_some()
        || local.location.is_some()
        || local.id.get().is_some()
        || local.strings.iter().any(Option::is_some)
        || local.objects.iter().any(Option::is_some)
        || local.integers.iter().any(Option::is_some)
        || local.floats.iter().any(Option::is_some)
        || local.scores.iter().any(Option::is_some)
}

/// The rows in which `get` finds a value, with the values.
fn cells<'a, T>(
    changes: &'a Changes,
    get: impl Fn(&'a Local) -> Option<T>,
) -> Option<(Vec<u32>, Vec<T>)> {
    let (rows, values): (Vec<u32>, Vec<T>) = changes
        .iter()
        .filter_map(|(row, local)| get(local).map(|value| (*row, value)))
        .unzip();
    (!rows.is_empty()).then_some((rows, values))
}

/// Writes fields of some rows of an array of `len` rows, with a call for each
/// column.
fn write(array: &Array, len: u32, changes: &mut Changes) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let rows = |rows: &[u32]| raw::rows(rows, len);

    let set = |field, cells: Option<(Vec<u32>, Vec<&str>)>| match cells {
        Some((list, values)) => array.set_strings(field, &rows(&list), packed(&values)?),
        None => Ok(()),
    };
    set(
        StringField::Id,
        cells(changes, |local| local.id.get().map(String::as_str)),
    )?;
    for field in STRINGS {
        set(
            field,
            cells(changes, |local| local.strings[field as usize].as_deref()),
        )?;
    }
    write_content(array, len, changes)?;
    if let Some((list, arrays)) = cells(changes, |local| local.embedding.as_ref()) {
        let arrays: Vec<_> = arrays.into_iter().map(Option::as_ref).collect();
        write_arrays(array, NdarrayField::Embedding, len, &list, &arrays)?;
    }
    for field in OBJECTS {
        if let Some((list, objects)) =
            cells(changes, |local| local.objects[field as usize].as_ref())
        {
            array.set_json_objects(field, &rows(&list), packed_objects(&objects)?)?;
        }
    }
    for field in INTEGERS {
        if let Some((list, values)) = cells(changes, |local| local.integers[field as usize]) {
            array.set_integers(field, &rows(&list), &values)?;
        }
    }
    for field in FLOATS {
        if let Some((list, values)) = cells(changes, |local| local.floats[field as usize]) {
            array.set_floats(field, &rows(&list), &values)?;
        }
    }
    if let Some((list, values)) = cells(changes, |local| local.location.clone()) {
        array.set_locations(&rows(&list), values)?;
    }
    for field in SCORES {
        let scores = cells(changes, |local| {
            let scores = local.scores[field as usize].as_ref()?;
            let scores = scores
                .iter()
                .map(|(name, score)| (name.clone(), score.clone().into()));
            Some(scores.collect())
        });
        if let Some((list, values)) = scores {
            array.set_scores(field, &rows(&list), values)?;
        }
    }
    Ok(())
}

fn write_content(array: &Array, len: u32, changes: &mut Changes) -> Result<()> {
    let rows = |rows: &[u32]| raw::rows(rows, len);
    let cleared = cells(changes, |local| {
        matches!(local.content, Some(Held::None)).then_some(())
    });
    if let Some((list, _)) = cleared {
        array.clear_content(&rows(&list))?;
    }
    let texts = cells(changes, |local| match &local.content {
        Some(Held::Text(text)) => Some(text.as_str()),
        _ => None,
    });
    if let Some((list, texts)) = texts {
        array.set_strings(StringField::Text, &rows(&list), packed(&texts)?)?;
    }
    // Moved and not copied: they may be large.
    let (list, blobs): (Vec<u32>, Vec<_>) = changes
        .iter_mut()
        .filter_map(|(row, local)| match &mut local.content {
            Some(Held::Blob(blob)) => Some((*row, std::mem::take(blob))),
            _ => None,
        })
        .unzip();
    if !list.is_empty() {
        array.set_blobs(&rows(&list), blobs)?;
    }
    let tensors = cells(changes, |local| match &local.content {
        Some(Held::Tensor(tensor)) => Some(Some(tensor)),
        _ => None,
    });
    if let Some((list, tensors)) = tensors {
        write_arrays(array, NdarrayField::Tensor, len, &list, &tensors)?;
    }
    Ok(())
}

/// Writes arrays, a few at a time if they are large: each write copies them.
fn write_arrays(
    array: &Array,
    field: NdarrayField,
    len: u32,
    mut list: &[u32],
    mut arrays: &[Option<&NdArray>],
) -> Result<()> {
    while !arrays.is_empty() {
        let mut bytes = 0u64;
        let few = arrays
            .iter()
            .take_while(|array| {
                let size = array.map_or(0, |array| array.as_bytes().len() as u64);
                bytes = bytes.saturating_add(size);
                bytes <= PART
            })
            .count()
            .max(1);
        let (now, later) = arrays.split_at(few);
        let (rows, other_rows) = list.split_at(few.min(list.len()));
        write_few_arrays(array, field, &raw::rows(rows, len), now)?;
        (list, arrays) = (other_rows, later);
    }
    Ok(())
}

fn write_few_arrays(
    array: &Array,
    field: NdarrayField,
    rows: &Rows,
    arrays: &[Option<&NdArray>],
) -> Result<()> {
    if let Some(matrix) = tensor::stack(arrays.iter().copied(), arrays.len()) {
        return array.set_matrix(field, rows, matrix);
    }
    let arrays = arrays
        .iter()
        .map(|array| array.map(raw::Ndarray::from))
        .collect();
    array.set_ndarrays(field, rows, arrays)
}

fn packed(values: &[&str]) -> Result<raw::Packed> {
    let mut bytes = Vec::with_capacity(values.iter().map(|value| value.len()).sum());
    let mut ends = Vec::with_capacity(values.len());
    for value in values {
        bytes.extend_from_slice(value.as_bytes());
        ends.push(end_of(&bytes)?);
    }
    Ok(raw::Packed { bytes, ends })
}

fn packed_objects(objects: &[&Map<String, Value>]) -> Result<raw::Packed> {
    let mut bytes = Vec::new();
    let mut ends = Vec::with_capacity(objects.len());
    for object in objects {
        // An empty object is written as unset, the empty string.
        if !object.is_empty() {
            serde_json::to_writer(&mut bytes, object)?;
        }
        ends.push(end_of(&bytes)?);
    }
    Ok(raw::Packed { bytes, ends })
}

fn end_of(bytes: &[u8]) -> Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| Error::named("Limit", "a column is larger than 4 GiB"))
}

//! A document: a row in the host, the executor's changes to it, or both.

#![expect(
    clippy::indexing_slicing,
    reason = "a field's number indexes an array that has an element for each field"
)]

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::raw::{
    self, FloatField, IntegerField, JsonField, NdarrayField, NestedField, ScoreField, StringField,
};
use crate::source::{Scores, Source};
use crate::tensor::Element;
use crate::{DocumentArray, Error, NdArray, Result};

/// The kind of a document's content. A document has at most one of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// No content.
    None,
    /// [`Document::text`].
    Text,
    /// [`Document::blob`].
    Blob,
    /// [`Document::tensor`].
    Tensor,
}

/// A score and its origin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NamedScore {
    /// The score.
    pub value: f32,
    /// The operation that computed it.
    pub op_name: String,
    /// A description for people to read.
    pub description: String,
    /// The id of the document that this one was scored against.
    pub ref_id: String,
}

impl NamedScore {
    /// A score with only its value set.
    pub fn new(value: f32) -> Self {
        NamedScore {
            value,
            ..NamedScore::default()
        }
    }
}

impl From<f32> for NamedScore {
    fn from(value: f32) -> Self {
        NamedScore::new(value)
    }
}

impl From<raw::NamedScore> for NamedScore {
    fn from(score: raw::NamedScore) -> Self {
        NamedScore {
            value: score.value,
            op_name: score.op_name,
            description: score.description,
            ref_id: score.ref_id,
        }
    }
}

impl From<NamedScore> for raw::NamedScore {
    fn from(score: NamedScore) -> Self {
        raw::NamedScore {
            value: score.value,
            op_name: score.op_name,
            description: score.description,
            ref_id: score.ref_id,
        }
    }
}

/// A document: docarray v1's `Document`.
///
/// Getters borrow. The first getter that reads a field of a request's document
/// fetches that field for all of the request's documents, with one call. For a
/// chunk, it fetches the field for the chunks of all documents. A field that is not
/// read never enters the executor's memory. Setters change this document only, and
/// the change reaches the host when the handler returns.
///
/// ```
/// use wasm_flow_sdk::prelude::*;
///
/// let mut doc = Document::new("hello").with_tag("lang", "en");
/// doc.set_text(doc.text().to_uppercase());
/// doc.set_embedding([0.5f32, 0.25]);
/// doc.chunks_mut().push(Document::new("HE"));
/// assert_eq!(doc.text(), "HELLO");
/// assert_eq!(doc.tag("lang"), Some(&json!("en")));
/// assert_eq!(doc.embedding_as::<f32>(), Some(&[0.5, 0.25][..]));
/// ```
///
/// # A document that outlives its request
///
/// A document may be moved or cloned into the executor's own state. It keeps the
/// values that it had then. For that, it keeps the host's copy of all documents
/// of its request alive, which counts against the executor's limits in the host.
/// [`into_owned`](Document::into_owned) makes it independent: it copies this one
/// document into the executor's memory.
///
/// # Clones
///
/// As in docarray, a clone has all fields of the document, including its id.
/// `set_id("")` gives it an id of its own.
#[derive(Default)]
pub struct Document {
    source: Option<Rc<Source>>,
    row: u32,
    local: OnceCell<Box<Local>>,
}

impl Clone for Document {
    fn clone(&self) -> Self {
        if self.source.is_none() {
            // A new document gets its id when it is first read. If that were still
            // to come, the document and its clone would get different ids.
            self.id();
        }
        Document {
            source: self.source.clone(),
            row: self.row,
            local: self.local.clone(),
        }
    }
}

/// The fields that a document holds itself, beside its row in the host.
#[derive(Clone, Default)]
pub(crate) struct Local {
    pub(crate) content: Option<Held>,
    pub(crate) embedding: Option<Option<NdArray>>,
    pub(crate) objects: [Option<Map<String, Value>>; 2],
    pub(crate) nested: [OnceCell<DocumentArray>; 2],
    /// For a new document, made when it is first read.
    pub(crate) id: OnceCell<String>,
    /// By `StringField`; `id` has its own field, and `text` is in the content.
    pub(crate) strings: [Option<String>; 6],
    pub(crate) integers: [Option<u32>; 2],
    pub(crate) floats: [Option<f32>; 2],
    pub(crate) location: Option<Vec<f32>>,
    pub(crate) scores: [Option<Scores>; 2],
    /// No changes: what was read.
    fetched: OnceCell<Box<Fetched>>,
}

/// A content that was set.
#[derive(Clone)]
pub(crate) enum Held {
    None,
    Text(String),
    Blob(Vec<u8>),
    Tensor(NdArray),
}

/// Values that were fetched for this document alone, because those of all rows are
/// too large to keep.
#[derive(Clone, Default)]
pub(crate) struct Fetched {
    pub(crate) text: OnceCell<Rc<str>>,
    pub(crate) blob: OnceCell<Rc<Vec<u8>>>,
    /// By `NdarrayField`.
    pub(crate) arrays: [OnceCell<Option<NdArray>>; 2],
}

static NO_OBJECT: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
static NO_SCORES: Scores = Scores::new();

impl Document {
    /// A document with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Document::default().with_text(text)
    }

    pub(crate) fn from_row(source: Rc<Source>, row: u32) -> Self {
        Document {
            source: Some(source),
            row,
            local: OnceCell::new(),
        }
    }

    /// The document's array and row in the host, if it is from there.
    pub(crate) fn origin(&self) -> Option<(&Rc<Source>, u32)> {
        self.source.as_ref().map(|source| (source, self.row))
    }

    pub(crate) fn is_row_of(&self, source: &Rc<Source>, row: u32) -> bool {
        self.row == row
            && self
                .source
                .as_ref()
                .is_some_and(|own| Rc::ptr_eq(own, source))
    }

    pub(crate) fn local(&self) -> Option<&Local> {
        self.local.get().map(Box::as_ref)
    }

    pub(crate) fn into_local(self) -> Option<Box<Local>> {
        self.local.into_inner()
    }

    pub(crate) fn local_mut(&mut self) -> &mut Local {
        // `OnceCell::get_mut_or_init` is not stable.
        if self.local.get().is_none() {
            self.local = OnceCell::from(Box::<Local>::default());
        }
        match self.local.get_mut() {
            Some(local) => local,
            None => unreachable!("it was just set"),
        }
    }

    /// `self.local`, made if it is not there.
    fn local_cell(&self) -> &Local {
        self.local.get_or_init(Box::default)
    }

    /// Where values are kept that were fetched for this document alone.
    fn fetched(&self) -> &Fetched {
        self.local_cell().fetched.get_or_init(Box::default)
    }

    /// Lets go of large values that were read: of the text, the blob, the tensor and
    /// the embedding, if they were fetched for this document alone because those of all
    /// documents are too large. The next getter fetches them again. What was set stays.
    ///
    /// A handler that only reads large contents calls this when it is done with a
    /// document, so that it needs memory for a few of them only.
    ///
    /// ```
    /// use wasm_flow_sdk::prelude::*;
    ///
    /// # #[derive(Default)]
    /// # struct Sizes;
    /// # #[executor]
    /// # impl Sizes {
    /// #[requests(on = "/sizes")]
    /// fn sizes(&self, docs: &mut DocumentArray) {
    ///     for doc in docs.iter_mut() {
    ///         let size = doc.blob().len();
    ///         doc.set_tag("size", size);
    ///         doc.unload();
    ///     }
    /// }
    /// # }
    /// # fn main() -> Result<()> {
    /// # let executor = wasm_flow_sdk::testing::TestExecutor::of(Sizes);
    /// # let reply = executor.post("/sizes", [Document::default().with_blob(*b"abc")])?;
    /// # assert_eq!(reply.docs[0].tag_as::<u32>("size")?, Some(3));
    /// # assert_eq!(reply.docs[0].blob(), b"abc");
    /// # Ok(())
    /// # }
    /// ```
    pub fn unload(&mut self) {
        if let Some(local) = self.local.get_mut() {
            local.fetched.take();
        }
    }

    /// Sets the content, and lets go of what was read of the one before.
    fn set_content(&mut self, content: Held) {
        let local = self.local_mut();
        local.content = Some(content);
        if let Some(fetched) = local.fetched.get_mut() {
            fetched.text.take();
            fetched.blob.take();
            fetched.arrays[NdarrayField::Tensor as usize].take();
        }
    }

    // --- strings ------------------------------------------------------------

    /// The document's id: 32 random hexadecimal digits unless it was set.
    pub fn id(&self) -> &str {
        if let Some(id) = self.local().and_then(|local| local.id.get()) {
            return id;
        }
        match &self.source {
            Some(source) => source.string(StringField::Id, self.row),
            None => self.local_cell().id.get_or_init(random_id),
        }
    }

    /// Sets the id. With `""`, the document gets a random one.
    pub fn set_id(&mut self, id: impl Into<String>) {
        let id = id.into();
        let id = if id.is_empty() { random_id() } else { id };
        self.local_mut().id = OnceCell::from(id);
    }

    fn string(&self, field: StringField) -> &str {
        if let Some(own) = self
            .local()
            .and_then(|local| local.strings[field as usize].as_deref())
        {
            return own;
        }
        match &self.source {
            Some(source) => source.string(field, self.row),
            None => "",
        }
    }

    fn set_string(&mut self, field: StringField, value: String) {
        self.local_mut().strings[field as usize] = Some(value);
    }

    /// The text, or `""` if there is no content or it is of another kind.
    pub fn text(&self) -> &str {
        match self.local().and_then(|local| local.content.as_ref()) {
            Some(Held::Text(text)) => text,
            Some(_) => "",
            None => match &self.source {
                Some(source) => source.text(self.row, || self.fetched()),
                None => "",
            },
        }
    }

    /// Makes this text the content, and removes a blob or a tensor.
    pub fn set_text(&mut self, text: impl Into<String>) {
        self.set_content(Held::Text(text.into()));
    }

    /// The id of the document whose chunk this is, or `""`.
    ///
    /// The host sets it when a document is put into another's chunks and the
    /// handler returns.
    pub fn parent_id(&self) -> &str {
        self.string(StringField::ParentId)
    }

    /// Sets the id of the document whose chunk this is.
    pub fn set_parent_id(&mut self, id: impl Into<String>) {
        self.set_string(StringField::ParentId, id.into());
    }

    /// The location of the content, or `""`.
    pub fn uri(&self) -> &str {
        self.string(StringField::Uri)
    }

    /// Sets the location of the content.
    pub fn set_uri(&mut self, uri: impl Into<String>) {
        self.set_string(StringField::Uri, uri.into());
    }

    /// The content's media type, or `""`.
    pub fn mime_type(&self) -> &str {
        self.string(StringField::MimeType)
    }

    /// Sets the content's media type.
    pub fn set_mime_type(&mut self, mime_type: impl Into<String>) {
        self.set_string(StringField::MimeType, mime_type.into());
    }

    /// `text`, `image`, ..., or `""`.
    pub fn modality(&self) -> &str {
        self.string(StringField::Modality)
    }

    /// Sets the modality.
    pub fn set_modality(&mut self, modality: impl Into<String>) {
        self.set_string(StringField::Modality, modality.into());
    }

    // --- content ------------------------------------------------------------

    /// The kind of content that the document has.
    pub fn content(&self) -> Content {
        match self.local().and_then(|local| local.content.as_ref()) {
            Some(Held::None) => Content::None,
            Some(Held::Text(_)) => Content::Text,
            Some(Held::Blob(_)) => Content::Blob,
            Some(Held::Tensor(_)) => Content::Tensor,
            None => match self.source.as_ref().map(|source| source.content(self.row)) {
                None | Some(raw::Content::None) => Content::None,
                Some(raw::Content::Text) => Content::Text,
                Some(raw::Content::Blob) => Content::Blob,
                Some(raw::Content::Tensor) => Content::Tensor,
            },
        }
    }

    /// Removes the text, the blob or the tensor.
    pub fn clear_content(&mut self) {
        self.set_content(Held::None);
    }

    /// The blob, empty if there is no content or it is of another kind.
    pub fn blob(&self) -> &[u8] {
        match self.local().and_then(|local| local.content.as_ref()) {
            Some(Held::Blob(blob)) => blob,
            Some(_) => &[],
            None => match &self.source {
                Some(source) => source.blob(self.row, || self.fetched()),
                None => &[],
            },
        }
    }

    /// Takes the blob out. The document has no content then, unless another is set.
    ///
    /// ```
    /// use wasm_flow_sdk::prelude::*;
    ///
    /// let mut doc = Document::default().with_blob(*b"abc");
    /// let blob = doc.take_blob();
    /// doc.set_text(String::from_utf8_lossy(&blob));
    /// assert_eq!(doc.text(), "abc");
    /// ```
    pub fn take_blob(&mut self) -> Vec<u8> {
        if self.content() != Content::Blob {
            return Vec::new();
        }
        let blob = match self.local_mut().content.take() {
            Some(Held::Blob(blob)) => blob,
            _ => {
                self.blob();
                let fetched = self.local_mut().fetched.get_mut();
                match fetched.and_then(|fetched| fetched.blob.take()) {
                    // The part that it came with may be kept for other documents.
                    Some(blob) => Rc::try_unwrap(blob).unwrap_or_else(|blob| blob.to_vec()),
                    None => self.blob().to_vec(),
                }
            }
        };
        self.set_content(Held::None);
        blob
    }

    /// Makes these bytes the content, and removes a text or a tensor.
    pub fn set_blob(&mut self, blob: impl Into<Vec<u8>>) {
        self.set_content(Held::Blob(blob.into()));
    }

    /// The tensor, or none if there is no content or it is of another kind.
    pub fn tensor(&self) -> Option<&NdArray> {
        match self.local().and_then(|local| local.content.as_ref()) {
            Some(Held::Tensor(tensor)) => Some(tensor),
            Some(_) => None,
            None => {
                let source = self.source.as_ref()?;
                source.array(NdarrayField::Tensor, self.row, || self.fetched())
            }
        }
    }

    /// Makes this tensor the content, and removes a text or a blob.
    pub fn set_tensor(&mut self, tensor: impl Into<NdArray>) {
        self.set_content(Held::Tensor(tensor.into()));
    }

    /// The vector that represents the document.
    pub fn embedding(&self) -> Option<&NdArray> {
        match self.local().and_then(|local| local.embedding.as_ref()) {
            Some(own) => own.as_ref(),
            None => {
                let source = self.source.as_ref()?;
                source.array(NdarrayField::Embedding, self.row, || self.fetched())
            }
        }
    }

    /// The embedding's numbers, without a copy. None if there is no embedding or
    /// if it has another dtype, which [`NdArray::to_vec`] converts.
    pub fn embedding_as<T: Element>(&self) -> Option<&[T]> {
        self.embedding()?.as_slice().ok()
    }

    /// Sets the embedding: a `Vec`, a slice or an array of numbers, or an
    /// [`NdArray`].
    pub fn set_embedding(&mut self, embedding: impl Into<NdArray>) {
        self.replace_embedding(Some(embedding.into()));
    }

    /// Removes the embedding.
    pub fn clear_embedding(&mut self) {
        self.replace_embedding(None);
    }

    /// Sets the embedding, and lets go of what was read of the one before.
    fn replace_embedding(&mut self, embedding: Option<NdArray>) {
        let local = self.local_mut();
        local.embedding = Some(embedding);
        if let Some(fetched) = local.fetched.get_mut() {
            fetched.arrays[NdarrayField::Embedding as usize].take();
        }
    }

    // --- JSON ---------------------------------------------------------------

    fn object(&self, field: JsonField) -> &Map<String, Value> {
        if let Some(own) = self
            .local()
            .and_then(|local| local.objects[field as usize].as_ref())
        {
            return own;
        }
        match &self.source {
            Some(source) => source.object(field, self.row),
            None => &NO_OBJECT,
        }
    }

    fn object_mut(&mut self, field: JsonField) -> &mut Map<String, Value> {
        let own = self
            .local()
            .is_some_and(|local| local.objects[field as usize].is_some());
        let read = if own {
            Map::new()
        } else {
            self.object(field).clone()
        };
        self.local_mut().objects[field as usize].get_or_insert(read)
    }

    /// Anything else that is known about the document. A whole number is an
    /// integer (`3`, not `3.0`) if it fits into 53 bits.
    pub fn tags(&self) -> &Map<String, Value> {
        self.object(JsonField::Tags)
    }

    /// The tags, mutably.
    pub fn tags_mut(&mut self) -> &mut Map<String, Value> {
        self.object_mut(JsonField::Tags)
    }

    /// Replaces all tags.
    pub fn set_tags(&mut self, tags: Map<String, Value>) {
        self.local_mut().objects[JsonField::Tags as usize] = Some(tags);
    }

    /// One tag.
    pub fn tag(&self, key: &str) -> Option<&Value> {
        self.tags().get(key)
    }

    /// One tag, read as a `T`. None if it is not there, or `null`.
    ///
    /// ```
    /// use wasm_flow_sdk::prelude::*;
    /// # fn main() -> Result<()> {
    /// let doc = Document::new("hello").with_tag("page", 3);
    /// assert_eq!(doc.tag_as::<u32>("page")?, Some(3));
    /// assert_eq!(doc.tag_as::<u32>("chapter")?, None);
    /// assert!(doc.tag_as::<String>("page").is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the tag is there but is not a `T`. The error names the document and the
    /// tag.
    pub fn tag_as<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        match self.tag(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value).map(Some).map_err(|error| {
                let id = self.id();
                Error::named(
                    "TagError",
                    format_args!("document {id:?}, tag `{key}`: {error}"),
                )
                .at_document(id)
            }),
        }
    }

    /// Sets one tag.
    pub fn set_tag(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.tags_mut().insert(key.into(), value.into());
    }

    /// docarray's own data about the document.
    pub fn metadata(&self) -> &Map<String, Value> {
        self.object(JsonField::Metadata)
    }

    /// Replaces all metadata.
    pub fn set_metadata(&mut self, metadata: Map<String, Value>) {
        self.local_mut().objects[JsonField::Metadata as usize] = Some(metadata);
    }

    /// The metadata, mutably.
    pub fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        self.object_mut(JsonField::Metadata)
    }

    // --- numbers ------------------------------------------------------------

    fn integer(&self, field: IntegerField) -> u32 {
        match self
            .local()
            .and_then(|local| local.integers[field as usize])
        {
            Some(own) => own,
            None => self
                .source
                .as_ref()
                .map_or(0, |source| source.integer(field, self.row)),
        }
    }

    fn float(&self, field: FloatField) -> f32 {
        match self.local().and_then(|local| local.floats[field as usize]) {
            Some(own) => own,
            None => self
                .source
                .as_ref()
                .map_or(0.0, |source| source.float(field, self.row)),
        }
    }

    /// How many `chunks` lists are above this document.
    ///
    /// The host sets it when a document is put into another's chunks and the
    /// handler returns.
    pub fn granularity(&self) -> u32 {
        self.integer(IntegerField::Granularity)
    }

    /// Sets the granularity.
    pub fn set_granularity(&mut self, granularity: u32) {
        self.local_mut().integers[IntegerField::Granularity as usize] = Some(granularity);
    }

    /// How many `matches` lists are above this document.
    ///
    /// The host sets it when a document is put into another's matches and the
    /// handler returns.
    pub fn adjacency(&self) -> u32 {
        self.integer(IntegerField::Adjacency)
    }

    /// Sets the adjacency.
    pub fn set_adjacency(&mut self, adjacency: u32) {
        self.local_mut().integers[IntegerField::Adjacency as usize] = Some(adjacency);
    }

    /// The weight of this document among its siblings; 0 if unset.
    pub fn weight(&self) -> f32 {
        self.float(FloatField::Weight)
    }

    /// Sets the weight.
    pub fn set_weight(&mut self, weight: f32) {
        self.local_mut().floats[FloatField::Weight as usize] = Some(weight);
    }

    /// The position of a chunk in its parent, in the parent's own unit; 0 if
    /// unset.
    pub fn offset(&self) -> f32 {
        self.float(FloatField::Offset)
    }

    /// Sets the offset.
    pub fn set_offset(&mut self, offset: f32) {
        self.local_mut().floats[FloatField::Offset as usize] = Some(offset);
    }

    /// The position of a chunk in its parent, in several dimensions.
    pub fn location(&self) -> &[f32] {
        if let Some(own) = self.local().and_then(|local| local.location.as_ref()) {
            return own;
        }
        match &self.source {
            Some(source) => source.location(self.row),
            None => &[],
        }
    }

    /// Sets the location.
    pub fn set_location(&mut self, location: impl Into<Vec<f32>>) {
        self.local_mut().location = Some(location.into());
    }

    // --- scores -------------------------------------------------------------

    fn all_scores(&self, field: ScoreField) -> &Scores {
        if let Some(own) = self
            .local()
            .and_then(|local| local.scores[field as usize].as_ref())
        {
            return own;
        }
        match &self.source {
            Some(source) => source.scores(field, self.row),
            None => &NO_SCORES,
        }
    }

    fn all_scores_mut(&mut self, field: ScoreField) -> &mut Scores {
        let own = self
            .local()
            .is_some_and(|local| local.scores[field as usize].is_some());
        let read = if own {
            Scores::new()
        } else {
            self.all_scores(field).clone()
        };
        self.local_mut().scores[field as usize].get_or_insert(read)
    }

    /// The scores by name.
    pub fn scores(&self) -> &Scores {
        self.all_scores(ScoreField::Scores)
    }

    /// The scores, mutably.
    pub fn scores_mut(&mut self) -> &mut Scores {
        self.all_scores_mut(ScoreField::Scores)
    }

    /// Sets one score: an `f32`, or a [`NamedScore`].
    pub fn set_score(&mut self, name: impl Into<String>, score: impl Into<NamedScore>) {
        self.scores_mut().insert(name.into(), score.into());
    }

    /// Replaces all scores.
    pub fn set_scores(&mut self, scores: BTreeMap<String, NamedScore>) {
        self.local_mut().scores[ScoreField::Scores as usize] = Some(scores);
    }

    /// The evaluations by name.
    pub fn evaluations(&self) -> &Scores {
        self.all_scores(ScoreField::Evaluations)
    }

    /// The evaluations, mutably.
    pub fn evaluations_mut(&mut self) -> &mut Scores {
        self.all_scores_mut(ScoreField::Evaluations)
    }

    /// Sets one evaluation: an `f32`, or a [`NamedScore`].
    pub fn set_evaluation(&mut self, name: impl Into<String>, score: impl Into<NamedScore>) {
        self.evaluations_mut().insert(name.into(), score.into());
    }

    /// Replaces all evaluations.
    pub fn set_evaluations(&mut self, evaluations: BTreeMap<String, NamedScore>) {
        self.local_mut().scores[ScoreField::Evaluations as usize] = Some(evaluations);
    }

    // --- nested documents ---------------------------------------------------

    pub(crate) fn nested(&self, field: NestedField) -> &DocumentArray {
        self.local_cell().nested[field as usize].get_or_init(|| match &self.source {
            Some(source) => {
                let nested = source.nested(field);
                nested.source.slice(nested.range(self.row)).into()
            }
            None => DocumentArray::new(),
        })
    }

    pub(crate) fn nested_mut(&mut self, field: NestedField) -> &mut DocumentArray {
        self.nested(field);
        match self.local_mut().nested[field as usize].get_mut() {
            Some(documents) => documents,
            None => unreachable!("it was just read"),
        }
    }

    /// Takes the chunks or matches out, if they were read or set. The next access
    /// reads them again.
    pub(crate) fn take_nested(&mut self, field: NestedField) -> Option<DocumentArray> {
        self.local.get_mut()?.nested[field as usize].take()
    }

    fn set_nested(&mut self, field: NestedField, documents: DocumentArray) {
        self.local_mut().nested[field as usize] = OnceCell::from(documents);
    }

    /// The parts of the document.
    pub fn chunks(&self) -> &DocumentArray {
        self.nested(NestedField::Chunks)
    }

    /// The parts of the document, mutably.
    pub fn chunks_mut(&mut self) -> &mut DocumentArray {
        self.nested_mut(NestedField::Chunks)
    }

    /// Replaces the parts of the document.
    pub fn set_chunks(&mut self, chunks: impl Into<DocumentArray>) {
        self.set_nested(NestedField::Chunks, chunks.into());
    }

    /// The documents that this one matched.
    pub fn matches(&self) -> &DocumentArray {
        self.nested(NestedField::Matches)
    }

    /// The documents that this one matched, mutably.
    pub fn matches_mut(&mut self) -> &mut DocumentArray {
        self.nested_mut(NestedField::Matches)
    }

    /// Replaces the documents that this one matched.
    pub fn set_matches(&mut self, matches: impl Into<DocumentArray>) {
        self.set_nested(NestedField::Matches, matches.into());
    }

    // --- builders -----------------------------------------------------------

    /// This document with an id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.set_id(id);
        self
    }

    /// This document with a text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.set_text(text);
        self
    }

    /// This document with a blob.
    #[must_use]
    pub fn with_blob(mut self, blob: impl Into<Vec<u8>>) -> Self {
        self.set_blob(blob);
        self
    }

    /// This document with a tensor.
    #[must_use]
    pub fn with_tensor(mut self, tensor: impl Into<NdArray>) -> Self {
        self.set_tensor(tensor);
        self
    }

    /// This document with an embedding.
    #[must_use]
    pub fn with_embedding(mut self, embedding: impl Into<NdArray>) -> Self {
        self.set_embedding(embedding);
        self
    }

    /// This document with a uri.
    #[must_use]
    pub fn with_uri(mut self, uri: impl Into<String>) -> Self {
        self.set_uri(uri);
        self
    }

    /// This document with a media type.
    #[must_use]
    pub fn with_mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.set_mime_type(mime_type);
        self
    }

    /// This document with a modality.
    #[must_use]
    pub fn with_modality(mut self, modality: impl Into<String>) -> Self {
        self.set_modality(modality);
        self
    }

    /// This document with the id of the document whose chunk it is.
    #[must_use]
    pub fn with_parent_id(mut self, id: impl Into<String>) -> Self {
        self.set_parent_id(id);
        self
    }

    /// This document with a granularity.
    #[must_use]
    pub fn with_granularity(mut self, granularity: u32) -> Self {
        self.set_granularity(granularity);
        self
    }

    /// This document with an adjacency.
    #[must_use]
    pub fn with_adjacency(mut self, adjacency: u32) -> Self {
        self.set_adjacency(adjacency);
        self
    }

    /// This document with a weight.
    #[must_use]
    pub fn with_weight(mut self, weight: f32) -> Self {
        self.set_weight(weight);
        self
    }

    /// This document with an offset.
    #[must_use]
    pub fn with_offset(mut self, offset: f32) -> Self {
        self.set_offset(offset);
        self
    }

    /// This document with a location.
    #[must_use]
    pub fn with_location(mut self, location: impl Into<Vec<f32>>) -> Self {
        self.set_location(location);
        self
    }

    /// This document with these tags and no others.
    #[must_use]
    pub fn with_tags(mut self, tags: Map<String, Value>) -> Self {
        self.set_tags(tags);
        self
    }

    /// This document with one more tag.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set_tag(key, value);
        self
    }

    /// This document with one more score.
    #[must_use]
    pub fn with_score(mut self, name: impl Into<String>, score: impl Into<NamedScore>) -> Self {
        self.set_score(name, score);
        self
    }

    /// This document with these scores and no others.
    #[must_use]
    pub fn with_scores(mut self, scores: BTreeMap<String, NamedScore>) -> Self {
        self.set_scores(scores);
        self
    }

    /// This document with one more evaluation.
    #[must_use]
    pub fn with_evaluation(
        mut self,
        name: impl Into<String>,
        score: impl Into<NamedScore>,
    ) -> Self {
        self.set_evaluation(name, score);
        self
    }

    /// This document with these evaluations and no others.
    #[must_use]
    pub fn with_evaluations(mut self, evaluations: BTreeMap<String, NamedScore>) -> Self {
        self.set_evaluations(evaluations);
        self
    }

    /// This document with this metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.set_metadata(metadata);
        self
    }

    /// This document with these chunks.
    #[must_use]
    pub fn with_chunks(mut self, chunks: impl Into<DocumentArray>) -> Self {
        self.set_chunks(chunks);
        self
    }

    /// This document with these matches.
    #[must_use]
    pub fn with_matches(mut self, matches: impl Into<DocumentArray>) -> Self {
        self.set_matches(matches);
        self
    }

    /// Copies all of this document into the executor's own memory, including
    /// chunks and matches at every depth. It then no longer keeps any part of the
    /// request alive.
    #[must_use]
    pub fn into_owned(mut self) -> Self {
        let Some(source) = self.source.clone() else {
            for field in [NestedField::Chunks, NestedField::Matches] {
                self.own_nested(field);
            }
            return self;
        };
        let row = self.row;
        let id = self.id().to_owned();
        let content = match self.content() {
            Content::None => Held::None,
            Content::Text => Held::Text(self.text().to_owned()),
            Content::Blob => Held::Blob(self.blob().to_vec()),
            Content::Tensor => self
                .tensor()
                .map_or(Held::None, |tensor| Held::Tensor(tensor.detached())),
        };
        let embedding = self.embedding().map(NdArray::detached);
        let local = self.local_mut();
        local.id = OnceCell::from(id);
        local.content = Some(content);
        local.embedding = Some(embedding);
        local.fetched.take();
        for field in [
            StringField::ParentId,
            StringField::Uri,
            StringField::MimeType,
            StringField::Modality,
        ] {
            local.strings[field as usize]
                .get_or_insert_with(|| source.string(field, row).to_owned());
        }
        for field in [JsonField::Tags, JsonField::Metadata] {
            local.objects[field as usize].get_or_insert_with(|| source.object(field, row).clone());
        }
        for field in [IntegerField::Granularity, IntegerField::Adjacency] {
            local.integers[field as usize].get_or_insert_with(|| source.integer(field, row));
        }
        for field in [FloatField::Weight, FloatField::Offset] {
            local.floats[field as usize].get_or_insert_with(|| source.float(field, row));
        }
        local
            .location
            .get_or_insert_with(|| source.location(row).to_vec());
        for field in [ScoreField::Scores, ScoreField::Evaluations] {
            local.scores[field as usize].get_or_insert_with(|| source.scores(field, row).clone());
        }
        for field in [NestedField::Chunks, NestedField::Matches] {
            self.nested(field);
            self.own_nested(field);
        }
        self.source = None;
        self
    }

    fn own_nested(&mut self, field: NestedField) {
        let nested = self
            .local
            .get_mut()
            .and_then(|local| local.nested[field as usize].get_mut());
        if let Some(documents) = nested {
            let owned: Vec<Document> = std::mem::take(documents)
                .into_iter()
                .map(Document::into_owned)
                .collect();
            *documents = owned.into();
        }
    }
}

impl From<&str> for Document {
    fn from(text: &str) -> Self {
        Document::new(text)
    }
}

impl From<String> for Document {
    fn from(text: String) -> Self {
        Document::new(text)
    }
}

/// Shows the id, the content, and how many chunks and matches there are.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Document");
        out.field("id", &self.id());
        match self.content() {
            Content::None => {}
            Content::Text => {
                out.field("text", &self.text());
            }
            Content::Blob => {
                out.field("blob", &format_args!("{} bytes", self.blob().len()));
            }
            Content::Tensor => {
                out.field("tensor", &self.tensor());
            }
        }
        if !self.tags().is_empty() {
            out.field("tags", self.tags());
        }
        for (name, nested) in [("chunks", self.chunks()), ("matches", self.matches())] {
            if !nested.is_empty() {
                out.field(name, &nested.len());
            }
        }
        out.finish_non_exhaustive()
    }
}

/// 32 hexadecimal digits, as docarray's ids are.
///
/// Unique, but not secret: the standard library seeds its hash maps from the
/// system's random source, and two of them give 128 bits.
fn random_id() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::PART;
    use crate::commit;

    /// A document that has fetched its blob for itself.
    fn fetched() -> Document {
        let blob = vec![7; PART as usize + 1];
        let docs = (0..2).map(|_| Document::default().with_blob(blob.clone()));
        let source = Source::new(commit::build(docs.collect()).unwrap());
        let doc = source.documents().remove(0);
        assert_eq!(doc.blob(), blob);
        assert!(doc.fetched().blob.get().is_some());
        doc
    }

    #[test]
    fn what_was_read_is_let_go_of_and_read_again() {
        let mut doc = fetched();
        doc.set_mime_type("text/plain");
        doc.unload();
        assert!(doc.fetched().blob.get().is_none());
        assert_eq!(doc.blob().len() as u64, PART + 1);
        assert_eq!(doc.mime_type(), "text/plain");
    }

    #[test]
    fn a_large_blob_is_taken_without_a_copy() {
        let mut doc = fetched();
        let place = doc.blob().as_ptr();
        let blob = doc.take_blob();
        assert_eq!(blob.as_ptr(), place);
        assert_eq!(doc.content(), Content::None);
    }

    #[test]
    fn a_new_embedding_replaces_the_one_that_was_read() {
        let changes: [fn(&mut Document); 2] = [
            |doc| doc.set_embedding(vec![1.0f32]),
            Document::clear_embedding,
        ];
        for change in changes {
            let mut doc = fetched();
            let read = &doc.fetched().arrays[NdarrayField::Embedding as usize];
            let _ = read.set(Some(vec![0.0f32].into()));
            change(&mut doc);
            let read = &doc.fetched().arrays[NdarrayField::Embedding as usize];
            assert!(read.get().is_none());
        }
    }
}

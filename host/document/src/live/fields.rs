//! The fields that executors read and write, and the rows that they do it for.

use std::sync::Arc;

use bytestring::ByteString;

use crate::array::{Content, Document, DocumentArray};
use crate::ndarray::NdArray;
use crate::{Struct, random_id};

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

/// A set of fields, for [`LiveArray::clear`](super::LiveArray::clear) and
/// [`LiveArray::sizes`](super::LiveArray::sizes).
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

    /// Copies these fields from one document to another.
    pub(super) fn copy(self, from: &Document, to: &mut Document) {
        macro_rules! copy {
            ($($flag:ident => $field:ident),* $(,)?) => {
                $(if self.contains(Fields::$flag) { to.$field = from.$field.clone(); })*
            };
        }
        copy! {
            PARENT_ID => parent_id, GRANULARITY => granularity, ADJACENCY => adjacency,
            CONTENT => content, URI => uri, MIME_TYPE => mime_type, MODALITY => modality,
            WEIGHT => weight, OFFSET => offset, LOCATION => location,
            EMBEDDING => embedding, TAGS => tags, SCORES => scores,
            EVALUATIONS => evaluations, CHUNKS => chunks, MATCHES => matches,
            METADATA => metadata,
        }
    }
}

// --- the fields of a document ------------------------------------------------

pub(super) fn nested_of(doc: &Document, field: NestedField) -> &DocumentArray {
    match field {
        NestedField::Chunks => &doc.chunks,
        NestedField::Matches => &doc.matches,
    }
}

pub(super) fn nested_of_mut(doc: &mut Document, field: NestedField) -> &mut DocumentArray {
    match field {
        NestedField::Chunks => &mut doc.chunks,
        NestedField::Matches => &mut doc.matches,
    }
}

pub(super) fn string_of(doc: &Document, field: StringField) -> &ByteString {
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

pub(super) fn set_string(doc: &mut Document, field: StringField, value: ByteString) {
    match field {
        // A document has an id.
        StringField::Id if value.is_empty() => doc.id = random_id(),
        StringField::Id => doc.id = value,
        StringField::ParentId => doc.parent_id = value,
        StringField::Text => doc.content = Content::Text(value),
        StringField::Uri => doc.uri = value,
        StringField::MimeType => doc.mime_type = value,
        StringField::Modality => doc.modality = value,
    }
}

pub(super) fn set_struct(doc: &mut Document, field: JsonField, value: Option<Struct>) {
    match field {
        JsonField::Tags => doc.tags = value,
        JsonField::Metadata => doc.metadata = value,
    }
}

pub(super) fn struct_of(doc: &Document, field: JsonField) -> Option<&Struct> {
    match field {
        JsonField::Tags => doc.tags.as_ref(),
        JsonField::Metadata => doc.metadata.as_ref(),
    }
}

pub(super) fn ndarray_of(doc: &Document, field: NdArrayField) -> Option<&Arc<NdArray>> {
    match (field, &doc.content) {
        (NdArrayField::Embedding, _) => doc.embedding.as_ref(),
        (NdArrayField::Tensor, Content::Tensor(tensor)) => Some(tensor),
        (NdArrayField::Tensor, _) => None,
    }
}

pub(super) fn set_ndarray(doc: &mut Document, field: NdArrayField, value: Option<Arc<NdArray>>) {
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

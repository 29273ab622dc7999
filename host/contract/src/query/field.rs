//! The fields that a query can ask about.

use std::fmt;

use wasm_flow_document::{Content, Document, Scores, Struct};

use super::seen::Seen;

/// A field, or something below one: `tags__a__b`.
#[derive(Debug, Clone)]
pub(super) struct Field {
    name: Name,
    /// Keys, or places in lists.
    below: Vec<String>,
}

macro_rules! names {
    ($($name:ident: $text:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Name { $($name,)* }

        impl Name {
            fn parse(text: &str) -> Option<Name> {
                match text {
                    $($text => Some(Name::$name),)*
                    _ => None,
                }
            }

            fn text(self) -> &'static str {
                match self {
                    $(Name::$name => $text,)*
                }
            }
        }

        /// Every field, by its name.
        pub(super) const NAMES: &[&str] = &[$($text),*];
    };
}

names! {
    Id: "id",
    ParentId: "parent_id",
    Granularity: "granularity",
    Adjacency: "adjacency",
    Text: "text",
    Blob: "blob",
    Tensor: "tensor",
    Uri: "uri",
    MimeType: "mime_type",
    Modality: "modality",
    Weight: "weight",
    Offset: "offset",
    Location: "location",
    Embedding: "embedding",
    Tags: "tags",
    Scores: "scores",
    Evaluations: "evaluations",
    Chunks: "chunks",
    Matches: "matches",
}

/// Why a text does not name a field.
pub(super) enum FieldError {
    /// There is no field of this name.
    Unknown(String),
    /// Nothing is below this field.
    Flat(&'static str),
    /// Scores have two levels.
    Score,
}

impl Field {
    pub(super) fn parse(text: &str) -> Result<Field, FieldError> {
        let mut parts = text.split("__");
        let first = parts.next().unwrap_or_default();
        let name = Name::parse(first).ok_or_else(|| FieldError::Unknown(first.to_owned()))?;
        let below: Vec<String> = parts.map(str::to_owned).collect();
        let fits = match name {
            Name::Tags => true,
            Name::Location => below.len() <= 1,
            Name::Scores | Name::Evaluations => {
                if !matches!(below.len(), 0 | 2) {
                    return Err(FieldError::Score);
                }
                true
            }
            _ => below.is_empty(),
        };
        if !fits {
            return Err(FieldError::Flat(name.text()));
        }
        Ok(Field { name, below })
    }

    /// Whether only its parts are counted, and its value is not looked at.
    pub(super) fn is_only_counted(&self) -> bool {
        match self.name {
            Name::Blob | Name::Tensor | Name::Embedding | Name::Chunks | Name::Matches => true,
            Name::Scores | Name::Evaluations => self.below.is_empty(),
            _ => false,
        }
    }

    /// The field's own name.
    pub(super) fn name(&self) -> &'static str {
        self.name.text()
    }

    /// Looks at what the document has there. Nothing is copied for it.
    pub(super) fn see<T>(&self, doc: &Document, look: impl FnOnce(Seen<'_>) -> T) -> T {
        let seen = match self.name {
            Name::Id => Seen::Text(&doc.id),
            Name::ParentId => Seen::Text(&doc.parent_id),
            Name::Text => Seen::Text(doc.text()),
            Name::Uri => Seen::Text(&doc.uri),
            Name::MimeType => Seen::Text(&doc.mime_type),
            Name::Modality => Seen::Text(&doc.modality),
            Name::Granularity => Seen::Number(doc.granularity.into()),
            Name::Adjacency => Seen::Number(doc.adjacency.into()),
            Name::Weight => Seen::Number(doc.weight.into()),
            Name::Offset => Seen::Number(doc.offset.into()),
            Name::Blob => Seen::Many(match &doc.content {
                Content::Blob(blob) => blob.len(),
                _ => 0,
            }),
            Name::Tensor => match &doc.content {
                Content::Tensor(tensor) => Seen::Rows(tensor.shape()),
                _ => Seen::Null,
            },
            Name::Embedding => match &doc.embedding {
                Some(embedding) => Seen::Rows(embedding.shape()),
                None => Seen::Null,
            },
            Name::Chunks => Seen::Many(doc.chunks.len()),
            Name::Matches => Seen::Many(doc.matches.len()),
            Name::Location => match self.below.as_slice() {
                [] => Seen::Numbers(&doc.location),
                [place, ..] => {
                    let place = place.parse().ok();
                    let number = place.and_then(|place: usize| doc.location.get(place));
                    number.map_or(Seen::Null, |number| Seen::Number((*number).into()))
                }
            },
            Name::Tags => {
                let none = Struct::default();
                let tags = doc.tags.as_ref().unwrap_or(&none);
                return tags.look(&self.below, |found| look(found.into()));
            }
            Name::Scores => self.score(&doc.scores),
            Name::Evaluations => self.score(&doc.evaluations),
        };
        look(seen)
    }

    fn score<'d>(&self, scores: &'d Scores) -> Seen<'d> {
        let [name, field] = self.below.as_slice() else {
            return Seen::Many(scores.len());
        };
        let score = scores.iter().find(|(own, _)| **own == **name);
        match (score, field.as_str()) {
            (Some((_, score)), "value") => Seen::Number(score.value.into()),
            (Some((_, score)), "op_name") => Seen::Text(&score.op_name),
            (Some((_, score)), "description") => Seen::Text(&score.description),
            (Some((_, score)), "ref_id") => Seen::Text(&score.ref_id),
            _ => Seen::Null,
        }
    }

    /// Whether it is set. A field itself is set unless it has its default. Something
    /// below one is set if it is there.
    pub(super) fn is_set(&self, seen: &Seen<'_>) -> bool {
        match seen {
            Seen::Many(count) => *count > 0,
            Seen::Null => false,
            _ if !self.below.is_empty() => true,
            Seen::Text(text) => !text.is_empty(),
            Seen::Number(number) => *number != 0.0,
            Seen::Numbers(numbers) => !numbers.is_empty(),
            Seen::Nested(nested) => !nested.is_empty(),
            Seen::Bool(_) | Seen::Json(_) | Seen::Rows(_) => true,
        }
    }
}

/// With a dot before what is below: `tags.lang`.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.below.iter().try_for_each(|key| write!(f, ".{key}"))
    }
}

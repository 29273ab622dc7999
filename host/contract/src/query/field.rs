//! The fields that a query can ask about.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};
use wasm_flow_document::{Content, Document, Scores};

/// A field, or something below one: `tags__a__b`.
#[derive(Debug, Clone)]
pub(super) struct Field {
    name: Name,
    /// Keys, or places in lists.
    below: Vec<String>,
}

/// What a document has in a field.
#[derive(Debug)]
pub(super) enum Seen {
    /// A value; null if there is none.
    Value(Value),
    /// Something of which only the number of parts is looked at.
    Many(u64),
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

    /// What the document has there.
    pub(super) fn of(&self, doc: &Document) -> Seen {
        let text = |text: &str| Seen::Value(Value::from(text));
        match self.name {
            Name::Id => text(&doc.id),
            Name::ParentId => text(&doc.parent_id),
            Name::Text => text(doc.text()),
            Name::Uri => text(&doc.uri),
            Name::MimeType => text(&doc.mime_type),
            Name::Modality => text(&doc.modality),
            Name::Granularity => Seen::Value(doc.granularity.into()),
            Name::Adjacency => Seen::Value(doc.adjacency.into()),
            Name::Weight => Seen::Value(f64::from(doc.weight).into()),
            Name::Offset => Seen::Value(f64::from(doc.offset).into()),
            Name::Blob => Seen::Many(match &doc.content {
                Content::Blob(blob) => blob.len() as u64,
                _ => 0,
            }),
            Name::Tensor => Seen::Many(u64::from(matches!(doc.content, Content::Tensor(_)))),
            Name::Embedding => Seen::Many(u64::from(doc.embedding.is_some())),
            Name::Chunks => Seen::Many(doc.chunks.len() as u64),
            Name::Matches => Seen::Many(doc.matches.len() as u64),
            Name::Location => self.below(doc.location.iter().copied().map(f64::from).collect()),
            Name::Tags => match &doc.tags {
                Some(tags) => self.below(Value::Object(tags.to_map())),
                None => self.below(Value::Object(Map::new())),
            },
            Name::Scores => self.score(&doc.scores),
            Name::Evaluations => self.score(&doc.evaluations),
        }
    }

    fn score(&self, scores: &Scores) -> Seen {
        let [name, field] = self.below.as_slice() else {
            return Seen::Many(scores.len() as u64);
        };
        let score = scores.iter().find(|(own, _)| **own == **name);
        Seen::Value(match (score, field.as_str()) {
            (Some((_, score)), "value") => f64::from(score.value).into(),
            (Some((_, score)), "op_name") => Value::from(&*score.op_name),
            (Some((_, score)), "description") => Value::from(&*score.description),
            (Some((_, score)), "ref_id") => Value::from(&*score.ref_id),
            _ => Value::Null,
        })
    }

    /// What lies below a value.
    fn below(&self, mut value: Value) -> Seen {
        for key in &self.below {
            value = match &mut value {
                Value::Object(object) => object.remove(key).unwrap_or_default(),
                Value::Array(list) => key
                    .parse()
                    .ok()
                    .and_then(|place: usize| list.get_mut(place).map(Value::take))
                    .unwrap_or_default(),
                _ => Value::Null,
            };
        }
        Seen::Value(value)
    }

    /// Whether it is set. A field itself is set unless it has its default. Something
    /// below one is set if it is there.
    pub(super) fn is_set(&self, seen: &Seen) -> bool {
        match seen {
            Seen::Many(count) => *count > 0,
            Seen::Value(Value::Null) => false,
            Seen::Value(_) if !self.below.is_empty() => true,
            Seen::Value(Value::String(text)) => !text.is_empty(),
            Seen::Value(Value::Number(number)) => number.as_f64() != Some(0.0),
            Seen::Value(Value::Array(list)) => !list.is_empty(),
            Seen::Value(Value::Object(object)) => !object.is_empty(),
            Seen::Value(Value::Bool(_)) => true,
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

impl Seen {
    /// Whether it is this value. A number is the same however it is written.
    pub(super) fn equals(&self, other: &Value) -> bool {
        match self {
            Seen::Value(own) => equal(own, other),
            Seen::Many(_) => false,
        }
    }

    /// How it is ordered, if both are numbers or both are texts.
    pub(super) fn order(&self, other: &Value) -> Option<Ordering> {
        let Seen::Value(own) = self else { return None };
        match (own, other) {
            (Value::Number(one), Value::Number(two)) => one.as_f64()?.partial_cmp(&two.as_f64()?),
            (Value::String(one), Value::String(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Seen::Value(value) => value.as_str(),
            Seen::Many(_) => None,
        }
    }

    /// How many parts it has: characters, elements, entries.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Seen::Many(count) => Some(*count),
            Seen::Value(Value::String(text)) => Some(text.chars().count() as u64),
            Seen::Value(Value::Array(list)) => Some(list.len() as u64),
            Seen::Value(Value::Object(object)) => Some(object.len() as u64),
            Seen::Value(_) => None,
        }
    }
}

fn equal(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => one.as_f64() == two.as_f64(),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| equal(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one
                    .iter()
                    .all(|(key, value)| two.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => one == two,
    }
}

//! YAML, as a tree of values with their places.
//!
//! The syntax is that of YAML 1.2. What a plain text means is that of YAML 1.1, as
//! Jina's loader has it: `yes` is true, `0o7` is a text, `1_000` is a number.

mod load;
mod scalar;

use std::ops::Range;
use std::rc::Rc;

pub(crate) use load::load;
pub(crate) use scalar::ScalarKind;

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// In bytes of the file. Of a list or a table, where it begins.
    pub(crate) span: Range<usize>,
    /// `!Flow` without its `!`.
    pub(crate) tag: Option<Rc<str>>,
    pub(crate) content: Content,
}

/// Cheap to clone, as aliases do.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Rc<Vec<Node>>),
    Map(Rc<Vec<(Node, Node)>>),
}

/// A value that is no list and no table.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: Rc<str>,
    pub(crate) kind: ScalarKind,
}

impl Node {
    /// The text of a value that is no list and no table, whatever it means.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// Whether there is nothing: `key:` without a value, or `null`.
    pub(crate) fn is_null(&self) -> bool {
        let Content::Scalar(scalar) = &self.content else {
            return false;
        };
        matches!(scalar.kind, ScalarKind::Null)
    }

    /// The items of a list, or a single value as a list of one. None of nothing.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ if self.is_null() => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The entries of a table. None of anything else.
    pub(crate) fn entries(&self) -> &[(Node, Node)] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a table's key.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        let mut entries = self.entries().iter();
        let (_, value) = entries.find(|(key, _)| key.text() == Some(name))?;
        Some(value)
    }

    /// As in "found {kind}".
    pub(crate) fn kind(&self) -> &'static str {
        match &self.content {
            Content::List(_) => "a list",
            Content::Map(_) => "a table",
            Content::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => "nothing",
                ScalarKind::Bool(_) => "true or false",
                ScalarKind::Int(_) | ScalarKind::Float(_) => "a number",
                ScalarKind::Text => "a text",
            },
        }
    }
}

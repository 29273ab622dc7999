//! What an executor answers.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use wasm_flow_document::DocumentArray;

/// What an executor made of a request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The documents that go on.
    pub docs: DocumentArray,
    /// The JSON objects for the client. An executor gives at most one; shards
    /// give one each.
    pub results: Vec<Results>,
}

impl Reply {
    /// A reply with documents and nothing beside them.
    pub fn new(docs: DocumentArray) -> Reply {
        Reply {
            docs,
            results: Vec::new(),
        }
    }
}

impl From<DocumentArray> for Reply {
    fn from(docs: DocumentArray) -> Reply {
        Reply::new(docs)
    }
}

/// A JSON object that a method returned.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Which instance returned it.
    pub origin: Origin,
    /// The object.
    pub values: Map<String, Value>,
}

/// Which of an executor's instances did something. Printed as Jina's clients
/// know it, below the executor's name: `rep-0`, `shard-1/rep-0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An instance in this process.
    Instance {
        /// The shard, if the executor has several.
        shard: Option<u32>,
        /// The replica.
        replica: u32,
    },
    /// An instance of a remote executor, in that one's words.
    Remote(Arc<str>),
}

impl Origin {
    /// A replica of an executor without shards.
    pub fn replica(replica: u32) -> Origin {
        Origin::Instance {
            shard: None,
            replica,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Instance {
                shard: Some(shard),
                replica,
            } => write!(f, "shard-{shard}/rep-{replica}"),
            Origin::Instance {
                shard: None,
                replica,
            } => write!(f, "rep-{replica}"),
            Origin::Remote(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_printed_as_jina_prints_them() {
        assert_eq!(Origin::replica(3).to_string(), "rep-3");
        let shard = Origin::Instance {
            shard: Some(1),
            replica: 0,
        };
        assert_eq!(shard.to_string(), "shard-1/rep-0");
    }
}

//! How an executor's instances are divided into groups, and which groups a request
//! goes to.
//!
//! An executor has one group of replicas, or one for each shard. `uses_before` and
//! `uses_after` are groups of their own, of other executors.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

/// The endpoint that Jina asks every shard of, unless told otherwise.
pub const SEARCH: &str = "/search";

/// The endpoint that Jina sends to one shard, whatever `polling` says for the rest.
pub const INDEX: &str = "/index";

/// What stands for every endpoint that a table of `polling` does not name.
pub const REST: &str = "*";

/// Which of an executor's groups of replicas something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Group {
    /// The only one.
    #[default]
    Whole,
    /// One of several shards.
    Shard {
        /// Its number, from 0.
        id: u32,
        /// How many shards there are.
        of: NonZeroU32,
    },
    /// What requests go through before the shards.
    UsesBefore,
    /// What the documents of the shards go through.
    UsesAfter,
}

impl Group {
    /// The groups of an executor with so many shards.
    pub fn shards(count: NonZeroU32) -> impl Iterator<Item = Group> {
        (0..count.get()).map(move |id| match count.get() {
            1 => Group::Whole,
            _ => Group::Shard { id, of: count },
        })
    }

    /// Its name: `index`, `index/shard-1`, `index/uses_after`.
    pub fn name(self, executor: &str) -> String {
        match self {
            Group::Whole => executor.to_owned(),
            Group::Shard { id, .. } => format!("{executor}/shard-{id}"),
            Group::UsesBefore => format!("{executor}/uses_before"),
            Group::UsesAfter => format!("{executor}/uses_after"),
        }
    }

    /// The number of the shard: 0 if there are not several.
    pub fn shard_id(self) -> u32 {
        match self {
            Group::Shard { id, .. } => id,
            Group::Whole | Group::UsesBefore | Group::UsesAfter => 0,
        }
    }

    /// How many groups like this one share the documents.
    pub fn count(self) -> NonZeroU32 {
        match self {
            Group::Shard { of, .. } => of,
            Group::Whole | Group::UsesBefore | Group::UsesAfter => NonZeroU32::MIN,
        }
    }
}

/// Which instance of an executor did something. Printed as Jina's clients know it,
/// below the executor's name: `rep-0`, `shard-1/rep-0`, `uses_after-0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The group that it belongs to.
    pub group: Group,
    /// Which one of that group it is.
    pub instance: Instance,
}

/// One of the instances of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Instance {
    /// A replica in this process.
    Replica(u32),
    /// One of a remote executor, in that one's words.
    Remote(Arc<str>),
}

impl Origin {
    /// A replica of an executor without shards.
    pub fn replica(replica: u32) -> Origin {
        Origin::replica_of(Group::Whole, replica)
    }

    /// A replica of one group.
    pub fn replica_of(group: Group, replica: u32) -> Origin {
        Origin {
            group,
            instance: Instance::Replica(replica),
        }
    }

    /// An instance of a remote executor, in that one's words.
    pub fn remote(words: impl Into<Arc<str>>) -> Origin {
        Origin {
            group: Group::Whole,
            instance: Instance::Remote(words.into()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.group, &self.instance) {
            (Group::Whole, instance) => write!(f, "{instance}"),
            (Group::Shard { id, .. }, instance) => write!(f, "shard-{id}/{instance}"),
            (Group::UsesBefore, Instance::Replica(replica)) => write!(f, "uses_before-{replica}"),
            (Group::UsesAfter, Instance::Replica(replica)) => write!(f, "uses_after-{replica}"),
            (Group::UsesBefore, remote) => write!(f, "uses_before/{remote}"),
            (Group::UsesAfter, remote) => write!(f, "uses_after/{remote}"),
        }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Instance::Replica(replica) => write!(f, "rep-{replica}"),
            Instance::Remote(words) => f.write_str(words),
        }
    }
}

/// How many shards a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// One of them, in turn.
    Any,
    /// All of them. What they answer is put together.
    All,
}

impl Poll {
    /// The word for it in `flow.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Poll::Any => "ANY",
            Poll::All => "ALL",
        }
    }
}

/// How many shards a request goes to, by its endpoint.
///
/// What is not said is as in Jina: `/search` goes to all shards, and anything else to
/// one. What is said holds, for `/search` and `/index` as well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Polling {
    /// By endpoint.
    pub named: BTreeMap<String, Poll>,
    /// Of all endpoints that are not named.
    pub rest: Option<Poll>,
}

impl Polling {
    /// Where requests to an endpoint go.
    pub fn of(&self, endpoint: &str) -> Poll {
        let said = self.named.get(endpoint).copied().or(self.rest);
        said.unwrap_or(match endpoint {
            SEARCH => Poll::All,
            _ => Poll::Any,
        })
    }

    /// Whether something was said.
    pub fn is_given(&self) -> bool {
        self.rest.is_some() || !self.named.is_empty()
    }
}

impl From<Poll> for Polling {
    fn from(poll: Poll) -> Polling {
        Polling {
            named: BTreeMap::new(),
            rest: Some(poll),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(count: u32) -> Vec<Group> {
        Group::shards(NonZeroU32::new(count).unwrap()).collect()
    }

    #[test]
    fn instances_are_named_as_jina_names_them() {
        assert_eq!(Origin::replica(3).to_string(), "rep-3");
        assert_eq!(shards(1), [Group::Whole]);
        let names = |groups: Vec<Group>| -> Vec<(String, String)> {
            let groups = groups.into_iter();
            groups
                .map(|group| {
                    let origin = Origin::replica_of(group, 0);
                    (group.name("index"), origin.to_string())
                })
                .collect()
        };
        let named = |name: &str, origin: &str| (name.to_owned(), origin.to_owned());
        assert_eq!(
            names(shards(2)),
            [
                named("index/shard-0", "shard-0/rep-0"),
                named("index/shard-1", "shard-1/rep-0"),
            ]
        );
        assert_eq!(
            names(vec![Group::Whole, Group::UsesBefore, Group::UsesAfter]),
            [
                named("index", "rep-0"),
                named("index/uses_before", "uses_before-0"),
                named("index/uses_after", "uses_after-0"),
            ]
        );
    }

    #[test]
    fn what_runs_elsewhere_is_named_in_its_own_words() {
        let named = |group| {
            let origin = Origin {
                group,
                ..Origin::remote("rep-1")
            };
            origin.to_string()
        };
        assert_eq!(named(Group::Whole), "rep-1");
        assert_eq!(named(Group::UsesBefore), "uses_before/rep-1");
        assert_eq!(named(Group::UsesAfter), "uses_after/rep-1");
    }

    #[test]
    fn what_is_said_of_polling_holds_and_the_rest_is_as_in_jina() {
        let asked = |polling: &Polling| {
            ["/search", "/index", "/x"].map(|endpoint| polling.of(endpoint).as_str())
        };
        let silent = Polling::default();
        assert_eq!(asked(&silent), ["ALL", "ANY", "ANY"]);
        assert_eq!(asked(&Poll::All.into()), ["ALL", "ALL", "ALL"]);
        assert_eq!(asked(&Poll::Any.into()), ["ANY", "ANY", "ANY"]);
        let mut some = Polling::default();
        some.named.insert("/x".to_owned(), Poll::All);
        assert_eq!(asked(&some), ["ALL", "ANY", "ALL"]);
        some.rest = Some(Poll::Any);
        assert_eq!(asked(&some), ["ANY", "ANY", "ALL"]);
        assert!(some.is_given() && !silent.is_given());
    }
}

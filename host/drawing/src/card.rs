//! What is shown of an executor.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use wasm_flow_contract::config::{Batching, ExecutorConfig, Isolation};
use wasm_flow_contract::sharding::{Poll, Polling, REST};

/// An executor as it is drawn. What the graph itself knows (`needs`, `when`,
/// `no_reduce`, `floating`) is not a part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// What runs.
    pub source: Source,
    /// How many instances there are of it: one is a card, and several are a stack of
    /// cards.
    pub copies: u32,
    /// Its options, as far as they differ from the defaults and are worth a glance.
    pub badges: Vec<Badge>,
}

/// What an executor is made from, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It runs in this process: a folder or a file.
    Here(String),
    /// It runs elsewhere: an address.
    Elsewhere(String),
}

impl Source {
    /// The path or the address.
    pub fn as_str(&self) -> &str {
        match self {
            Source::Here(text) | Source::Elsewhere(text) => text,
        }
    }

    /// Whether it runs elsewhere.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self, Source::Elsewhere(_))
    }
}

/// One option of an executor.
#[derive(Debug, Clone, PartialEq)]
pub struct Badge {
    /// Its key in flow.toml.
    pub key: &'static str,
    /// Its value, for programs.
    pub value: Value,
    /// A few words for the picture.
    pub text: String,
    /// A sentence for whoever points at it.
    pub title: String,
}

impl Card {
    /// The card of an executor. An option that is to be seen in every form is a badge
    /// here, and nothing else has to know of it.
    pub fn new(source: Source, config: &ExecutorConfig) -> Card {
        let replicas = config.replicas.get();
        let shards = config.shards.get();
        let badges = [
            (shards > 1).then(|| Badge {
                key: "shards",
                value: shards.into(),
                text: format!("{shards} shards"),
                title: format!("{shards} shards, each with a part of the documents"),
            }),
            (replicas > 1).then(|| Badge {
                key: "replicas",
                value: replicas.into(),
                text: format!("×{replicas}"),
                title: match shards {
                    1 => format!("{replicas} replicas share the requests"),
                    _ => format!("{replicas} replicas of each shard share its requests"),
                },
            }),
            // Of one shard, any is as good as all.
            (shards > 1).then(|| polling(&config.polling)).flatten(),
            (config.isolation == Isolation::Request).then(|| Badge {
                key: "isolation",
                value: "request".into(),
                text: "fresh per request".to_owned(),
                title: "every request gets a fresh instance".to_owned(),
            }),
            batching(&config.batching),
        ];
        Card {
            source,
            copies: replicas.saturating_mul(shards),
            badges: badges.into_iter().flatten().collect(),
        }
    }

    /// The same of an executor that has another one before its shards.
    #[must_use]
    pub fn uses_before(mut self, source: &Source) -> Card {
        let uses = source.as_str();
        self.badges.push(Badge {
            key: "uses_before",
            value: uses.into(),
            text: format!("before: {uses}"),
            title: format!("requests go through {uses} first"),
        });
        self
    }

    /// The same of an executor that has another one after its shards.
    #[must_use]
    pub fn uses_after(mut self, source: &Source) -> Card {
        let uses = source.as_str();
        self.badges.push(Badge {
            key: "uses_after",
            value: uses.into(),
            text: format!("after: {uses}"),
            title: format!("what the executor gives goes through {uses}"),
        });
        self
    }
}

/// What is said of `polling`. None if nothing is.
fn polling(polling: &Polling) -> Option<Badge> {
    let Polling { named, rest } = polling;
    let named = named
        .iter()
        .map(|(endpoint, poll)| (endpoint.as_str(), *poll));
    let all: Vec<(&str, Poll)> = named.chain(rest.map(|poll| (REST, poll))).collect();
    let value = match all.as_slice() {
        [] => return None,
        [(REST, poll)] => poll.as_str().into(),
        several => several
            .iter()
            .map(|(endpoint, poll)| ((*endpoint).to_owned(), Value::from(poll.as_str())))
            .collect(),
    };
    let text = match all.as_slice() {
        [(REST, poll)] => format!("polling {}", poll.as_str()),
        [(endpoint, poll)] => format!("polling {} at {endpoint}", poll.as_str()),
        _ => "polling by endpoint".to_owned(),
    };
    let titles = all.iter().map(|(endpoint, poll)| {
        let asked = match poll {
            Poll::Any => "to one shard, the next in turn",
            Poll::All => "to all shards",
        };
        match *endpoint {
            REST if all.len() == 1 => format!("requests go {asked}"),
            REST => format!("requests to other endpoints go {asked}"),
            endpoint => format!("requests to {endpoint} go {asked}"),
        }
    });
    Some(Badge {
        key: "polling",
        value,
        text,
        title: titles.collect::<Vec<_>>().join("; "),
    })
}

fn batching(batching: &BTreeMap<String, Batching>) -> Option<Badge> {
    let size = |one: &Batching| {
        let word = match one.flush_all {
            true => "from",
            false => "of",
        };
        format!("batches {word} {}", one.preferred_batch_size)
    };
    let mut settings = batching.values();
    let first = settings.next()?;
    let text = match settings.next() {
        None => format!("{}, {}", size(first), wait(first.timeout)),
        Some(_) => format!("batches at {} endpoints", batching.len()),
    };
    let title = batching
        .iter()
        .map(|(endpoint, one)| {
            format!(
                "{endpoint}: {} documents, or what has come after {}",
                size(one),
                wait(one.timeout)
            )
        })
        .collect::<Vec<_>>();
    let value = batching.iter().map(|(endpoint, one)| {
        let one = json!({
            "preferred_batch_size": one.preferred_batch_size.get(),
            "timeout": wait(one.timeout),
            "flush_all": one.flush_all,
        });
        (endpoint.clone(), one)
    });
    Some(Badge {
        key: "uses_dynamic_batching",
        value: value.collect(),
        text,
        title: title.join("; "),
    })
}

/// As flow.toml has it: `5ms`.
fn wait(duration: Duration) -> String {
    format!("{duration:?}")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn polling_is_a_badge_if_there_are_shards_and_something_is_said() {
        let badge = |shards: u32, polling: Polling| {
            let config = ExecutorConfig {
                shards: NonZeroU32::new(shards).unwrap(),
                polling,
                ..ExecutorConfig::new("index")
            };
            let card = Card::new(Source::Here("index".to_owned()), &config);
            let mut badges = card.badges.into_iter();
            badges.find(|badge| badge.key == "polling")
        };
        let at = |named: &[(&str, Poll)], rest| Polling {
            named: named
                .iter()
                .map(|(endpoint, poll)| ((*endpoint).to_owned(), *poll))
                .collect(),
            rest,
        };
        for (polling, value, text, title) in [
            (
                Poll::All.into(),
                json!("ALL"),
                "polling ALL",
                "requests go to all shards",
            ),
            (
                at(&[("/x", Poll::Any)], None),
                json!({ "/x": "ANY" }),
                "polling ANY at /x",
                "requests to /x go to one shard, the next in turn",
            ),
            (
                at(&[("/x", Poll::All)], Some(Poll::Any)),
                json!({ "/x": "ALL", "*": "ANY" }),
                "polling by endpoint",
                "requests to /x go to all shards; requests to other endpoints go to one shard, \
                 the next in turn",
            ),
        ] {
            assert_eq!(badge(1, Polling::clone(&polling)), None);
            let badge = badge(2, polling).unwrap();
            assert_eq!(
                (badge.value, badge.text.as_str(), badge.title.as_str()),
                (value, text, title)
            );
        }
        assert_eq!(badge(2, Polling::default()), None);
    }
}

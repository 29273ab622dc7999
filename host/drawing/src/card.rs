//! What is shown of an executor.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use wasm_flow_contract::config::{Batching, ExecutorConfig, Isolation};

/// An executor as it is drawn. What the graph itself knows (`needs`, `when`,
/// `no_reduce`, `floating`) is not a part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// What runs.
    pub source: Source,
    /// How many there are of it: one is a card, and several are a stack of cards.
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
        let badges = [
            (replicas > 1).then(|| Badge {
                key: "replicas",
                value: replicas.into(),
                text: format!("×{replicas}"),
                title: format!("{replicas} replicas share the requests"),
            }),
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
            copies: replicas,
            badges: badges.into_iter().flatten().collect(),
        }
    }
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

//! Flows to draw.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use wasm_flow_contract::Hop;
use wasm_flow_contract::config::{Batching, ExecutorConfig, Isolation};
use wasm_flow_contract::graph::{Builder, Edge, Join, NodeOptions, Upstream};
use wasm_flow_contract::query::Query;
use wasm_flow_contract::sharding::{Poll, Polling};

use crate::times::Tally;
use crate::{Card, Drawing, Source};

/// An executor of a flow.
pub(super) struct Executor {
    pub(super) name: String,
    pub(super) needs: Vec<String>,
    pub(super) options: NodeOptions,
    pub(super) card: Card,
}

/// One without options.
pub(super) fn executor(name: &str, needs: &[&str]) -> Executor {
    let source = Source::Here(format!("executors/{name}"));
    Executor {
        name: name.to_owned(),
        needs: needs.iter().map(|&need| need.to_owned()).collect(),
        options: NodeOptions::default(),
        card: Card::new(source, &ExecutorConfig::new(name)),
    }
}

impl Executor {
    pub(super) fn when(mut self, query: Value) -> Self {
        self.options.when = Some(Arc::new(Query::parse(&query).unwrap()));
        self
    }

    fn configured(mut self, change: impl FnOnce(&mut ExecutorConfig)) -> Self {
        let mut config = ExecutorConfig::new(&*self.name);
        change(&mut config);
        self.card = Card::new(self.card.source, &config);
        self
    }
}

/// A flow of these. A need that is not there is the gateway.
pub(super) fn drawing(name: &str, executors: Vec<Executor>) -> Drawing {
    let mut builder = Builder::default();
    let mut ids = std::collections::HashMap::new();
    let mut needs = Vec::new();
    for executor in executors {
        let id = builder.node(executor.name.as_str(), executor.card);
        builder.options(id, executor.options);
        ids.insert(executor.name, id);
        needs.push((id, executor.needs));
    }
    for (id, needs) in needs {
        for need in needs {
            let from = ids
                .get(&need)
                .map_or(Upstream::Gateway, |id| Upstream::Node(*id));
            builder.need(id, Edge::new(from));
        }
    }
    Drawing::new(name, builder.build().unwrap())
}

pub(super) fn chain() -> Drawing {
    drawing(
        "near-duplicates",
        vec![
            executor("split", &[]),
            executor("clean", &["split"]),
            executor("embed", &["clean"]),
            executor("dedupe", &["embed"]),
        ],
    )
}

pub(super) fn branches() -> Drawing {
    let kind = |kind: &str| json!({ "tags__kind": { "$eq": kind } });
    drawing(
        "branches",
        vec![
            executor("encode_text", &["gateway"]).when(kind("text")),
            executor("encode_image", &["gateway"]).when(kind("image")),
            executor("index", &["encode_text", "encode_image"]),
        ],
    )
}

/// All that can be drawn.
pub(super) fn everything() -> Drawing {
    let mut remote = executor("rank", &["store", "encode_text"]);
    remote.card = Card::new(
        Source::Elsewhere("grpc://ranker.example:8443".to_owned()),
        &ExecutorConfig::new("rank"),
    );
    let mut store = executor("store", &["encode_text"]).configured(|config| {
        config.shards = NonZeroU32::new(3).unwrap();
        config.replicas = NonZeroU32::new(2).unwrap();
        config.polling = Polling {
            named: [("/delete".to_owned(), Poll::All)].into(),
            rest: Some(Poll::Any),
        };
    });
    let here = |name: &str| Source::Here(format!("executors/{name}"));
    store.card = store.card.uses_before(&here("check"));
    store.card = store.card.uses_after(&here("best_matches"));
    let mut log = executor("log", &["split"]);
    log.options.floating = true;
    let mut merge = executor("merge", &["rank", "encode_image", "split"]);
    merge.options.join = Join::Concat;
    drawing(
        "everything",
        vec![
            executor("split", &["gateway"]).configured(|config| {
                config.isolation = Isolation::Request;
            }),
            executor("encode_text", &["split"])
                .when(json!({ "tags__kind": { "$eq": "text" } }))
                .configured(|config| {
                    config.replicas = NonZeroU32::new(4).unwrap();
                    let batching = Batching {
                        preferred_batch_size: NonZeroUsize::new(32).unwrap(),
                        timeout: Duration::from_millis(5),
                        flush_all: false,
                    };
                    config.batching.insert("/encode".to_owned(), batching);
                }),
            executor("encode_image", &["split"])
                .when(json!({ "$or": [
                    { "mime_type": { "$in": ["image/png", "image/jpeg", "image/webp"] } },
                    { "tags__kind": { "$eq": "image" }, "blob": { "$exists": true } },
                ] }))
                .configured(|config| config.replicas = NonZeroU32::new(2).unwrap()),
            log,
            store,
            remote,
            merge,
        ],
    )
}

/// The same, with the times of two requests.
pub(super) fn timed() -> Drawing {
    let drawing = everything();
    let mut tally = Tally::new(&drawing.graph);
    let at = |millis: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
    let hop = |name: &str, start: u64, end: Option<u64>| Hop {
        executor: name.into(),
        start: at(start),
        end: end.map(at),
        failure: None,
    };
    for slow in [10, 14] {
        let hops = [
            hop("split", 1, Some(5)),
            hop("encode_text", 5, Some(40 + slow)),
            hop("store", 40 + slow, None),
            hop("rank", 40 + slow, Some(70)),
            hop("merge", 71, Some(75)),
            hop("encode_image", 5, Some(25)),
            hop("log", 5, None),
        ];
        tally.add(at(0), at(76), &hops);
    }
    let times = tally.times();
    drawing.with_times(times)
}

pub(super) fn all_floating() -> Drawing {
    let mut executors = vec![executor("audit", &[]), executor("count", &[])];
    for executor in &mut executors {
        executor.options.floating = true;
    }
    drawing("nobody-waits", executors)
}

/// Names, paths and conditions that try to be something else.
pub(super) fn hostile() -> Drawing {
    let evil = "</title></svg><script>alert(1)</script><!-- ]]> & \" ' ` #quot; \u{1b}[2J\u{202e}\n%%{init}%% end style:x#y; click n0 href";
    let mut first = executor("style", &[]).when(json!({ "text": { "$eq": evil } }));
    let config = ExecutorConfig {
        shards: NonZeroU32::new(2).unwrap(),
        polling: Polling {
            named: [(evil.to_owned(), Poll::All)].into(),
            rest: None,
        },
        ..ExecutorConfig::new("style")
    };
    let here = Source::Here(evil.to_owned());
    first.card = Card::new(here.clone(), &config).uses_before(&here);
    let long = "größe_".repeat(20);
    let mut second = executor(&long, &["style"]);
    second.card.source = Source::Elsewhere("grpc://".to_owned() + &"編碼器.".repeat(60));
    drawing(
        evil,
        vec![
            first,
            second,
            executor("end", &[&long, "style"]),
            executor("_x_", &["end"]),
        ],
    )
}

/// A random flow with one end, in layers of up to so many.
pub(super) fn random(seed: u64, wide: usize, deep: usize) -> Drawing {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut executors: Vec<Executor> = Vec::new();
    let mut layers: Vec<Vec<String>> = vec![vec!["gateway".to_owned()]];
    for depth in 0..deep {
        let count = random.usize(1..=wide);
        let before = layers.last().unwrap().clone();
        let mut layer = Vec::new();
        for index in 0..count {
            let name = format!("e{depth}_{index}");
            // Near the same place of the layer before, and now and then anywhere.
            let near = (index * before.len() / count + random.usize(0..2)).min(before.len() - 1);
            let mut needs = vec![before[near].clone()];
            if random.u8(0..6) == 0 {
                let layer = &layers[random.usize(0..layers.len())];
                let other = layer[random.usize(0..layer.len())].clone();
                if !needs.contains(&other) {
                    needs.push(other);
                }
            }
            let names: Vec<&str> = needs.iter().map(String::as_str).collect();
            let mut executor = executor(&name, &names);
            if random.u8(0..5) == 0 {
                executor = executor.when(json!({ "tags__n": { "$lt": index } }));
            }
            if random.u8(0..5) == 0 {
                let replicas = NonZeroU32::new(random.u32(2..9)).unwrap();
                executor = executor.configured(|config| config.replicas = replicas);
            }
            layer.push(name);
            executors.push(executor);
        }
        layers.push(layer);
    }
    let taken: Vec<String> = executors
        .iter()
        .flat_map(|executor| executor.needs.clone())
        .collect();
    let open: Vec<String> = executors
        .iter()
        .map(|executor| executor.name.clone())
        .filter(|name| !taken.contains(name))
        .collect();
    let open: Vec<&str> = open.iter().map(String::as_str).collect();
    executors.push(executor("join", &open));
    drawing("random", executors)
}

//! Calls of an executor in this process, without gRPC: where a flow's time goes.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures::future::join_all;
use prost::Message as _;
use tokio::runtime::{Builder, Runtime as Scheduler};
use wasm_flow::contract::Call;
use wasm_flow::contract::config::{ExecutorConfig, Isolation};
use wasm_flow::executor::{Component, Discard, Executor, Route, Runtime, RuntimeConfig};
use wasm_flow_document::{Content, DocumentArray};

use crate::Options;
use crate::native::docarray::DocumentArrayProto;
use crate::statistics::{median, table};
use crate::workload::Workload;

/// Calls in flight where many are.
const AT_ONCE: usize = 64;

/// What is measured: it does something this often and says how long that took.
struct Case<'a> {
    what: String,
    documents: Option<usize>,
    how: &'static str,
    run: Box<dyn Fn(u64) -> Duration + 'a>,
    /// How often fills a turn.
    count: u64,
    /// Microseconds, a value a round.
    measured: Vec<f64>,
}

impl<'a> Case<'a> {
    fn new(
        what: impl Into<String>,
        documents: Option<usize>,
        how: &'static str,
        run: impl Fn(u64) -> Duration + 'a,
    ) -> Case<'a> {
        Case {
            what: what.into(),
            documents,
            how,
            run: Box::new(run),
            count: 1,
            measured: Vec::new(),
        }
    }

    /// For the command line.
    fn name(&self) -> String {
        let documents = self
            .documents
            .map_or_else(String::new, |count| count.to_string());
        format!("{}, {}, {documents}", self.what, self.how)
    }

    /// Warms up, and finds out how often fills a turn.
    fn calibrate(&mut self, turn: Duration) {
        loop {
            let took = (self.run)(self.count);
            if took * 2 >= turn {
                return;
            }
            let more = turn.as_secs_f64() / took.as_secs_f64().max(1e-9);
            self.count = ((self.count as f64) * more.clamp(1.5, 100.0)).ceil() as u64;
        }
    }

    fn turn(&mut self) {
        let took = (self.run)(self.count);
        self.measured
            .push(took.as_secs_f64() * 1e6 / self.count as f64);
    }
}

/// An executor and the threads that it runs on.
struct Running {
    scheduler: Arc<Scheduler>,
    executor: Executor,
}

impl Running {
    fn start(
        scheduler: &Arc<Scheduler>,
        engine: &Runtime,
        component: &Component,
        isolation: Isolation,
    ) -> Running {
        let executor = scheduler.block_on(start(engine, component, isolation));
        Running {
            scheduler: Arc::clone(scheduler),
            executor,
        }
    }

    fn route(&self, endpoint: &str) -> Route {
        self.executor
            .route(endpoint)
            .expect("an endpoint of the executor")
    }

    /// Calls one after the other, in a task, as the gateway does.
    fn one_by_one(&self, endpoint: &str, docs: &DocumentArray, count: u64) -> Duration {
        let (route, call) = (self.route(endpoint), call(endpoint, docs));
        let executor = self.executor.clone();
        let task = self.scheduler.spawn(async move {
            let start = Instant::now();
            for _ in 0..count {
                black_box(executor.handle(&route, &call).await).expect("a call that works");
            }
            start.elapsed()
        });
        self.scheduler.block_on(task).expect("a task that ends")
    }

    /// Many calls in flight.
    fn at_once(&self, endpoint: &str, docs: &DocumentArray, count: u64) -> Duration {
        let (route, call) = (self.route(endpoint), call(endpoint, docs));
        let tasks = (0..AT_ONCE as u64).map(|lane| {
            let (executor, route, call) = (self.executor.clone(), route.clone(), call.clone());
            let share = count / AT_ONCE as u64 + u64::from(lane < count % AT_ONCE as u64);
            self.scheduler.spawn(async move {
                for _ in 0..share {
                    black_box(executor.handle(&route, &call).await).expect("a call that works");
                }
            })
        });
        let start = Instant::now();
        for ended in self.scheduler.block_on(join_all(tasks)) {
            ended.expect("a task that ends");
        }
        start.elapsed()
    }
}

async fn start(engine: &Runtime, component: &Component, isolation: Isolation) -> Executor {
    let config = ExecutorConfig {
        isolation,
        ..ExecutorConfig::new("uppercase")
    };
    Executor::start(engine, component, config, Arc::new(Discard))
        .await
        .expect("an executor that starts")
}

fn call(endpoint: &str, docs: &DocumentArray) -> Call {
    Call {
        request_id: "request".into(),
        endpoint: endpoint.into(),
        parameters: Arc::default(),
        docs: docs.clone(),
        parts: Vec::new(),
        trace: None,
    }
}

/// Measures and prints the table.
pub(crate) fn run(executor: &Path, options: &Options) {
    let one = Arc::new(
        Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a scheduler"),
    );
    let all = Arc::new(Scheduler::new().expect("a scheduler"));
    let engine = Runtime::new(RuntimeConfig::default()).expect("an engine");
    let component = all.block_on(engine.load(executor)).expect("an executor");
    let alone = Running::start(&one, &engine, &component, Isolation::Shared);
    let spread = Running::start(&all, &engine, &component, Isolation::Shared);
    let fresh = Running::start(&one, &engine, &component, Isolation::Request);
    check(&alone);

    let workloads: Vec<(Workload, DocumentArray)> = [1, 100]
        .into_iter()
        .map(|documents| Workload {
            documents,
            embedding: true,
        })
        .map(|workload| (workload, workload.docs()))
        .collect();
    let mut cases = Vec::new();
    for (workload, docs) in &workloads {
        let documents = Some(workload.documents);
        cases.push(Case::new(
            "uppercase natively, on the host's documents",
            documents,
            "",
            |count| repeat(count, || natively(docs)),
        ));
        for (endpoint, what) in [
            ("/nothing", "call that asks for nothing"),
            ("/rows", "call that uppercases rows"),
            ("/columns", "call that uppercases a column"),
            ("/exclusive", "call that uppercases rows, alone (&mut self)"),
        ] {
            cases.push(Case::new(
                what,
                documents,
                "one thread, one by one",
                |count| alone.one_by_one(endpoint, docs, count),
            ));
            cases.push(Case::new(
                what,
                documents,
                "all threads, 64 at once",
                |count| spread.at_once(endpoint, docs, count),
            ));
        }
        let encoded = workload.encoded_docs();
        let decoded = DocumentArrayProto::decode(encoded.clone()).expect("documents");
        cases.push(Case::new(
            "decode documents",
            documents,
            "wasm-flow-document",
            {
                let encoded = encoded.clone();
                move |count| repeat(count, || DocumentArray::decode(encoded.clone()))
            },
        ));
        cases.push(Case::new(
            "decode documents",
            documents,
            "prost",
            move |count| repeat(count, || DocumentArrayProto::decode(encoded.clone())),
        ));
        cases.push(Case::new(
            "encode documents",
            documents,
            "wasm-flow-document",
            |count| {
                let mut out = BytesMut::with_capacity(docs.encoding().len());
                repeat(count, || {
                    out.clear();
                    docs.encoding().write(&mut out);
                })
            },
        ));
        cases.push(Case::new(
            "encode documents",
            documents,
            "prost",
            move |count| {
                let mut out = BytesMut::with_capacity(decoded.encoded_len());
                repeat(count, || {
                    out.clear();
                    decoded.encode(&mut out)
                })
            },
        ));
    }
    cases.push(Case::new(
        "start an instance and stop it",
        None,
        "one thread",
        |count| {
            let began = Instant::now();
            one.block_on(async {
                for _ in 0..count {
                    start(&engine, &component, Isolation::Shared)
                        .await
                        .stop()
                        .await;
                }
            });
            began.elapsed()
        },
    ));
    if let Some((_, docs)) = workloads.first() {
        cases.push(Case::new(
            "call with isolation = \"request\", rows",
            Some(1),
            "one thread, one by one",
            |count| fresh.one_by_one("/rows", docs, count),
        ));
    }

    if let Some(part) = &options.only {
        cases.retain(|case| case.name().contains(part.as_str()));
    }
    eprintln!(
        "calls: {} rounds of {} rows, about {:.0} s",
        options.call_rounds,
        cases.len(),
        f64::from(options.call_rounds + 2) * cases.len() as f64 * options.call.as_secs_f64()
    );
    cases
        .iter_mut()
        .for_each(|case| case.calibrate(options.call));
    for _ in 0..options.call_rounds {
        cases.iter_mut().for_each(Case::turn);
    }

    println!(
        "In one process, without gRPC; every document has an embedding of 768 floats. \
         Microseconds: the median of rounds in which all rows take turns, and the least.\n"
    );
    let lines: Vec<Vec<String>> = cases.iter().map(line).collect();
    println!(
        "{}",
        table(
            &["what", "how", "documents", "median µs", "least µs"],
            &lines
        )
    );
    drop(cases);
    for running in [alone, spread, fresh] {
        running.scheduler.block_on(running.executor.stop());
    }
}

fn line(case: &Case<'_>) -> Vec<String> {
    let least = case.measured.iter().copied().fold(f64::INFINITY, f64::min);
    vec![
        case.what.clone(),
        case.how.to_owned(),
        case.documents
            .map_or_else(String::new, |documents| documents.to_string()),
        format!("{:.2}", median(case.measured.clone()).unwrap_or(f64::NAN)),
        format!("{least:.2}"),
    ]
}

fn repeat<T>(count: u64, act: impl FnMut() -> T) -> Duration {
    let mut act = act;
    let start = Instant::now();
    for _ in 0..count {
        black_box(act());
    }
    start.elapsed()
}

/// What the executor does, done by the host: documents are shared, texts new.
fn natively(docs: &DocumentArray) -> DocumentArray {
    docs.iter()
        .cloned()
        .map(|mut doc| {
            if let Content::Text(text) = &doc.content {
                doc.content = Content::Text(text.to_uppercase().into());
            }
            doc
        })
        .collect()
}

/// The work is done, and what it does not concern is not copied.
fn check(running: &Running) {
    let docs = Workload {
        documents: 2,
        embedding: true,
    }
    .docs();
    let place = |docs: &DocumentArray| {
        let buffers = docs.iter().map(|doc| {
            doc.embedding
                .as_ref()?
                .dense()
                .map(|dense| dense.buffer().as_ptr())
        });
        buffers.collect::<Vec<_>>()
    };
    for endpoint in ["/rows", "/columns", "/exclusive"] {
        let (route, call) = (running.route(endpoint), call(endpoint, &docs));
        let reply = running
            .scheduler
            .block_on(running.executor.handle(&route, &call));
        let reply = reply.expect("a call that works").docs;
        assert!(
            reply == natively(&docs),
            "{endpoint}: other documents than expected"
        );
        assert!(
            place(&reply) == place(&docs),
            "{endpoint}: an embedding was copied"
        );
    }
}

//! A call that does harm, and the five things that are looked at: the client is told
//! what happened, the host lives, all others are answered meanwhile and afterwards, what
//! was taken of the machine is given back, and the log names who it was, once a call.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_flow::Client;
use wasm_flow_document::DocumentArray;
use wasm_flow_tests::vitals::{Slack, Vitals};
use wasm_flow_tests::{Finished, Server, guest, repository, wasm_flow};

/// What a bystander's request may take while an attack goes on.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// What may be left of an attack: threads that the runtime keeps for the next, and what the
/// allocator keeps. One call hands over 128 MiB in small pieces, and all of that was seen to
/// stay with it, free. What grows with each call is looked for by other tests.
const SLACK: Slack = Slack {
    memory: 192 << 20,
    threads: 16,
    descriptors: 2,
};

/// A call of an executor that is there to do harm. The flow has an executor `probe`
/// beside it, which the attack does not reach.
pub(crate) struct Attack<'a> {
    /// The name of the executor, which is that of its guest.
    pub(crate) executor: &'a str,
    pub(crate) endpoint: &'a str,
    /// As Python.
    pub(crate) parameters: &'a str,
    /// What the error says, besides the executor and the endpoint.
    pub(crate) says: &'a [&'a str],
}

impl Attack<'_> {
    /// Calls twice, looks at the five things, and gives what the client saw.
    #[track_caller]
    pub(crate) fn on(&self, flow: &Server) -> Value {
        let before = Vitals::of(flow);
        let (seen, slowest) = beside(flow, || self.call(flow));
        self.was_told(&seen);
        assert!(flow.process().lives(), "the server has ended");
        assert!(slowest < ANSWERED_WITHIN, "a bystander waited {slowest:?}");
        before.returns(flow, SLACK);
        // Both calls of the attack.
        let named = self.named(&flow.stderr());
        assert_eq!(named, 2, "{} of {}", self.endpoint, self.executor);
        seen
    }

    fn call(&self, flow: &Server) -> Value {
        let Attack {
            endpoint,
            parameters,
            ..
        } = self;
        flow.python(&format!(
            "
            sent = texts('before', 'as it was')
            sent[0].tags['kept'] = True
            error = failed(lambda: client().post('{endpoint}', sent, parameters={parameters}))
            (response,) = responses('{endpoint}', sent, parameters={parameters})
            answer({{
                'error': error,
                'unchanged': exact(response.docs) == exact(sent),
                'routes': [[route.executor, route.status.code] for route in response.routes],
                'again': [client().post('/ok', texts('ok')).texts for _ in range(2)],
            }})
            "
        ))
    }

    /// The client was told what happened, and has its documents as they were.
    #[track_caller]
    fn was_told(&self, seen: &Value) {
        let error = &seen["error"];
        assert_eq!(error["class"], "BadServer", "{seen}");
        assert_eq!(error["code"], 1);
        let class = error["executor"].as_str().unwrap_or_default();
        assert_eq!(class.to_lowercase(), self.executor, "{error}");
        let description = error["description"].as_str().unwrap();
        for part in [&[self.executor, self.endpoint], self.says].concat() {
            assert!(
                description.contains(part),
                "`{part}` is not in: {description}"
            );
        }
        let has = |key: &str, is_empty: bool| assert!(!is_empty, "no {key}: {error}");
        has("name", error["name"].as_str().is_none_or(str::is_empty));
        has("args", error["args"].as_array().is_none_or(Vec::is_empty));
        assert_eq!(seen["unchanged"], true, "{seen}");
        assert_eq!(
            seen["routes"],
            json!([["gateway", 0], [self.executor, 1]]),
            "the failing executor is marked, later ones are not there"
        );
        assert_eq!(seen["again"], json!([["ok"], ["ok"]]), "it serves again");
    }

    /// How many lines of the log say that this endpoint of this executor failed.
    fn named(&self, log: &str) -> usize {
        let executor = format!("executor=\"{}\"", self.executor);
        let endpoint = format!("endpoint=\"{}\"", self.endpoint);
        log.lines()
            .filter(|line| line.contains(&executor) && line.contains(&endpoint))
            .count()
    }
}

/// Does something while the executor `probe` is asked again and again, and gives the
/// longest time that an answer took.
#[track_caller]
pub(crate) fn beside<T: Send>(flow: &Server, work: impl FnOnce() -> T + Send) -> (T, Duration) {
    let address = format!("grpc://127.0.0.1:{}", flow.port());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let bystander = scope.spawn(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            let mut slowest = Duration::ZERO;
            runtime.block_on(async {
                let client = Client::connect(&address).await.unwrap();
                while !done.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    let docs = DocumentArray::from_texts(["b"]);
                    let post = client.post("/trace").target_executor("probe").docs(docs);
                    let docs = post.await.unwrap();
                    assert_eq!(docs.texts().collect::<Vec<_>>(), ["b>probe/rep-0"]);
                    slowest = slowest.max(begin.elapsed());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            slowest
        });
        // Also if it panics: the scope waits for the bystander.
        let done = Done(&done);
        let value = work();
        drop(done);
        (value, bystander.join().unwrap())
    })
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Harm that a guest can do and no test asks for is not tested.
#[test]
fn every_endpoint_of_the_hostile_guests_is_called() {
    let mut tests = String::new();
    read_all(&repository().join("tests/end_to_end"), &mut tests);
    let code = || tests.lines().filter(|line| !line.trim().starts_with("//"));
    let mut forgotten = Vec::new();
    for name in ["hostile", "raw"] {
        let shown =
            Finished::successfully(wasm_flow(["--format", "json", "inspect"]).arg(guest(name)));
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let methods = shown["description"]["methods"].as_array().unwrap();
        let endpoints: Vec<&str> = methods
            .iter()
            .filter_map(|method| method["endpoints"].as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert!(endpoints.len() > 15, "{endpoints:?}");
        forgotten.extend(endpoints.into_iter().filter_map(|endpoint| {
            let quoted = ["'", "\""].map(|quote| format!("{quote}{endpoint}{quote}"));
            let is_called = code().any(|line| quoted.iter().any(|text| line.contains(text)));
            (!is_called).then(|| format!("{name}{endpoint}"))
        }));
    }
    assert!(forgotten.is_empty(), "no test calls {forgotten:?}");
}

/// Adds the Rust below a folder.
fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

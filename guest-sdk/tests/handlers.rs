//! Handlers of every kind, called as in a component.

use std::cell::Cell;
use std::num::ParseIntError;

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::testing::{Post, TestExecutor, block_on};
use wasm_flow_sdk::time::{Duration, Instant, sleep};
use wasm_flow_sdk::{Executor, future};

#[config]
#[derive(Debug, Clone, PartialEq)]
struct Config {
    /// What `foo` is.
    foo: String,
    bar: u32,
    #[serde(default)]
    ratio: Option<f64>,
}

#[config]
#[derive(Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "kebab-case")]
struct Options {
    #[serde(default)]
    top_k: u32,
    mode: Option<Mode>,
}

#[data]
#[derive(Debug, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    FullText,
    Vector,
}

struct Everything {
    config: Config,
    setup: Setup,
    calls: u32,
    stopped: std::rc::Rc<Cell<bool>>,
}

/// Does everything.
///
/// In two paragraphs.
#[executor]
impl Everything {
    async fn new(setup: &Setup, config: Config) -> Result<Self> {
        sleep(Duration::from_millis(1)).await;
        ensure!(config.bar > 0, "`bar` is {}", config.bar);
        Ok(Everything {
            config,
            setup: setup.clone(),
            calls: 0,
            stopped: std::rc::Rc::default(),
        })
    }

    #[requests]
    fn fallback(&self) {}

    /// Changes texts.
    #[requests(on = ["/index", "/search"])]
    async fn change(&self, docs: &mut DocumentArray) {
        for doc in docs {
            doc.set_text(format!("{}!", doc.text()));
        }
    }

    #[requests(on = "/all")]
    async fn all(
        &mut self,
        Parameters(options): Parameters<Options>,
        context: &Context,
        matrix: DocsMatrix,
        docs: &mut DocumentArray,
    ) -> Result<Json> {
        self.calls += 1;
        docs.push(Document::new("added"));
        Ok(json!({
            "top_k": options.top_k,
            "mode": options.mode,
            "endpoint": context.endpoint(),
            "request": context.request_id(),
            "bounded": context.time_left().is_some(),
            "executor": context.executor(),
            "parts": matrix.len(),
            "calls": self.calls,
        }))
    }

    #[requests(on = "/replace")]
    fn replace(&self, docs: &DocumentArray) -> Result<DocumentArray> {
        Ok(docs
            .iter()
            .rev()
            .cloned()
            .chain([Document::new("new")])
            .collect())
    }

    #[requests(on = "/owned")]
    fn owned(
        &self,
        mut docs: DocumentArray,
        parameters: &Parameters,
    ) -> Result<DocumentArray, ParseIntError> {
        let by = parameters
            .get("by")
            .ok()
            .flatten()
            .unwrap_or("1".to_owned())
            .parse::<usize>()?;
        for doc in docs.iter_mut() {
            doc.set_text(doc.text().repeat(by));
        }
        Ok(docs)
    }

    #[requests(on = "/map")]
    fn map(&mut self, context: Context, options: &Parameters<Options>) -> Map {
        let mut map = Map::new();
        map.insert("name".into(), context.setup().name().into());
        map.insert("k".into(), options.top_k.into());
        map.insert("whole".into(), 2.0.into());
        map
    }

    #[requests(on = "/list")]
    fn list(&self) -> Json {
        json!([1, 2])
    }

    #[requests(on = "/parameters")]
    fn parameters(&self, parameters: Parameters) -> Result<Json> {
        Ok(json!({
            "k": parameters.require::<u32>("k")?,
            "none": parameters.get::<String>("none")?,
            "all": *parameters,
        }))
    }

    #[requests(on = [])]
    fn spare(&self) -> Json {
        json!({ "spare": true })
    }

    #[requests(on = "/r#type")]
    fn r#type(&self) -> Json {
        json!({
            "foo": self.config.foo,
            "metas": self.setup.metas(),
            "name": self.setup.meta_name(),
            "executor": self.setup.executor(),
        })
    }

    #[cfg(any())]
    #[requests(on = "/index")]
    fn not_compiled(&self, parameters: Parameters<NoSuchType>) {}

    #[stop]
    fn farewell(&mut self) -> Result<()> {
        self.stopped.set(true);
        bail!("this is printed")
    }

    fn helper(&self) -> &str {
        &self.config.foo
    }
}

#[expect(clippy::unwrap_used, reason = "of a test")]
fn everything() -> TestExecutor<Everything> {
    TestExecutor::start(json!({ "foo": "x", "bar": 1 })).unwrap()
}

fn none() -> DocumentArray {
    DocumentArray::new()
}

#[test]
fn an_executor_can_be_one_of_several_shards() -> Result<()> {
    let setup = |shard_id, shards| -> Result<Setup> {
        let everything = TestExecutor::<Everything>::builder().shard(shard_id, shards);
        let everything = everything.start(json!({ "foo": "x", "bar": 1 }))?.stop()?;
        Ok(everything.setup)
    };
    let of = |setup: &Setup| (setup.name().to_owned(), setup.shard_id(), setup.shards());
    let named = |name: &str, shard_id, shards| (name.to_owned(), shard_id, shards);
    assert_eq!(of(&setup(1, 3)?), named("Everything/shard-1/rep-0", 1, 3));
    assert_eq!(of(&setup(0, 1)?), named("Everything/rep-0", 0, 1));
    assert_eq!(of(&Setup::default()), named("", 0, 1));
    for shards in [0, 3] {
        let error = setup(3, shards).err().context("it started")?;
        let expected = format!("there is no shard 3 of {shards}: they count from 0");
        assert_eq!(error.message(), expected);
    }
    Ok(())
}

#[test]
fn an_executor_describes_itself() {
    let description = Everything::describe();
    assert_eq!(description.name, "Everything");
    assert_eq!(description.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(
        description.documentation,
        "Does everything.\n\nIn two paragraphs."
    );
    let methods: Vec<_> = description
        .methods
        .iter()
        .map(|method| (method.name, method.endpoints, method.concurrent))
        .collect();
    assert_eq!(
        methods,
        [
            ("fallback", &["/default"][..], true),
            ("change", &["/index", "/search"], true),
            ("all", &["/all"], false),
            ("replace", &["/replace"], true),
            ("owned", &["/owned"], true),
            ("map", &["/map"], false),
            ("list", &["/list"], true),
            ("parameters", &["/parameters"], true),
            ("spare", &[], true),
            ("type", &["/r#type"], true),
        ]
    );
    assert_eq!(description.methods[1].documentation, "Changes texts.");
    assert_eq!(description.methods[0].details(), "");
    let json = |text: &str| wasm_flow_sdk::serde_json::from_str::<Json>(text).unwrap();
    assert_eq!(
        json(&description.config_schema),
        json!({
            "type": "object",
            "properties": {
                "foo": { "type": "string", "description": "What `foo` is." },
                "bar": { "type": "integer", "minimum": 0 },
                "ratio": { "type": ["number", "null"] },
            },
            "required": ["foo", "bar"],
            "additionalProperties": false,
        })
    );
    let options = json!({
        "type": "object",
        "properties": {
            "top-k": { "type": "integer", "minimum": 0 },
            "mode": {
                "type": ["string", "null"],
                "enum": ["full_text", "vector", null],
            },
        },
    });
    assert_eq!(json(&description.methods[2].parameters_schema), options);
    assert_eq!(json(&description.methods[5].parameters_schema), options);
    assert_eq!(description.methods[4].parameters_schema, "");
    assert_eq!(description.methods[0].parameters_schema, "");
}

#[test]
fn construction_fails_with_a_name() {
    let failure = |config: Json| {
        let error = TestExecutor::<Everything>::start(config).err().unwrap();
        format!("{error:?}")
    };
    assert_eq!(
        failure(json!({ "foo": "x" })),
        "ConfigError: `uses_with`: missing field `bar`; `Everything` takes `foo`, `bar` and `ratio`"
    );
    assert_eq!(
        failure(json!({ "foo": "x", "baar": 1 })),
        "ConfigError: `uses_with`: unknown key `baar` (did you mean `bar`?); missing field `bar`; \
         `Everything` takes `foo`, `bar` and `ratio`"
    );
    assert_eq!(
        failure(json!({ "foo": "x", "bar": 0 })),
        "Error: `bar` is 0"
    );
    assert_eq!(
        failure(json!([])),
        "Error: `uses_with` must be a JSON object, not an array"
    );
}

#[test]
fn arguments_and_returns_of_every_kind() {
    let executor = everything();
    let docs = executor.post("/index", ["a", "b"]).unwrap().docs;
    assert_eq!(docs.texts().collect::<Vec<_>>(), ["a!", "b!"]);

    let post = Post::new("/all")
        .docs(["a"])
        .request_id("id")
        .time_left(Duration::from_secs(5))
        .parameters(json!({ "top-k": 3, "mode": "vector", "other": {} }));
    let reply = block_on(executor.send(post)).unwrap();
    assert_eq!(reply.docs.texts().collect::<Vec<_>>(), ["a", "added"]);
    assert_eq!(
        reply.results,
        Some(json!({
            "top_k": 3, "mode": "vector", "endpoint": "/all", "request": "id", "bounded": true,
            "executor": "Everything", "parts": 1, "calls": 1,
        }))
    );

    let docs = executor.post("/replace", ["a", "b"]).unwrap().docs;
    assert_eq!(docs.texts().collect::<Vec<_>>(), ["b", "a", "new"]);

    let post = Post::new("/owned")
        .docs(["a", "b"])
        .parameters(json!({ "by": "2" }));
    let docs = block_on(executor.send(post)).unwrap().docs;
    assert_eq!(docs.texts().collect::<Vec<_>>(), ["aa", "bb"]);

    let reply = executor.post("/map", none()).unwrap();
    assert_eq!(
        reply.results,
        Some(json!({ "name": "Everything/rep-0", "k": 0, "whole": 2 }))
    );

    let post = Post::new("/parameters").parameters(json!({ "k": 7, "none": null }));
    assert_eq!(
        block_on(executor.send(post)).unwrap().results,
        Some(json!({ "k": 7, "none": null, "all": { "k": 7, "none": null } }))
    );
    // Numbers arrive as after protobuf.
    let post = Post::new("/parameters").parameters(json!({ "k": 7.0, "x": [0.5, 1e3] }));
    let reply = block_on(executor.send(post)).unwrap();
    assert_eq!(
        reply.results,
        Some(json!({ "k": 7, "none": null, "all": { "k": 7, "x": [0.5, 1000] } }))
    );
    let reply = executor.post("/r#type", none()).unwrap();
    let results = reply.results.unwrap();
    assert_eq!(results["metas"]["name"], "Everything");
    assert_eq!(results["name"], "Everything");
    assert_eq!(results["executor"], "Everything");
}

#[test]
fn endpoints_find_their_handlers() {
    let executor = everything();
    // The default.
    let reply = executor.post("/blah", ["a"]).unwrap();
    assert_eq!(reply.docs[0].text(), "a");
    assert_eq!(reply.results, None);
    // Bound to nothing until it is named.
    let post = Post::new("/any").method("spare");
    assert_eq!(
        block_on(executor.send(post)).unwrap().results,
        Some(json!({ "spare": true }))
    );
    let error = block_on(executor.send(Post::new("/any").method("helper"))).unwrap_err();
    assert_eq!(error.name(), "UnknownMethod");
    assert_eq!(
        error.message(),
        "`Everything` has no handler `helper`; it has: fallback, change, all, replace, owned, map, \
         list, parameters, spare, type"
    );
}

#[test]
fn failures_have_names() {
    let executor = everything();
    let failure = |post: Post| format!("{:?}", block_on(executor.send(post)).unwrap_err());
    assert_eq!(
        failure(Post::new("/owned").parameters(json!({ "by": "x" }))),
        "ParseIntError: invalid digit found in string"
    );
    assert_eq!(
        failure(Post::new("/list")),
        "TypeError: the handler returned an array, but the client can only be sent a JSON object"
    );
    assert_eq!(
        failure(Post::new("/all").parameters(json!({ "top-k": "many" }))),
        "ParametersError: parameters: `top-k`: invalid type: string \"many\", expected u32"
    );
    assert_eq!(
        failure(Post::new("/all").parameters(json!({ "mode": "none" }))),
        "ParametersError: parameters: `mode`: unknown variant `none`, expected `full_text` or \
         `vector`"
    );
    assert_eq!(
        failure(Post::new("/parameters")),
        "ParametersError: parameter `k` is missing"
    );
    assert_eq!(
        failure(Post::new("/parameters").parameters(json!([7]))),
        "ParametersError: parameters must be a JSON object, not an array"
    );
    assert_eq!(
        failure(Post::new("/parameters").parameters(json!({ "k": -1 }))),
        "ParametersError: parameter `k`: invalid value: integer `-1`, expected u32"
    );
}

#[test]
fn stop_is_called_and_the_executor_comes_back() {
    let executor = everything();
    let executor = executor.stop().unwrap();
    assert!(executor.stopped.get());
    assert_eq!(executor.helper(), "x");
}

/// No `new`: `Default`.
#[derive(Default)]
struct Sleeper {
    calls: Cell<u32>,
}

#[executor]
impl Sleeper {
    #[requests]
    async fn nap(&self) -> Json {
        self.calls.set(self.calls.get() + 1);
        sleep(Duration::from_millis(200)).await;
        json!({ "calls": self.calls.get() })
    }

    #[requests(on = "/alone")]
    async fn alone(&mut self) {
        sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn concurrent_calls_share_the_executor() {
    let executor = TestExecutor::<Sleeper>::start(json!({})).unwrap();
    let start = Instant::now();
    let replies = block_on(future::join_all(
        (0..50).map(|_| executor.send(Post::new("/"))),
    ));
    assert!(start.elapsed() < Duration::from_millis(390));
    for reply in replies {
        assert_eq!(reply.unwrap().results, Some(json!({ "calls": 50 })));
    }
}

#[test]
fn an_executor_is_a_plain_object() {
    let sleeper = Sleeper::default();
    let start = Instant::now();
    block_on(async { future::join!(sleeper.nap(), sleeper.nap()) });
    assert!(start.elapsed() < Duration::from_millis(390));
    assert_eq!(sleeper.calls.get(), 2);
}

#[test]
fn exclusive_calls_that_the_host_does_not_keep_apart_fail() {
    let executor = TestExecutor::<Sleeper>::start(json!({})).unwrap();
    let (one, two) = block_on(async {
        future::join!(
            executor.send(Post::new("/alone")),
            executor.send(Post::new("/")),
        )
    });
    one.unwrap();
    let error = two.unwrap_err();
    assert_eq!(error.name(), "ExecutorBusy");
    assert_eq!(
        error.message(),
        "the host called `nap` while a handler that needs the executor to itself is running"
    );
    // The executor still works.
    executor.post("/alone", none()).unwrap();
}

impl Sleeper {
    /// Not in the executor's block, and so not its constructor.
    #[expect(dead_code, reason = "what the test is about")]
    fn new(config: Config) -> Self {
        Sleeper {
            calls: Cell::new(config.bar),
        }
    }
}

#[test]
fn without_configuration_every_key_is_unknown() {
    let error = TestExecutor::<Sleeper>::start(json!({ "foo": 1 }))
        .err()
        .unwrap();
    assert_eq!(
        error.message(),
        "`uses_with` has `foo`, but `Sleeper` takes no configuration: its `#[executor]` block has \
         no `new`, so it is made by `Default`"
    );
}

/// Binds no requests.
#[derive(Default)]
struct Empty;

#[executor]
impl Empty {}

#[test]
fn without_a_binding_documents_pass() {
    let executor = TestExecutor::<Empty>::start(json!(null)).unwrap();
    assert_eq!(executor.post("/any", ["a"]).unwrap().docs[0].text(), "a");
    assert!(Empty::describe().methods.is_empty());
}

/// Takes any configuration.
struct Any(Map);

#[executor]
impl Any {
    fn new(config: Map) -> Self {
        Any(config)
    }

    #[requests]
    fn tell(&self) -> Map {
        self.0.clone()
    }
}

#[test]
fn a_map_takes_any_configuration() {
    let executor = TestExecutor::<Any>::start(json!({ "a": 1 })).unwrap();
    assert_eq!(
        executor.post("/", none()).unwrap().results,
        Some(json!({ "a": 1 }))
    );
}

#[derive(Default)]
struct Index;

#[executor(
    wants(http = ["https://api.example.com"], env = ["TOKEN"], dirs = ["/data"]),
    state = "replica"
)]
impl Index {
    #[requests(on = "/index", write)]
    fn index(&mut self) {}

    #[requests(batch, on = "/encode")]
    fn encode(&self) {}
}

#[test]
fn the_host_is_told_what_it_may_do_with_an_executor() {
    let json = |text: &str| wasm_flow_sdk::serde_json::from_str::<Json>(text).unwrap();
    let description = Index::describe();
    assert_eq!(
        json(&description.about.details()),
        json!({
            "wants": {
                "http": ["https://api.example.com"],
                "env": ["TOKEN"],
                "dirs": ["/data"],
            },
            "state": "replica",
            "license": env!("CARGO_PKG_LICENSE"),
            "source": env!("CARGO_PKG_REPOSITORY"),
        })
    );
    assert_eq!(
        json(&description.methods[0].details()),
        json!({ "write": true })
    );
    assert_eq!(
        json(&description.methods[1].details()),
        json!({ "batch": true })
    );
}

/// What was logged since the last time, all of it warnings.
fn warnings() -> Vec<String> {
    let logged = wasm_flow_sdk::testing::logged().into_iter();
    logged
        .map(|logged| {
            assert_eq!(logged.level, wasm_flow_sdk::log::Level::Warn);
            logged.message
        })
        .collect()
}

#[test]
fn misspelt_parameters_are_logged_once() {
    #[config]
    #[expect(dead_code, reason = "only read")]
    struct Filter {
        color: Option<String>,
    }

    #[config]
    #[expect(dead_code, reason = "only read")]
    struct Query {
        top_k: Option<u32>,
        #[serde(default)]
        filters: Vec<Filter>,
    }

    #[derive(Default)]
    struct Index;

    #[executor]
    impl Index {
        #[requests(on = "/search")]
        async fn search(&self, _parameters: Parameters<Query>) {}

        #[requests(on = "/count")]
        fn count(&self, _parameters: &Parameters<Query>) {}

        #[requests(on = "/any")]
        fn any(&self, _parameters: &Parameters) {}
    }

    let index = TestExecutor::of(Index);
    let post = |endpoint: &str, parameters: Json| {
        let post = Post::new(endpoint).docs(["x"]).parameters(parameters);
        block_on(index.send(post)).unwrap();
        warnings()
    };
    assert_eq!(
        post("/search", json!({ "topk": 1 })),
        ["parameter `topk` is not one of `search`'s: did you mean `top_k`?"]
    );
    // Once for each handler.
    assert!(post("/search", json!({ "topk": 2 })).is_empty());
    assert_eq!(
        post("/count", json!({ "topk": 1 })),
        ["parameter `topk` is not one of `count`'s: did you mean `top_k`?"]
    );
    // At every depth.
    assert_eq!(
        post("/search", json!({ "filters": [{}, { "colour": "red" }] })),
        ["parameter `filters[1].colour` is not one of `search`'s: did you mean `color`?"]
    );
    // Not near, both there, and without a type.
    assert!(post("/search", json!({ "language": "en" })).is_empty());
    assert!(post("/search", json!({ "top_k": 1, "top-k": 2 })).is_empty());
    assert!(post("/any", json!({ "topk": 1 })).is_empty());
    // A request that fails says it, too.
    let failing = Post::new("/search").parameters(json!({ "Topk": 1, "top_k": "x" }));
    assert!(block_on(index.send(failing)).is_err());
    assert!(warnings().is_empty());
    let failing = Post::new("/search").parameters(json!({ "filtres": 1, "top_k": "x" }));
    assert!(block_on(index.send(failing)).is_err());
    assert_eq!(
        warnings(),
        ["parameter `filtres` is not one of `search`'s: did you mean `filters`?"]
    );
    // Another instance begins anew, and each has an end.
    let index = TestExecutor::of(Index);
    let misspelt: Map = (0..40)
        .map(|number| (format!("filter{number}"), json!(1)))
        .collect();
    for _ in 0..2 {
        let post = Post::new("/search").parameters(misspelt.clone().into());
        block_on(index.send(post)).unwrap();
    }
    assert_eq!(warnings().len(), 16);
}

//! `shards`, `polling`, `uses_before` and `uses_after`, also beside a real Jina Flow.

use std::fs;

use serde_json::{Value, json};
use wasm_flow_tests::setup::example;
use wasm_flow_tests::{Finished, Server, wasm_flow};

/// The example's index under the name `index`, with more lines.
fn index(more: &str) -> String {
    let uses = example("vector-index");
    format!("[[executors]]\nname = \"index\"\nuses = {uses:?}\nworkspace = \"work\"\n{more}\n")
}

/// The probe under the name `probe`, with more lines.
fn probe(more: &str) -> String {
    format!("[[executors]]\nname = \"probe\"\nuses = \"{{probe}}\"\n{more}\n")
}

/// Six points and a search for what is nearest to the first.
const POINTS: &str = "
def points(*numbers):
    return DocumentArray([
        Document(id=f'p{n}', text=f'p{n}', embedding=np.array([1.0, n], dtype='f4'))
        for n in numbers
    ])
def index(*numbers):
    return [results('/index', points(n)) for n in numbers]
def search(**parameters):
    (response,) = responses('/search', points(0), parameters=parameters)
    return {
        'texts': response.docs.texts,
        'found': [doc.matches[:, 'id'] for doc in response.docs],
        'code': response.header.status.code,
        'description': response.header.status.description,
        'results': dict(response.parameters).get('__results__', {}),
    }
";

fn with_points(flow: &Server, snippet: &str) -> Value {
    flow.python(&format!("{POINTS}\n{snippet}"))
}

#[test]
fn an_index_is_divided_and_a_search_finds_what_all_shards_keep() {
    let mut flow = Server::run(&index("shards = 2"));
    let seen = with_points(
        &flow,
        "
indexed = index(0, 1, 2, 3, 4)
answer({'indexed': indexed, 'found': search(), 'best': search(top_k=1)})
",
    );
    let kept = |shard: u32, documents: f64| {
        let key = format!("index/shard-{shard}/rep-0");
        json!({ key: { "documents": documents } })
    };
    assert_eq!(
        seen["indexed"],
        json!([
            kept(0, 1.0),
            kept(1, 1.0),
            kept(0, 2.0),
            kept(1, 2.0),
            kept(0, 3.0)
        ]),
        "in turn"
    );
    assert_eq!(seen["found"]["texts"], json!(["p0"]), "one document");
    // As they come: nobody has sorted them.
    assert_eq!(
        seen["found"]["found"],
        json!([["p0", "p2", "p4", "p1", "p3"]])
    );
    assert_eq!(seen["best"]["found"], json!([["p0", "p1"]]), "one of each");
    flow.signal(rustix::process::Signal::TERM);
    let ended = flow.ended();
    assert_eq!(ended.status, Some(0), "{ended}");
    for shard in ["shard-0", "shard-1"] {
        let file = flow
            .folder()
            .join("work/index")
            .join(shard)
            .join("0/index.bin");
        assert!(fs::metadata(&file).unwrap().len() > 0, "{}", file.display());
    }
}

#[test]
fn what_is_behind_the_shards_puts_the_best_first() {
    let merge = example("best-matches");
    let flow = Server::run(&index(&format!(
        "shards = 3\npolling = {{ \"/delete\" = \"ALL\" }}\nuses_after = {merge:?}"
    )));
    let seen = with_points(
        &flow,
        "
index(5, 4, 3, 2, 1)
found, best = search(), search(top_k=2)
deleted = results('/delete', points(1, 4))
answer({'found': found, 'best': best, 'deleted': deleted, 'left': search()})
",
    );
    let found = |key: &str| seen[key]["found"].clone();
    assert_eq!(found("found"), json!([["p1", "p2", "p3", "p4", "p5"]]));
    assert_eq!(found("best"), json!([["p1", "p2"]]));
    assert_eq!(found("left"), json!([["p2", "p3", "p5"]]));
    assert_eq!(seen["found"]["texts"], json!(["p0"]));
    let deleted =
        |deleted: f64, documents: f64| json!({ "deleted": deleted, "documents": documents });
    assert_eq!(
        seen["deleted"],
        json!({
            "index/shard-0/rep-0": deleted(0.0, 2.0),
            "index/shard-1/rep-0": deleted(2.0, 0.0),
            "index/shard-2/rep-0": deleted(0.0, 1.0),
        })
    );
}

#[test]
fn each_endpoint_is_polled_as_the_table_says_and_an_instance_knows_which_it_is() {
    let flow = Server::run(&probe(
        "shards = 2\nreplicas = 2\nworkspace = \"work\"\n\
         polling = { \"/all\" = \"ALL\", \"/search\" = \"ANY\", \"/trace\" = \"ALL\" }",
    ));
    let seen = flow.python(
        "
        answer({
            'all': results('/all', texts('t')),
            'search': results('/search', texts('t')),
            'other': results('/other', texts('t')),
            'trace': client().post('/trace', DocumentArray([Document(id='x', text='t')])).texts,
        })
        ",
    );
    let keys = |on: &str| -> Vec<String> {
        let results = seen[on].as_object().unwrap().keys();
        results.map(|key| key[..key.len() - 1].to_owned()).collect()
    };
    assert_eq!(keys("all"), ["probe/shard-0/rep-", "probe/shard-1/rep-"]);
    // Endpoints that the default method takes share their turns.
    assert_eq!(keys("search"), ["probe/shard-0/rep-"]);
    assert_eq!(keys("other"), ["probe/shard-1/rep-"]);
    // The first shard's text counts.
    let text = seen["trace"][0].as_str().unwrap();
    assert!(text.starts_with("t>probe/shard-0/rep-"), "{text}");
    for (key, report) in seen["all"].as_object().unwrap() {
        let args = &report["runtime_args"];
        assert_eq!(args["name"], **key);
        assert_eq!(args["executor"], "probe");
        let numbers = [&args["replicas"], &args["shards"]];
        assert_eq!(numbers, [&json!(2.0), &json!(2.0)]);
        let shard = args["shard_id"].as_f64().unwrap();
        assert!(key.starts_with(&format!("probe/shard-{shard}/")), "{key}");
        assert_eq!(report["matrix"], json!([["gateway", ["t"]]]));
        assert_eq!(report["metas"]["workspace"], "/workspace");
    }
    for folder in ["shard-0/0", "shard-0/1", "shard-1/0", "shard-1/1"] {
        assert!(flow.folder().join("work/probe").join(folder).is_dir());
    }
}

#[test]
fn what_is_around_the_shards_sees_their_documents_and_has_results_of_its_own() {
    let flow = Server::run(&probe(
        "shards = 2\npolling = { \"/report\" = \"ALL\", \"/trace\" = \"ALL\" }\n\
         uses_before = \"{probe}\"\n\
         uses_after = { uses = \"{probe}\", uses_with = { after = true }, \
         uses_requests = { \"/trace\" = \"spare\" } }",
    ));
    let seen = flow.python(
        "
        (response,) = responses('/report', texts('t'))
        (traced,) = responses('/trace', texts('t'))
        answer({
            'report': dict(response.parameters)['__results__'],
            'texts': response.docs.texts,
            'traced': traced.docs.texts,
            'trace': dict(traced.parameters)['__results__'],
            'routes': [route.executor for route in response.routes],
        })
        ",
    );
    let report = &seen["report"];
    let keys: Vec<&String> = report.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "probe/shard-0/rep-0",
            "probe/shard-1/rep-0",
            "probe/uses_after-0",
            "probe/uses_before-0"
        ]
    );
    let of = |key: &str, what: &str| report[key][what].clone();
    assert_eq!(
        of("probe/uses_before-0", "matrix"),
        json!([["gateway", ["t"]]])
    );
    for shard in ["probe/shard-0/rep-0", "probe/shard-1/rep-0"] {
        assert_eq!(of(shard, "matrix"), json!([["probe/uses_before", ["t"]]]));
    }
    let after = "probe/uses_after-0";
    let parts = json!([["probe/shard-0", ["t"]], ["probe/shard-1", ["t"]]]);
    assert_eq!(of(after, "matrix"), parts);
    assert_eq!(of(after, "config"), json!({ "after": true }));
    assert_eq!(report[after]["runtime_args"]["name"], after);
    assert_eq!(report[after]["executor"], "probe");
    // The probe puts nothing together.
    assert_eq!(seen["texts"], json!(["t", "t"]));
    let text = "t>probe/uses_before-0>probe/shard-0/rep-0";
    let other = "t>probe/uses_before-0>probe/shard-1/rep-0";
    assert_eq!(seen["traced"], json!([text, other]));
    assert_eq!(
        seen["trace"],
        json!({ "probe/uses_after-0": { "spare": true } })
    );
    assert_eq!(seen["routes"], json!(["gateway", "probe"]));
}

#[test]
fn one_shard_may_have_something_around_it() {
    let flow = Server::run(&probe(
        "uses_requests = { \"/trace\" = \"trace\" }\nuses_after = \"{probe}\"",
    ));
    let seen = flow.python(
        "
        answer({
            'texts': client().post('/trace', texts('t')).texts,
            'results': sorted(results('/x', texts('t'))),
        })
        ",
    );
    assert_eq!(seen["texts"], json!(["t>probe/rep-0>probe/uses_after-0"]));
    assert_eq!(
        seen["results"],
        json!(["probe/rep-0", "probe/uses_after-0"])
    );
}

#[test]
fn a_shard_that_fails_fails_the_request_and_is_named() {
    let flow = Server::run(&index("shards = 2"));
    let seen = with_points(
        &flow,
        "
index(0)
# Into the other shard: three numbers where the query has two.
longer = Document(id='long', embedding=np.array([1, 2, 3], dtype='f4'))
results('/index', DocumentArray([longer]))
answer(search())
",
    );
    assert_eq!(seen["code"], 1);
    let description = seen["description"].as_str().unwrap();
    assert!(
        description.starts_with("shard 1: executor `index` failed at endpoint `/search`"),
        "{description}"
    );
    assert!(
        description.contains("embeddings of 3 numbers"),
        "{description}"
    );
    assert_eq!(
        seen["found"],
        json!([[]]),
        "nothing of the shard that did not fail"
    );
    assert_eq!(seen["texts"], json!(["p0"]));
}

#[test]
fn what_a_shard_prints_says_which_it_is() {
    let flow = Server::run(&probe(
        "shards = 2\npolling = \"ALL\"\nuses_after = \"{probe}\"",
    ));
    flow.python("client().post('/print', texts('t'))");
    flow.printed_lines(6);
    let mut printers: Vec<String> = flow.printed().into_iter().map(|(who, _)| who).collect();
    printers.sort();
    printers.dedup();
    assert_eq!(
        printers,
        [
            "probe/shard-0/rep-0",
            "probe/shard-1/rep-0",
            "probe/uses_after-0"
        ]
    );
}

/// `wasm-flow check` of a flow, in a folder of its own.
fn check(toml: &str) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    wasm_flow_tests::server::write_flow(folder.path(), toml);
    Finished::of(wasm_flow(["check", "flow.toml"]).current_dir(folder.path()))
}

#[test]
fn check_shows_shards_and_what_is_around_them() {
    let finished = check(&index(&format!(
        "shards = 2\nreplicas = 3\nuses_after = {:?}",
        example("best-matches")
    )));
    assert_eq!(finished.status, Some(0), "{finished}");
    for shown in [
        "3 in each of 2 shards",
        "index/uses_after",
        "BestMatches",
        "/search → merge",
        "/search → search (ALL)",
        "/index → index (ANY)",
    ] {
        assert!(finished.stdout.contains(shown), "{shown}: {finished}");
    }
    // Each replica of a shard keeps its own part of that shard's documents.
    assert!(
        finished
            .stderr
            .contains("each of its 3 replicas keeps its own"),
        "{finished}"
    );
}

#[test]
fn check_warns_of_what_is_doubtful_about_shards() {
    for (more, expected) in [
        (
            "polling = \"ALL\"",
            "`polling` does nothing: the executor has one shard",
        ),
        (
            "shards = 2\npolling = \"ALL\"",
            "`polling` sends `/index` to every shard: each keeps all documents",
        ),
        (
            "shards = 2\npolling = { \"/status\" = \"ALL\", \"*\" = \"ANY\" }",
            "`polling` sends `/search` to one shard: it finds only what that one keeps",
        ),
        (
            "shards = 2\nno_reduce = true",
            "`no_reduce` does nothing: `index` has one need",
        ),
        (
            "replicas = 2",
            "or `shards`, of which `polling` can ask all",
        ),
    ] {
        let finished = check(&index(more));
        assert_eq!(finished.status, Some(0), "{finished}");
        assert!(finished.stderr.contains(expected), "{more}: {finished}");
    }
    for more in [
        "shards = 2",
        "shards = 2\npolling = { \"/index\" = \"ANY\", \"/search\" = \"ALL\", \"*\" = \"ALL\" }",
        "shards = 2\npolling = { \"/index\" = \"ALL\", \"*\" = \"ALL\" }",
    ] {
        let finished = check(&index(more));
        assert_eq!(
            (finished.status, finished.stderr.as_str()),
            (Some(0), ""),
            "{more}"
        );
    }
}

#[test]
fn check_refuses_what_shards_cannot_be() {
    for (more, place, expected) in [
        (
            "shards = 0",
            "flow.toml:5:10",
            "`shards` must be a whole number from 1 to 1000",
        ),
        (
            "shards = 2\npolling = \"SOME\"",
            "flow.toml:6:11",
            "`polling` must be \"ANY\" or \"ALL\"",
        ),
        (
            "shards = 2\npolling = { \"/serch\" = \"ALL\" }",
            "flow.toml:6:13",
            "did you mean `/search`?",
        ),
        (
            "shards = 2\nuses_after = \"nowhere\"",
            "flow.toml:6:14",
            "no such file or folder",
        ),
        (
            "shards = 2\nuses_after = { uses = \"{probe}\", uses_requests = { \"/x\" = \"trase\" } }",
            "flow.toml:6:",
            "`trase`, which is not a method of ",
        ),
        (
            "shards = 2\nuses_before = { uses = \"{probe}\", allow.dirs = [{ host = \"gone\", guest = \"/g\" }] }",
            "flow.toml:6:",
            "no such folder",
        ),
    ] {
        let finished = check(&index(more));
        assert_eq!(finished.status, Some(1), "{more}: {finished}");
        finished.complains_of(&[place, expected]);
    }
}

#[test]
fn what_does_not_start_around_shards_has_its_place_and_is_said_once() {
    // It takes no such configuration, in none of its three shards.
    let refused = Server::refused(&index("shards = 3\nuses_with = { flush = 1 }"));
    assert_eq!(refused.status, Some(1), "{refused}");
    assert_eq!(
        refused.stderr.matches("flush_seconds").count(),
        1,
        "{refused}"
    );
    refused.complains_of(&["flow.toml:6:1", "unknown key `flush`"]);

    let merge = example("best-matches");
    let refused = Server::refused(&index(&format!(
        "shards = 2\nuses_after = {{ uses = {merge:?}, uses_with = {{ scores = \"x\" }} }}"
    )));
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.complains_of(&["flow.toml:6:", "BestMatches", "unknown key `scores`"]);
}

/// What a client sees of a sharded index, whichever gateway serves it.
const SEEN: &str = "
def seen(port):
    client = jina.Client(port=port)
    def post(on, docs):
        (response,) = client.post(on, docs, return_responses=True, on_error=lambda response: None)
        results = dict(response.parameters).get('__results__', {})
        return response.docs, results
    indexed = [post('/index', points(n))[1] for n in (3, 0, 4, 1, 5, 2)]
    docs, results = post('/search', points(0, 5))
    _, status = post('/status', points(0))
    passed, nothing = post('/nothing', points(0, 1))
    return {
        # Which shard is the first is a matter of what Jina has asked before.
        'indexed': sorted({key for results in indexed for key in results}),
        'each by one': all(len(results) == 1 for results in indexed),
        'searched': docs.texts,
        'found': [doc.matches[:, 'id'] for doc in docs],
        'results': sorted(results),
        'status': sorted(status),
        'documents': sum(one['documents'] for one in status.values()),
        'passed': passed.texts,
        'nothing': nothing,
    }
";

/// The same executors in Python.
const IN_PYTHON: &str = "
from jina import Executor, Flow, requests
class Index(Executor):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.kept = {}
    @requests(on='/index')
    def index(self, docs, **kwargs):
        self.kept.update({doc.id: doc for doc in docs})
        return {'documents': len(self.kept)}
    @requests(on='/status')
    def status(self, **kwargs):
        return {'documents': len(self.kept)}
    @requests(on='/search')
    def search(self, docs, **kwargs):
        for doc in docs:
            def cosine(other):
                one, two = doc.embedding, other.embedding
                return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))
            found = [Document(other, copy=True) for other in self.kept.values()]
            for other in found:
                other.scores['cosine'].value = cosine(other)
            doc.matches = sorted(found, key=lambda other: -other.scores['cosine'].value)
class BestMatches(Executor):
    @requests(on='/search')
    def merge(self, docs, docs_matrix, **kwargs):
        merged, *others = docs_matrix
        merged.reduce_all(others)
        for doc in merged:
            doc.matches = sorted(doc.matches, key=lambda other: -other.scores['cosine'].value)
        return merged
def of_jina(**more):
    with Flow().add(name='index', uses=Index, shards=2, polling={'/status': 'ALL'}, **more) as flow:
        return seen(flow.port)
";

#[test]
fn a_client_sees_what_it_sees_of_jina() {
    let index = |more: &str| {
        index(&format!(
            "shards = 2\npolling = {{ \"/status\" = \"ALL\" }}\n{more}"
        ))
    };
    let seen = |flow: &Server, of_jina: &str| {
        with_points(
            flow,
            &format!("{SEEN}\n{IN_PYTHON}\nanswer({{'jina': {of_jina}, 'here': seen(PORT)}})"),
        )
    };
    // Nobody has sorted the matches of both shards. They stand in the order of the shards,
    // and Jina began with another shard.
    let mut plain = seen(&Server::run(&index("")), "of_jina()");
    for whose in ["jina", "here"] {
        for found in plain[whose]["found"].as_array_mut().unwrap() {
            let ids = found.as_array_mut().unwrap();
            ids.sort_by_key(Value::to_string);
        }
    }
    assert_eq!(plain["here"], plain["jina"]);
    let all = json!(["p0", "p1", "p2", "p3", "p4", "p5"]);
    assert_eq!(plain["here"]["found"], json!([all, all]));
    assert_eq!(plain["here"]["documents"], 6.0);

    let merge = format!("uses_after = {:?}", example("best-matches"));
    let mut merged = seen(
        &Server::run(&index(&merge)),
        "of_jina(uses_after=BestMatches)",
    );
    // Behind a `uses_after`, Jina has the results of the first shard alone, also of an
    // endpoint that `uses_after` does not bind.
    for (whose, shards) in [("jina", 1), ("here", 2)] {
        let merged = merged[whose].as_object_mut().unwrap();
        let status = merged.remove("status").unwrap();
        assert_eq!(status.as_array().unwrap().len(), shards, "{whose}");
        merged.remove("documents");
    }
    assert_eq!(merged["here"], merged["jina"]);
    let back = json!(["p5", "p4", "p3", "p2", "p1", "p0"]);
    assert_eq!(merged["here"]["found"], json!([all, back]));
}

//! Flows that are more than a chain: branches, joins, filters, and executors that
//! nobody waits for. The names of the tests are those of the rows of Jina's behaviour
//! that they are about.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_flow_tests::Server;

/// An executor of this name, with more lines.
fn executor(name: &str, more: &str) -> String {
    format!("[[executors]]\nname = \"{name}\"\nuses = \"{{probe}}\"\n{more}\n")
}

/// `a`, then `left` and `right`, then `join`.
fn diamond(join: &str) -> Server {
    let flow = [
        executor("a", ""),
        executor("left", ""),
        executor("right", "needs = \"a\""),
        executor("join", join),
    ];
    Server::run(&flow.concat())
}

#[test]
fn needs_and_needs_all_make_a_diamond_whose_first_need_counts() {
    for (join, expected) in [
        (
            "needs = [\"left\", \"right\"]",
            "t>a/rep-0>left/rep-0>join/rep-0",
        ),
        (
            "needs = [\"right\", \"left\"]",
            "t>a/rep-0>right/rep-0>join/rep-0",
        ),
        ("needs = \"all\"", "t>a/rep-0>left/rep-0>join/rep-0"),
    ] {
        let flow = diamond(join);
        let seen = flow.python(
            "
            (response,) = responses('/trace', texts('t'))
            answer({
                'texts': response.docs.texts,
                'routes': [route.executor for route in response.routes],
                'ends': [route.HasField('end_time') for route in response.routes],
            })
            ",
        );
        assert_eq!(seen["texts"], json!([expected]), "{join}");
        assert_eq!(
            seen["routes"],
            json!(["gateway", "a", "left", "join", "right"]),
            "a walk depth first"
        );
        assert_eq!(seen["ends"], json!([true, true, true, true, true]));
    }
}

#[test]
fn reduce_at_join_takes_each_field_from_the_first_that_has_it() {
    // One sets a tag, the other the text.
    let flow = [
        executor("tags", "uses_requests = { \"/go\" = \"model\" }"),
        executor(
            "texts",
            "needs = \"gateway\"\nuses_requests = { \"/go\" = \"trace\" }",
        ),
        executor(
            "join",
            "needs = [\"texts\", \"tags\"]\nuses_requests = { \"/go\" = \"nothing\" }",
        ),
    ];
    let flow = Server::run(&flow.concat());
    let seen = flow.python(
        "
        sent = DocumentArray([
            Document(id='x', text='x', chunks=texts('c')),
            Document(id='y', text='y', matches=texts('m')),
        ])
        (response,) = responses('/go', sent)
        docs = response.docs
        answer({
            'texts': docs.texts,
            'tags': [dict(doc.tags) for doc in docs],
            'nested': [docs[0].chunks.texts, docs[1].matches.texts],
        })
        ",
    );
    assert_eq!(seen["texts"], json!(["x>texts/rep-0", "y>texts/rep-0"]));
    let tag = json!({ "together": 2.0 });
    assert_eq!(seen["tags"], json!([tag, tag]));
    assert_eq!(seen["nested"], json!([["c"], ["m"]]), "once");
}

#[test]
fn no_reduce_gives_all_documents_by_predecessor() {
    let seen = |join: &str| {
        let flow = diamond(join);
        flow.python(
            "
            (response,) = responses('/unknown', texts('t'))
            answer(dict(response.parameters)['__results__']['join/rep-0'])
            ",
        )
    };
    let parts = json!([["left", ["t"]], ["right", ["t"]]]);
    let apart = seen("needs = \"all\"\nno_reduce = true");
    assert_eq!((&apart["docs"], &apart["matrix"]), (&json!(2.0), &parts));
    let reduced = seen("needs = \"all\"");
    assert_eq!(
        (&reduced["docs"], &reduced["matrix"]),
        (&json!(1.0), &parts)
    );
}

#[test]
fn results_of_branches_are_kept_by_runtime_name() {
    let flow = diamond("needs = \"all\"");
    let results = flow.python("answer(sorted(results('/unknown', texts('t'))))");
    assert_eq!(
        results,
        json!(["a/rep-0", "join/rep-0", "left/rep-0", "right/rep-0"])
    );
}

#[test]
fn when_sends_matching_documents_and_the_answer_has_the_requests_order() {
    let flow = [
        executor(
            "small",
            "when = { tags__n = { \"$lt\" = 2 } }\nneeds = \"gateway\"",
        ),
        executor(
            "large",
            "when = { tags__n = { \"$gte\" = 2 } }\nneeds = \"gateway\"",
        ),
        executor(
            "join",
            "needs = [\"large\", \"small\"]\nuses_requests = { \"/x\" = \"nothing\" }",
        ),
    ];
    let flow = Server::run(&flow.concat());
    let seen = flow.python(
        "
        sent = DocumentArray([Document(text=str(n), tags={'n': n}) for n in (3, 0, 2, 1)])
        sent.append(Document(text='none'))
        (response,) = responses('/trace', sent)
        answer(response.docs.texts)
        ",
    );
    let seen: Vec<&str> = seen
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        seen,
        [
            "3>large/rep-0>join/rep-0",
            "0>small/rep-0>join/rep-0",
            "2>large/rep-0>join/rep-0",
            "1>small/rep-0>join/rep-0",
        ],
        "the one without the tag goes nowhere"
    );
}

#[test]
fn floating_is_not_awaited_and_ends_before_the_flow_does() {
    let flow = [
        executor("a", ""),
        executor("beside", "floating = true"),
        executor("b", "uses_requests = { \"/gauge\" = \"nothing\" }"),
    ];
    // `a` waits as well, so it is bound to something else.
    let flow = flow.concat().replacen(
        "name = \"a\"\nuses = \"{probe}\"\n",
        "name = \"a\"\nuses = \"{probe}\"\nuses_requests = { \"/gauge\" = \"nothing\" }\n",
        1,
    );
    let mut flow = Server::run(&flow);
    let start = Instant::now();
    let seen = flow.python(
        "
        (response,) = responses('/gauge', texts('t'), parameters={'seconds': 20.0})
        answer({
            'texts': response.docs.texts,
            'routes': [route.executor for route in response.routes],
        })
        ",
    );
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(seen["texts"], json!(["t"]));
    assert_eq!(seen["routes"], json!(["gateway", "a", "beside", "b"]));
    flow.signal(rustix::process::Signal::TERM);
    let ended = flow.ended();
    assert_eq!(ended.status, Some(0), "{ended}");
    assert!(
        start.elapsed() >= Duration::from_secs(20),
        "the call came to its end"
    );
}

#[test]
fn an_executor_that_fails_in_a_branch_ends_the_request() {
    let flow = [
        executor("a", ""),
        executor("left", "uses_requests = { \"/busy\" = \"nothing\" }"),
        executor("right", "needs = \"a\""),
        executor("join", "needs = \"all\""),
    ];
    let flow = flow.concat().replacen(
        "name = \"a\"\nuses = \"{probe}\"\n",
        "name = \"a\"\nuses = \"{probe}\"\nuses_requests = { \"/busy\" = \"nothing\" }\n",
        1,
    );
    let flow = Server::run(&flow);
    let seen = flow.python(
        "
        (response,) = responses('/busy', texts('t'))
        answer({
            'code': response.header.status.code,
            'texts': response.docs.texts,
            'failed': [route.executor for route in response.routes if route.status.code],
            'routes': [route.executor for route in response.routes],
        })
        ",
    );
    assert_eq!(seen["code"], 1);
    assert_eq!(seen["texts"], json!(["t"]));
    assert_eq!(seen["failed"], json!(["right"]));
    assert_eq!(seen["routes"], json!(["gateway", "a", "left", "right"]));
}

#[test]
fn dynamic_batching_puts_requests_together_and_gives_each_its_own() {
    let batching = "{ \"/model\" = { preferred_batch_size = 4, timeout = \"200ms\" } }";
    let flow = Server::run(&executor(
        "a",
        &format!("uses_dynamic_batching = {batching}"),
    ));
    let seen = flow.python(
        "
        def together(count, size):
            docs = texts(*[str(n) for n in range(count)])
            docs = client().post('/model', docs, request_size=size, results_in_order=True)
            return [docs.texts, sorted(int(doc.tags['together']) for doc in docs)]
        answer({'ones': together(10, 1), 'ten': together(10, 10), 'three': together(3, 1)})
        ",
    );
    let texts = |count: u32| json!((0..count).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(seen["ones"][0], texts(10));
    assert_eq!(
        seen["ten"],
        json!([texts(10), [2, 2, 4, 4, 4, 4, 4, 4, 4, 4]])
    );
    assert_eq!(
        seen["three"],
        json!([texts(3), [3, 3, 3]]),
        "after the timeout"
    );
    // Which of them find each other depends on when they come; none has to go alone.
    let together = seen["ones"][1].as_array().unwrap();
    let together: Vec<i64> = together.iter().filter_map(Value::as_i64).collect();
    assert!(
        together.iter().all(|count| (2..=4).contains(count)),
        "{seen}"
    );
    assert!(
        together.iter().filter(|count| **count == 4).count() >= 4,
        "{seen}"
    );
}

#[test]
fn dynamic_batching_of_an_endpoint_that_is_not_bound_is_refused() {
    let batching = "{ \"/modle\" = { preferred_batch_size = 4 } }";
    let toml = executor(
        "a",
        &format!(
            "uses_requests = {{ \"/rest\" = \"report\" }}\nuses_dynamic_batching = {batching}"
        ),
    );
    Server::refused(&toml).complains_of(&[
        "flow.toml:5:27",
        "`/modle`, which Probe binds no method to",
        "did you mean `/model`?",
    ]);
}

//! The seeds' examples, each over the real client. S1, S2 and S14 are in
//! `timed`; S12 needs the hub.

use serde_json::json;
use wasm_flow::executor::Executor;
use wasm_flow_tests::{Finished, Server, example, repository, wasm_flow};

use crate::examples::{texts, texts_of};

/// The seeds' first snippet: a handler that awaits some coroutines.
#[test]
fn s0_a_handler_awaits_some_coroutines() {
    let flow = Server::example("seeds/some-coroutines");
    let lengths = flow.python(
        "
        docs = client().post('/', texts('one', 'three'))
        answer([doc.tags['length'] for doc in docs])
        ",
    );
    assert_eq!(lengths, json!([3.0, 5.0]));
}

#[test]
fn s3_s4_construction_metas_requests_and_runtime_arguments() {
    let flow = Server::example("seeds/my-executor");
    let results = flow.python("answer(results('/info'))");
    let info = &results["my_executor/rep-0"];
    assert_eq!(info["foo"], "hello");
    assert_eq!(info["bar"], 3.0);
    assert_eq!(info["metas"]["name"], "MyExecutor");
    assert_eq!(info["metas"]["description"], "keeps a foo and a bar");
    assert!(info["metas"].get("workspace").is_some(), "{info}");
    assert_eq!(info["requests"]["/info"], "info");
    assert_eq!(info["runtime_args"]["name"], "my_executor/rep-0");
    assert_eq!(info["runtime_args"]["replicas"], 1.0);
}

#[test]
fn s3_a_missing_or_misspelt_argument_is_a_start_error_that_names_it() {
    let flow = |uses_with: &str| {
        format!(
            "[[executors]]\nname = \"mine\"\nuses = \"{}\"\nuses_with = {uses_with}\n",
            example("my-executor").display()
        )
    };
    let missing = Server::refused(&flow("{ foo = \"hello\" }"));
    assert_eq!(missing.status, Some(1), "{missing}");
    missing.complains_of(&["mine", "bar", "flow.toml:4:"]);

    let misspelt = Server::refused(&flow("{ foo = \"hello\", baar = 3 }"));
    assert_eq!(misspelt.status, Some(1), "{misspelt}");
    misspelt.complains_of(&["mine", "baar", "`bar`", "flow.toml:4:"]);

    let wrong = Server::refused(&flow("{ foo = \"hello\", bar = \"three\" }"));
    assert_eq!(wrong.status, Some(1), "{wrong}");
    wrong.complains_of(&["mine", "bar", "three"]);
}

#[test]
fn s5_endpoints_reach_their_methods() {
    let flow = Server::example("seeds/request-executor");
    flow.python(
        "
        c = client()
        c.post(on='/index', inputs=[])
        c.post(on='/other', inputs=[])
        c.post(on='/search', inputs=[])
        ",
    );
    assert_eq!(
        flow.printed_lines(3),
        ["Calling foo", "Calling bar", "Calling foo"]
    );
    assert!(
        flow.printed()
            .iter()
            .all(|(executor, _)| executor.starts_with("requests")),
        "every line has the executor's name: {:?}",
        flow.printed()
    );
}

#[test]
fn s6_the_default_binding_answers_what_nothing_else_binds() {
    let flow = Server::example("seeds/default-binding");
    flow.python(
        "
        c = client()
        c.post('/blah', texts('hello'))
        c.post('/index', texts('hello'))
        c.post('/default', texts('hello'))
        ",
    );
    assert_eq!(
        flow.printed_lines(3),
        [
            "Calling foo for /blah",
            "Calling bar",
            "Calling foo for /default"
        ]
    );
}

#[test]
fn s7_without_a_binding_requests_pass_through_untouched() {
    let flow = Server::example("seeds/no-binding");
    let seen = flow.python(
        "
        c = client()
        sent = texts('orig')
        sent[0].tags['kept'] = 1
        def pass_through(on):
            got = c.post(on, sent)
            return [got[0].text, exact(got) == exact(sent)]
        answer({on: pass_through(on) for on in ['/only', '/other', 'only', '/Only', '/only/', '/foo']})
        ",
    );
    let untouched = json!(["orig", true]);
    assert_eq!(seen["/only"], json!(["changed", false]));
    for endpoint in ["/other", "only", "/Only", "/only/", "/foo"] {
        assert_eq!(seen[endpoint], untouched, "{endpoint}");
    }
}

#[test]
fn s8_handlers_with_all_some_and_none_of_the_arguments() {
    let flow = Server::example("seeds/arguments");
    let seen = flow.python(
        "
        c = client()
        answer({
            'full': results('/full', texts('a', 'b'), parameters={'n': 1}),
            'docs': c.post('/docs', texts('a', 'b')).texts,
            'parameters': c.post('/docs_parameters', texts('a', 'b'), parameters={'suffix': '!'}).texts,
            'none': c.post('/none', texts('a', 'b')).texts,
        })
        ",
    );
    assert_eq!(
        seen["full"]["my_executor/rep-0"],
        json!({ "docs": 2.0, "parameters": { "n": 1.0 }, "docs_matrix": { "gateway": 2.0 } })
    );
    assert_eq!(seen["docs"], json!(["A", "B"]));
    assert_eq!(seen["parameters"], json!(["a!", "b!"]));
    assert_eq!(seen["none"], json!(["a", "b"]));
    assert_eq!(flow.printed_lines(1), ["called without arguments"]);
}

#[test]
fn s9_the_three_kinds_of_return_chained_twice() {
    let flow = Server::example("seeds/returns");
    let seen = flow.python(
        "
        c = client()
        seen = {on: [doc.text for doc in c.post(on, texts('a', 'b', 'c'))] for on in ['/da', '/none', '/empty', '/delete', '/append']}
        (response,) = responses('/dict', texts('a', 'b', 'c'))
        seen['/dict'] = response.docs.texts
        seen['results'] = response.parameters['__results__']
        answer(seen)
        ",
    );
    assert_eq!(seen["/da"], json!(["new1", "new2"]));
    assert_eq!(seen["/none"], json!(["a!!", "b!!", "c!!"]));
    assert_eq!(seen["/dict"], json!(["a??", "b??", "c??"]));
    assert_eq!(seen["/empty"], json!([]));
    assert_eq!(seen["/delete"], json!(["c"]));
    assert_eq!(
        seen["/append"],
        json!(["a", "b", "c", "appended", "appended"])
    );
    let result = json!({ "n": 3.0, "nested": { "list": [1.0, null, "x"] } });
    assert_eq!(
        seen["results"],
        json!({ "r1/rep-0": result, "r2/rep-0": result })
    );
}

#[test]
fn s10_the_chain_prints_the_seeds_four_lines() {
    let flow = Server::example("seeds/chain");
    let seen = flow.python(
        "
        c = client()
        answer([
            c.post(on='/change_in_place', inputs=DocumentArray(Document(text='request1'))).texts,
            c.post(on='/return_different_docarray', inputs=DocumentArray(Document(text='request2'))).texts,
        ])
        ",
    );
    assert_eq!(
        seen,
        json!([
            ["I changed the executor in place"],
            ["I returned a different Document"]
        ])
    );
    assert_eq!(
        flow.printed_lines(4),
        [
            " ProcessDocuments: received document with text \"request1\"",
            " PrintExecutor: received document with text: \"I changed the executor in place\"",
            " ProcessDocuments: received document with text \"request2\"",
            " PrintExecutor: received document with text: \"I returned a different Document\"",
        ]
    );
}

/// The same chain in the batch form.
#[test]
fn s10_as_one_command() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("request.txt");
    std::fs::write(&input, "request\n").unwrap();
    let flow = repository().join("examples/seeds/chain/flow.toml");
    let finished = Finished::successfully(
        wasm_flow(["run"])
            .arg(flow)
            .args(["--on", "/change_in_place", "--print", "text", "--input"])
            .arg(input),
    );
    // Standard output is for the documents alone.
    assert_eq!(
        finished.stdout, "I changed the executor in place\n",
        "{finished}"
    );
    finished.complains_of(&[
        "process/rep-0 |  ProcessDocuments: received document with text \"request\"",
        "print/rep-0 |  PrintExecutor: received document with text: \"I changed the executor in place\"",
        "1 step done",
    ]);
}

/// S11 as a `.wasm` file; as a Rust object it is tested in the example itself.
#[tokio::test]
async fn s11_an_executor_is_used_without_a_flow() {
    let executor = Executor::load(example("outside-flow"))
        .await
        .expect("the executor loads");
    let docs = executor
        .post("/foo", texts(["test"]))
        .await
        .expect("the call succeeds");
    assert_eq!(texts_of(&docs), ["hello world"]);
    executor.stop().await;
}

#[test]
fn s13_an_executor_is_served_alone() {
    let folder = repository().join("examples/seeds/serve");
    let folder = folder.to_str().unwrap();
    // The seed's own port, which is the default, unless this machine uses it for
    // something else.
    let free = std::net::TcpListener::bind("127.0.0.1:12345").is_ok();
    let server = match free {
        true => Server::serve([folder]),
        false => Server::serve([folder, "--port", "0"]),
    };
    assert!(
        !free || server.port() == 12345,
        "the default port is {}",
        server.port()
    );
    let seen = server.python(
        "
        from jina import Client
        print(Client(port=PORT).post(inputs=DocumentArray.empty(1), on='/foo').texts)
        (response,) = responses('/foo', DocumentArray.empty(1))
        answer({
            'texts': Client(port=PORT).post(inputs=DocumentArray.empty(1), on='/foo').texts,
            'routes': [route.executor for route in response.routes],
            'ready': Client(port=PORT).is_flow_ready(),
        })
        ",
    );
    assert_eq!(
        seen,
        json!({ "texts": ["executed MyExec"], "routes": ["gateway", "executor"], "ready": true })
    );
}

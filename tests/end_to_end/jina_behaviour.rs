//! What Jina does, row by row, and the tests that show that a flow does it, too.
//!
//! [docs/flows.md](../../docs/flows.md) has what is different on purpose, and
//! `differential` compares random flows with the real Jina.
//!
//! | what Jina does | tests |
//! | --- | --- |
//! | `on=` match | `routing::endpoints_match_exactly_or_fall_to_the_default`, `seeds::s6_the_default_binding_answers_what_nothing_else_binds` |
//! | no binding | `routing::an_executor_without_a_binding_is_a_route_without_an_end`, `seeds::s7_without_a_binding_requests_pass_through_untouched` |
//! | `on=[list]` | `seeds::s5_endpoints_reach_their_methods` |
//! | a handler's arguments | `seeds::s8_handlers_with_all_some_and_none_of_the_arguments`, `routing::the_executor_knows_what_jina_tells_it` |
//! | empty input | `routing::empty_inputs_reach_the_handler` |
//! | sync and async handlers | `timed::s1_async_handlers_wait_together`, `timed::s2_blocking_handlers_queue`, `interface::a_method_that_does_not_await_waits_for_no_other_call` |
//! | what a handler returns | `seeds::s9_the_three_kinds_of_return_chained_twice` |
//! | a wrong return | `sdk::errors_say_what_is_allowed` |
//! | the scope of parameters | `routing::what_an_executor_does_to_its_parameters_stays_there` |
//! | parameters for one executor | `routing::parameters_meant_for_one_executor` |
//! | `target_executor` | `routing::target_executor_is_a_pattern_from_the_names_beginning`, `routing::an_invalid_target_executor_is_a_clear_error_and_the_flow_goes_on` |
//! | `needs`, `needs_all`, the gateway | `graphs::needs_and_needs_all_make_a_diamond_whose_first_need_counts`, `jina_behaviour::the_gateway_can_be_one_of_several_needs` |
//! | several open ends | `flow_file::several_ends_say_how_to_join_them` |
//! | reduce at a join | `graphs::reduce_at_join_takes_each_field_from_the_first_that_has_it`, `jina_behaviour::reduce_appends_what_is_new_and_puts_nested_documents_together` |
//! | `no_reduce` | `graphs::no_reduce_gives_all_documents_by_predecessor`, `jina_behaviour::no_reduce_keeps_duplicates_for_the_method_to_put_together` |
//! | `when` | `graphs::when_sends_matching_documents_and_the_answer_has_the_requests_order` |
//! | `floating` | `graphs::floating_is_not_awaited_and_ends_before_the_flow_does` |
//! | `replicas` | `routing::replicas_take_turns_and_key_their_results`, `routing::state_lasts_or_not_as_the_isolation_says` |
//! | `shards` and `polling` | `shards::each_endpoint_is_polled_as_the_table_says_and_an_instance_knows_which_it_is`, `shards::a_client_sees_what_it_sees_of_jina`, `shards::an_index_is_divided_and_a_search_finds_what_all_shards_keep`, `jina_behaviour::shards_take_turns_or_are_all_asked_by_endpoint`, `shards::a_shard_that_fails_fails_the_request_and_is_named` |
//! | `uses_before` and `uses_after` | `shards::what_is_around_the_shards_sees_their_documents_and_has_results_of_its_own`, `shards::what_is_behind_the_shards_puts_the_best_first` |
//! | `uses_with`, `uses_metas` | `seeds::s3_s4_construction_metas_requests_and_runtime_arguments`, `seeds::s3_a_missing_or_misspelt_argument_is_a_start_error_that_names_it`, `jina_behaviour::uses_metas_count_over_what_the_executor_says` |
//! | `uses_requests` | `routing::endpoints_match_exactly_or_fall_to_the_default`, `flow_file::a_method_that_does_not_exist`, `jina_behaviour::uses_requests_takes_a_method_from_all_its_endpoints` |
//! | dynamic batching | `graphs::dynamic_batching_puts_requests_together_and_gives_each_its_own`, `jina_behaviour::dynamic_batching_keeps_parameters_apart_and_flushes_all`, `jina_behaviour::dynamic_batching_fails_the_requests_of_a_batch_and_no_others` |
//! | an executor's exception | `hostile::an_error`, `hostile::what_earlier_executors_did_is_kept`, `protocol::errors_and_callbacks` |
//! | errors go with gRPC's OK | `protocol::errors_and_callbacks`, `jina_behaviour::a_failed_request_is_answered_and_its_stream_goes_on` |
//! | a failure in a branch | `graphs::an_executor_that_fails_in_a_branch_ends_the_request` |
//! | `external` | `remote::an_executor_between_two_of_jina`, `remote::an_executor_behind_a_gateway_of_jina`, `jina_behaviour::an_external_executor_that_is_down_fails_the_request_and_is_named`, `remote::a_remote_executor_that_is_killed_and_comes_back` |
//! | retries | `jina_behaviour::retries_are_as_many_as_the_flow_says`, `jina_behaviour::a_retry_goes_to_the_next_address` |
//! | `timeout_send` | `jina_behaviour::timeout_send_bounds_a_call_which_is_made_once` |
//! | `timeout_ready` | `hostile::failing_at_the_start_is_told_before_anything_is_served` |
//! | `prefetch` | `protocol::prefetch_bounds_what_is_in_flight` |
//! | the order of answers | `protocol::results_come_as_they_are_ready_or_in_order` |
//! | dry run | `protocol::discovery_dry_run_and_status`, `protocol::readiness_profiling_and_progress`, `jina_behaviour::a_dry_run_reaches_every_executor_of_a_graph_and_runs_nothing` |
//! | health and reflection | `protocol::health_and_reflection_are_the_standard_services` |
//! | endpoint discovery | `protocol::discovery_dry_run_and_status` |
//! | `Executor.serve` | `seeds::s13_an_executor_is_served_alone` |
//! | `stream_doc` | `stream_doc::a_handler_yields_documents_and_fails_once`, `stream_doc::each_document_passes_the_rest_of_the_chain`, `stream_doc::only_a_chain_passes_documents_on`, `jina_behaviour::stream_doc_sends_messages_of_their_own_and_echoes_once` |
//! | the Flow in YAML | `import::an_imported_flow_runs`, `import::as_json` |
//! | progress and `profiling()` | `protocol::readiness_profiling_and_progress` |
//! | numbers of parameters | `routing::parameters_meant_for_one_executor` |
//! | the keys of results | `graphs::results_of_branches_are_kept_by_runtime_name`, `routing::replicas_take_turns_and_key_their_results` |
//! | the order of routes | `graphs::needs_and_needs_all_make_a_diamond_whose_first_need_counts` |
//! | `docs_map` | `routing::the_executor_knows_what_jina_tells_it`, `graphs::no_reduce_gives_all_documents_by_predecessor` |
//! | `workspace` | `workspace::each_replica_writes_to_a_folder_of_its_own` |
//! | random flows | `differential::random_flows_answer_as_on_jina_but_for_the_rows_of_the_table` |
//!
//! Rust's executors do not inherit from each other, and a wrong return does not compile.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;
use wasm_flow_tests::jina::free_port;
use wasm_flow_tests::{Server, guest, repository};

use crate::security::tests_of;

/// The table above: each test is one that exists, and those of this module are in it.
#[test]
fn every_row_names_tests_that_exist() {
    let table = include_str!("jina_behaviour.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .skip(2);
    let mut named = BTreeSet::new();
    for row in table {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [_, tests] = cells.as_slice() else {
            panic!("a row has two cells: {row}");
        };
        let tests: Vec<&str> = tests
            .trim_end_matches(" |")
            .split(", ")
            .map(|test| test.trim_matches('`'))
            .collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            let (module, name) = test.split_once("::").expect("module::test");
            let file = match module {
                "timed" => "tests/timed/main.rs".to_owned(),
                "sdk" => "guest-sdk/tests/compile.rs".to_owned(),
                module => format!("tests/end_to_end/{module}.rs"),
            };
            let source = fs::read_to_string(repository().join(&file)).expect(&file);
            assert!(
                tests_of(&source).contains(name),
                "{file} has no test {name}"
            );
            if module == "jina_behaviour" {
                named.insert(name.to_owned());
            }
        }
    }
    let mut own = tests_of(include_str!("jina_behaviour.rs"));
    own.remove("every_row_names_tests_that_exist");
    assert_eq!(own, named.iter().map(String::as_str).collect());
}

/// An executor of the twins, with the method that answers `/go`.
fn twin(name: &str, method: &str, more: &str) -> String {
    format!(
        "[[executors]]\nname = \"{name}\"\nuses = \"{{twins}}\"\n\
         uses_requests = {{ \"/go\" = \"{method}\" }}\n{more}\n"
    )
}

#[test]
fn the_gateway_can_be_one_of_several_needs() {
    let flow = |needs: &str| {
        let executors = [
            twin("upper", "upper", ""),
            twin("join", "tell", &format!("needs = {needs}")),
        ];
        let flow = Server::run(&executors.concat());
        flow.python(
            "
            (response,) = responses('/go', texts('a'))
            told = dict(response.parameters)['__results__']['join/rep-0']
            answer([response.docs.texts, sorted(told['map'])])
            ",
        )
    };
    let names = json!(["gateway", "upper"]);
    assert_eq!(flow(r#"["gateway", "upper"]"#), json!([["a"], names]));
    assert_eq!(flow(r#"["upper", "gateway"]"#), json!([["A"], names]));
}

#[test]
fn reduce_appends_what_is_new_and_puts_nested_documents_together() {
    let executors = [
        twin("one", "split", ""),
        twin(
            "two",
            "grow",
            "needs = \"gateway\"\nuses_with = { step = 7 }",
        ),
        twin("three", "find", "needs = \"gateway\""),
        twin("four", "split", "needs = \"gateway\""),
        twin(
            "join",
            "turn",
            "needs = [\"one\", \"two\", \"three\", \"four\"]",
        ),
    ];
    let flow = Server::run(&executors.concat());
    let seen = flow.python(
        "
        docs = client().post('/go', DocumentArray([Document(id='x', text='text')]))
        answer([[doc.id, doc.chunks[:, 'id'], doc.matches[:, 'id']] for doc in docs])
        ",
    );
    assert_eq!(
        seen,
        json!([["grown-7", [], []], ["x", ["x/one0", "x/four0"], ["x~0"]]]),
    );
}

#[test]
fn no_reduce_keeps_duplicates_for_the_method_to_put_together() {
    let executors = [
        twin("one", "upper", ""),
        twin("two", "mark", "needs = \"gateway\""),
        twin("join", "weave", "needs = \"all\"\nno_reduce = true"),
    ];
    let flow = Server::run(&executors.concat());
    let seen = flow.python(
        "
        docs = client().post('/go', DocumentArray([Document(id=i, text=i) for i in 'ab']))
        answer([[doc.text, doc.tags['part']] for doc in docs])
        ",
    );
    assert_eq!(
        seen,
        json!([["A", 0.0], ["a", 1.0], ["B", 0.0], ["b", 1.0]])
    );
}

#[test]
fn uses_metas_count_over_what_the_executor_says() {
    let flow = Server::run(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n\
         uses_metas = { name = \"Another\", description = \"of the flow\" }\n",
    );
    let metas = flow.python("answer(results('/report')['a/rep-0']['metas'])");
    assert_eq!(metas["name"], "Another");
    assert_eq!(metas["description"], "of the flow");
}

#[test]
fn uses_requests_takes_a_method_from_all_its_endpoints() {
    // By itself, it is bound to `/upper` and `/shout`.
    let flow = Server::run(&twin("a", "upper", ""));
    let seen = flow.python(
        "answer([client().post(on, texts('x')).texts for on in ['/go', '/upper', '/shout']])",
    );
    assert_eq!(seen, json!([["X"], ["x"], ["x"]]));
}

#[test]
fn dynamic_batching_keeps_parameters_apart_and_flushes_all() {
    let flow = |batching: &str| {
        Server::run(&format!(
            "[[executors]]\nname = \"a\"\nuses = \"{{probe}}\"\n\
             uses_dynamic_batching.\"/model\" = {batching}\n"
        ))
    };
    // Each waits for its second: no batch has requests of both.
    let seen = flow("{ preferred_batch_size = 2, timeout = \"60s\" }").python(
        "
        from concurrent.futures import ThreadPoolExecutor
        def post(k):
            body = request('/model', texts(str(k)))
            body.parameters.update({'k': k})
            (doc,) = raw(body)['response'].data.docs.docs
            return [doc.text, doc.tags['together']]
        with ThreadPoolExecutor(4) as pool:
            answer(sorted(pool.map(post, [1, 2, 1, 2])))
        ",
    );
    let two = |text: &str| json!([text, 2.0]);
    assert_eq!(seen, json!([two("1"), two("1"), two("2"), two("2")]));

    let seen = flow("{ preferred_batch_size = 4, timeout = \"200ms\", flush_all = true }").python(
        "
        docs = client().post('/model', texts(*['x'] * 10))
        answer(sorted({doc.tags['together'] for doc in docs}))
        ",
    );
    assert_eq!(seen, json!([10.0]));
}

#[test]
fn dynamic_batching_fails_the_requests_of_a_batch_and_no_others() {
    let flow = |method: &str| {
        let batching = "uses_dynamic_batching.\"/go\" = \
                        { preferred_batch_size = 2, timeout = \"60s\" }";
        Server::run(&twin("a", method, batching))
    };
    let post = "
        from concurrent.futures import ThreadPoolExecutor
        def post(tags):
            result = told(raw(request('/go', DocumentArray([Document(tags=tags)]))))
            return [result['code'], result['exception'].get('name')]
        def together(*tags):
            with ThreadPoolExecutor(2) as pool:
                return list(pool.map(post, tags))
        ";
    let seen = flow("fail").python(&format!(
        "{post}
        answer([together({{'bad': 1}}, {{}}), together({{}}, {{}})])
        "
    ));
    let failed = json!([1, "ValueError"]);
    let well = json!([0, null]);
    assert_eq!(seen, json!([[failed, failed], [well, well]]));

    // It leaves documents out, so nobody knows whose they are.
    let seen = flow("even").python(&format!(
        "{post}
        answer(together({{'n': 1}}, {{'n': 2}}))
        "
    ));
    let refused = json!([1, "BatchError"]);
    assert_eq!(seen, json!([refused, refused]));
}

#[test]
fn retries_are_as_many_as_the_flow_says() {
    for (retries, calls) in [("", 3), ("retries = 0", 1), ("retries = 1", 2)] {
        let flow = Server::run(&twin("a", "busy", retries));
        let name = flow.python("answer(failed(lambda: client().post('/go', texts('x')))['name'])");
        assert_eq!(name, "Busy");
        assert_eq!(
            flow.printed_lines(calls),
            vec!["called"; calls],
            "{retries}"
        );
    }
}

#[test]
fn shards_take_turns_or_are_all_asked_by_endpoint() {
    let asked = |polling: &str| {
        let bound = "\"/index\" = \"tell\", \"/search\" = \"tell\", \"/go\" = \"tell\"";
        let flow = Server::run(&format!(
            "[[executors]]\nname = \"a\"\nuses = \"{{twins}}\"\nshards = 2\n\
             uses_requests = {{ {bound} }}\n{polling}\n"
        ));
        flow.python(
            "
            def shards(on):
                return [int(key.split('/')[1][-1]) for key in sorted(results(on, texts('x')))]
            answer({on: [shards(on) for _ in range(3)] for on in ['/index', '/search', '/go']})
            ",
        )
    };
    let (all, any) = (json!([[0, 1], [0, 1], [0, 1]]), json!([[0], [1], [0]]));
    for (polling, index, search, go) in [
        ("", &any, &all, &any),
        (r#"polling = { "/go" = "ALL" }"#, &any, &all, &all),
        (
            r#"polling = { "/search" = "ANY", "*" = "ALL" }"#,
            &all,
            &any,
            &all,
        ),
        // Jina has it that `/index` still goes to one.
        (r#"polling = "ALL""#, &all, &all, &all),
        // And `/search` to all.
        (r#"polling = "ANY""#, &any, &any, &any),
    ] {
        let expected = json!({ "/index": index, "/search": search, "/go": go });
        assert_eq!(asked(polling), expected, "{polling}");
    }
}

#[test]
fn a_failed_request_is_answered_and_its_stream_goes_on() {
    let flow = Server::run(&twin("a", "fail", ""));
    let seen = flow.python(
        "
        docs = DocumentArray([Document(tags=tags) for tags in ({}, {'bad': 1}, {})])
        answer(sorted(r.header.status.code for r in responses('/go', docs, request_size=1)))
        ",
    );
    assert_eq!(seen, json!([0, 0, 1]));
}

/// The flow has `far` at these addresses.
fn remote(addresses: &str, more: &str) -> Server {
    Server::run(&format!(
        "[[executors]]\nname = \"far\"\nuses = \"{addresses}\"\n{more}\n"
    ))
}

#[test]
fn an_external_executor_that_is_down_fails_the_request_and_is_named() {
    let port = free_port();
    let seen = remote(&format!("grpc://127.0.0.1:{port}"), "").python(
        "
        result = told(raw(request('/trace', texts('x'))))
        answer([result['status'], result['code'], result['description']])
        ",
    );
    assert_eq!((&seen[0], &seen[1]), (&json!("OK"), &json!(1)));
    let description = seen[2].as_str().unwrap();
    for part in ["`far`", &format!("127.0.0.1:{port}")] {
        assert!(description.contains(part), "{description}");
    }
}

/// `wasm-flow serve` of the probe.
fn served() -> Server {
    let component = guest("probe").display().to_string();
    Server::serve([component.as_str(), "--port", "0"])
}

#[test]
fn a_retry_goes_to_the_next_address() {
    let there = served();
    let addresses = format!(
        "grpc://127.0.0.1:{},127.0.0.1:{}",
        free_port(),
        there.port()
    );
    // Most calls would first go to the one that is down, were they not sent on.
    let seen = remote(&addresses, "")
        .python("answer([client().post('/trace', texts('t')).texts for _ in range(4)])");
    assert_eq!(seen, json!(vec![["t>executor/rep-0"]; 4]));
}

#[test]
fn timeout_send_bounds_a_call_which_is_made_once() {
    let there = served();
    let address = format!("grpc://127.0.0.1:{}", there.port());
    let seen = remote(&address, "timeout_send = \"500ms\"").python(
        "
        start = time.monotonic()
        description = failed(lambda: client().post('/gauge', parameters={'seconds': 30}))['description']
        answer([description, time.monotonic() - start, client().post('/trace', texts('t')).texts])
        ",
    );
    let description = seen[0].as_str().unwrap();
    assert!(
        description.contains("`timeout_send` of 500ms"),
        "{description}"
    );
    // Jina makes it four times, and takes 4.5 seconds.
    let seconds = seen[1].as_f64().unwrap();
    assert!((0.5..4.0).contains(&seconds), "{seconds}");
    assert_eq!(there.printed_lines(1), ["waiting"]);
    assert_eq!(seen[2], json!(["t>executor/rep-0"]));
}

#[test]
fn stream_doc_sends_messages_of_their_own_and_echoes_once() {
    let flow = Server::run("[[executors]]\nname = \"a\"\nuses = \"{twins}\"\n");
    let seen = flow.python(
        "
        def streamed(on):
            made = jina_pb2.SingleDocumentRequestProto()
            made.header.request_id = 'a' * 32
            made.header.exec_endpoint = on
            made.document.CopyFrom(Document(id='x', text='x').to_protobuf())
            method = '/jina.JinaSingleDocumentRequestRPC/stream_doc'
            with channel() as c:
                answers = list(c.unary_stream(method)(made.SerializeToString(), timeout=30))
            read = jina_pb2.SingleDocumentRequestProto
            return [read.FromString(answer).document.text for answer in answers]
        answer([streamed('/nobody'), streamed('/upper')])
        ",
    );
    // Jina echoes four times if nothing is bound.
    assert_eq!(seen, json!([["x"], ["X"]]));
}

#[test]
fn a_dry_run_reaches_every_executor_of_a_graph_and_runs_nothing() {
    let executors = [
        twin("one", "busy", ""),
        twin(
            "two",
            "busy",
            "needs = \"gateway\"\nwhen = { text = { \"$eq\" = \"x\" } }",
        ),
        twin("beside", "busy", "floating = true"),
        twin("join", "busy", "needs = [\"one\", \"two\"]"),
    ];
    let flow = Server::run(&executors.concat());
    let seen = flow.python(
        "
        (response,) = responses('_jina_dry_run_', texts('a'))
        answer([
            client().is_flow_ready(),
            response.docs.texts,
            [[route.executor, route.HasField('end_time')] for route in response.routes],
        ])
        ",
    );
    let route = |name: &str| json!([name, true]);
    assert_eq!(
        seen,
        json!([
            true,
            ["a"],
            [
                route("gateway"),
                route("one"),
                route("join"),
                route("two"),
                route("beside")
            ]
        ])
    );
    assert!(flow.printed().is_empty());
}

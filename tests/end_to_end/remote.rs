//! Executors that run elsewhere: of the real Jina, behind it, and of wasm-flow.

use serde_json::{Value, json};
use wasm_flow_tests::http::Web;
use wasm_flow_tests::jina::{Jina, free_port};
use wasm_flow_tests::{Finished, Server, guest, wasm_flow};

fn remote(name: &str, port: u16, more: &str) -> String {
    format!("[[executors]]\nname = \"{name}\"\nuses = \"grpc://127.0.0.1:{port}\"\n{more}\n")
}

fn local(name: &str, more: &str) -> String {
    format!("[[executors]]\nname = \"{name}\"\nuses = \"{{probe}}\"\n{more}\n")
}

/// Jina's row `external`, and the way in for its users: their Executors stay as they
/// are, and a wasm executor stands between them.
#[test]
fn an_executor_between_two_of_jina() {
    let (first, last) = (
        Jina::executor("py1", free_port()),
        Jina::executor("py2", free_port()),
    );
    let flow = Server::run(
        &[
            remote("first", first.port(), ""),
            local("middle", ""),
            remote("last", last.port(), ""),
            local("other", "needs = \"first\""),
            remote("join", last.port(), "needs = [\"last\", \"other\"]"),
        ]
        .concat(),
    );
    let seen = flow.python(
        "
        (traced,) = responses('/trace', texts('t'))
        (failed,) = responses('/fails', texts('t'))
        answer({
            'trace': traced.docs.texts,
            'routes': [route.executor for route in traced.routes],
            'parts': client().post('/parts', texts('a', 'b'), parameters={'k': 7, 'join__k': 8}).texts,
            'results': results('/results', texts('a', 'b')),
            'failed': failed.header.status.description,
            'exception': failed.header.status.exception.name,
            'executor': failed.header.status.exception.executor,
            'traceback': 'no good' in failed.header.status.exception.stacks[-1],
            'failed_at': [r.executor for r in failed.routes if r.HasField('status')],
            'passed': client().post('/nobody', texts('p')).texts,
        })
        ",
    );
    assert_eq!(seen["trace"], json!(["t>py1>middle/rep-0>py2>py2"]));
    assert_eq!(
        seen["routes"],
        json!(["gateway", "first", "middle", "last", "join", "other"])
    );
    // `first` and `last` replaced the documents by one each. What Jina serves is a gateway
    // of its own, whose name it sees.
    assert_eq!(seen["parts"], json!(["[2] ['gateway'] 2 8.0"]));
    for name in ["first", "last", "join"] {
        let key = format!("{name}/rep-0");
        assert!(
            seen["results"][&key]["found"].is_number(),
            "{}",
            seen["results"]
        );
    }
    let failed = seen["failed"].as_str().unwrap();
    assert!(
        failed.starts_with("executor `first` at 127.0.0.1:"),
        "{failed}"
    );
    assert!(
        failed.ends_with("failed: ValueError('no good')"),
        "{failed}"
    );
    assert_eq!(seen["exception"], "ValueError");
    assert_eq!(seen["executor"], "Remote");
    assert_eq!(seen["traceback"], true);
    assert_eq!(seen["failed_at"], json!(["first"]));
    assert_eq!(seen["passed"], json!(["p"]));
}

/// Jina's rows `external` and `Executor.serve`, the other way round.
#[test]
fn an_executor_behind_a_gateway_of_jina() {
    let component = guest("probe").display().to_string();
    let served = || Server::serve([component.as_str(), "--port", "0"]);
    let (one, two) = (served(), served());
    let external = |name: &str, server: &Server, needs: Value| {
        json!({
            "name": name, "external": true, "host": "127.0.0.1", "port": server.port(),
            "needs": needs,
        })
    };
    let flow = Jina::flow(&json!([
        { "name": "py", "uses": "Remote" },
        external("left", &one, json!("py")),
        external("right", &two, json!("py")),
        external("join", &one, json!(["left", "right"])),
        { "name": "end", "uses": "Remote" },
    ]));
    let seen = flow.python(
        "
        (traced,) = responses('/trace', texts('t'))
        (failed,) = responses('/wait', texts('no number'))
        answer({
            'trace': sorted(traced.docs.texts),
            'routes': sorted(route.executor for route in traced.routes),
            'status': failed.header.status.code,
            'failed': failed.header.status.description,
            'called': [r.executor for r in failed.routes if r.HasField('end_time')],
            'ready': client().is_flow_ready(),
        })
        ",
    );
    assert_eq!(
        seen["trace"],
        json!(["t>py>executor/rep-0>executor/rep-0>end"])
    );
    assert_eq!(
        seen["routes"],
        json!(["end", "gateway", "join", "left", "py", "right"])
    );
    assert_eq!(seen["ready"], true);
    assert_eq!(seen["status"], 1);
    let failed = seen["failed"].as_str().unwrap();
    assert!(
        failed.contains("executor `executor` failed at endpoint `/wait`"),
        "{failed}"
    );
    let called = seen["called"].as_array().unwrap();
    assert!(
        !called.contains(&json!("end")),
        "a failure ends the request: {called:?}"
    );
}

/// Jina's rows `no_reduce` and `docs_map`, over the network: its own gateway refuses this
/// for external executors, and its served Executors do not take it.
#[test]
fn documents_of_several_predecessors_are_sent_apart() {
    let component = guest("probe").display().to_string();
    let far = Server::serve([component.as_str(), "--port", "0", "--name", "there"]);
    let py = Jina::executor("py", free_port());
    let join = "needs = [\"left\", \"right\"]\nno_reduce = true";
    let flow = |port| {
        let right = local("right", "needs = \"gateway\"");
        Server::run(&[local("left", ""), right, remote("join", port, join)].concat())
    };
    let seen = flow(far.port()).python("answer(results('/other', texts('a', 'b')))");
    let matrix = json!([["left", ["a", "b"]], ["right", ["a", "b"]]]);
    assert_eq!(seen["join/rep-0"]["matrix"], matrix, "{seen}");
    assert_eq!(seen["join/rep-0"]["texts"], json!(["a", "b", "a", "b"]));
    let refused = flow(py.port())
        .python("answer(failed(lambda: client().post('/other', texts('a')))['description'])");
    let refused = refused.as_str().unwrap();
    assert!(refused.contains("leave `no_reduce` out"), "{refused}");
}

/// What is before and after shards, and what these are around, may run elsewhere.
#[test]
fn what_is_around_shards_may_run_elsewhere() {
    let component = guest("probe").display().to_string();
    let far = Server::serve([component.as_str(), "--port", "0", "--name", "there"]);
    let py = Jina::executor("py", free_port());
    let (far, py) = (far.port(), py.port());
    let shards = |after: u16| {
        let more = format!(
            "shards = 2\npolling = \"ALL\"\nuses_before = \"grpc://127.0.0.1:{far}\"\n\
             uses_after = {{ uses = \"grpc://127.0.0.1:{after}\", timeout_send = \"20s\" }}"
        );
        Server::run(&local("index", &more))
    };
    let seen = shards(far).python(
        "answer({'report': results('/other', texts('a')), 'texts': client().post('/trace', texts('t')).texts})",
    );
    let matrix = |key: &str| seen["report"][key]["matrix"].clone();
    assert_eq!(
        matrix("index/uses_before/rep-0"),
        json!([["gateway", ["a"]]]),
        "{seen}"
    );
    for shard in ["index/shard-0/rep-0", "index/shard-1/rep-0"] {
        assert_eq!(matrix(shard), json!([["index/uses_before", ["a"]]]));
    }
    assert_eq!(
        matrix("index/uses_after/rep-0"),
        json!([["index/shard-0", ["a"]], ["index/shard-1", ["a"]]])
    );
    let traced = |shard: u32| format!("t>there/rep-0>index/shard-{shard}/rep-0>there/rep-0");
    assert_eq!(seen["texts"], json!([traced(0), traced(1)]));

    // A Deployment of Jina takes them as one list.
    let seen = shards(py).python("answer(client().post('/parts', texts('a')).texts)");
    assert_eq!(seen, json!(["[2] ['gateway'] 2 None"]));

    let around = remote("far", py, "uses_after = \"{probe}\"");
    let seen = Server::run(&around).python(
        "answer([client().post('/trace', texts('t')).texts, sorted(results('/results', texts('t')))])",
    );
    assert_eq!(
        seen,
        json!([["t>py>far/uses_after-0"], ["far/rep-0", "far/uses_after-0"]])
    );
}

#[test]
fn what_is_around_shards_may_be_absent_at_first() {
    let port = free_port();
    let flow = local(
        "index",
        &format!("shards = 2\nuses_after = \"grpc://127.0.0.1:{port}\""),
    );
    let folder = tempfile::tempdir().unwrap();
    wasm_flow_tests::server::write_flow(folder.path(), &flow);
    let checked = Finished::of(wasm_flow(["check", "flow.toml"]).current_dir(folder.path()));
    assert_eq!(checked.status, Some(0), "{checked}");
    for part in ["flow.toml:5:14", "Connection refused"] {
        assert!(checked.stderr.contains(part), "{checked}");
    }
    assert!(
        checked.stdout.contains("(not known: requests are sent)"),
        "{checked}"
    );
    let flow = Server::run(&flow);
    let failed =
        flow.python("answer(failed(lambda: client().post('/trace', texts('t')))['description'])");
    let failed = failed.as_str().unwrap();
    let expected = "uses_after: remote executor `index/uses_after`: ExecutorUnreachable";
    assert!(failed.starts_with(expected), "{failed}");
    let _now = Jina::executor("py", port);
    let seen = flow.python("answer(client().post('/trace', texts('t')).texts)");
    assert_eq!(seen[0].as_str().unwrap().rsplit_once('>').unwrap().1, "py");
}

/// What was in flight fails with a reason, and after its return the remote executor
/// has all requests, without a restart of the flow.
#[test]
fn a_remote_executor_that_is_killed_and_comes_back() {
    let port = free_port();
    let mut executor = Jina::executor("py", port);
    let flow = Server::run(&[local("before", ""), remote("far", port, "")].concat());
    let calls = "
        import threading
        outcomes = {'fine': 0}
        reasons = set()
        def on_error(response):
            reasons.add(response.header.status.exception.name)
            assert '127.0.0.1' in response.header.status.description
        def on_done(response):
            outcomes['fine'] += 1
        client().post(
            '/gauge', texts(*['t'] * COUNT), request_size=1, parameters={'seconds': 0.001}, on_error=on_error, on_done=on_done,
            prefetch=20,
        )
        answer({'fine': outcomes['fine'], 'reasons': sorted(reasons)})
        ";
    let during = std::thread::scope(|scope| {
        let calling = scope.spawn(|| flow.python(&calls.replace("COUNT", "1000")));
        flow.printed_lines(100);
        executor.kill();
        calling.join().unwrap()
    });
    let reasons = during["reasons"].as_array().unwrap();
    let known = ["ConnectionLost", "ExecutorUnreachable"].map(Value::from);
    assert!(
        !reasons.is_empty() && reasons.iter().all(|reason| known.contains(reason)),
        "{during}"
    );
    assert!(during["fine"].as_u64().unwrap() < 1000, "{during}");
    let _again = Jina::executor("py", port);
    let after = flow.python(&calls.replace("COUNT", "100"));
    assert_eq!(after, json!({ "fine": 100, "reasons": [] }));
}

/// A flow that starts waits for the slowest, and not for one after the other.
#[test]
fn remote_executors_that_are_silent_are_waited_for_at_the_same_time() {
    // The system takes their connections, and nobody answers.
    let silent: Vec<_> = (0..3)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let executors = silent.iter().enumerate().map(|(index, listener)| {
        let port = listener.local_addr().unwrap().port();
        remote(&format!("far{index}"), port, "")
    });
    let folder = tempfile::tempdir().unwrap();
    wasm_flow_tests::server::write_flow(folder.path(), &executors.collect::<String>());
    let start = std::time::Instant::now();
    let checked = Finished::of(wasm_flow(["check", "flow.toml"]).current_dir(folder.path()));
    assert_eq!(checked.status, Some(0), "{checked}");
    let silent = checked.stderr.matches("no answer within 10s").count();
    assert!(silent >= 3, "{checked}");
    // Each takes 10 s.
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn what_is_wrong_with_a_remote_executor_is_said() {
    let port = free_port();
    let http = Web::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
    std::fs::write(folder.path().join("empty.txt"), "\n").unwrap();
    std::fs::write(folder.path().join("lines.txt"), "one\ntwo\n").unwrap();
    for (uses, more, expected) in [
        (format!("grpc://127.0.0.1:{port}"), "", "Connection refused"),
        (
            format!("grpc://{}", http.address()),
            "",
            "otherwise it may be no gRPC server",
        ),
        (
            "grpc://no-such-host.invalid:1".to_owned(),
            "",
            "the name is not known",
        ),
        ("grpc://a".to_owned(), "", "`a` has no port"),
        (
            format!("grpcs://127.0.0.1:{port}"),
            "tls = { ca = \"ca.pem\" }",
            "there is none in `ca`",
        ),
        (
            format!("grpcs://127.0.0.1:{port}"),
            "tls = { ca = \"none.pem\" }",
            "cannot read",
        ),
        (
            format!("grpcs://127.0.0.1:{port}"),
            "token_file = \"none.txt\"",
            "paths are relative to this file's folder",
        ),
        (
            format!("grpcs://127.0.0.1:{port}"),
            "token_file = \"empty.txt\"",
            "it is empty",
        ),
        (
            format!("grpcs://127.0.0.1:{port}"),
            "token_file = \"lines.txt\"",
            "on one line",
        ),
        (
            format!("grpc://127.0.0.1:{port}"),
            "token = \"t\"",
            "`token` is for grpcs://",
        ),
    ] {
        let file = folder.path().join("flow.toml");
        let text = format!("[[executors]]\nname = \"far\"\nuses = \"{uses}\"\n{more}\n");
        std::fs::write(&file, text).unwrap();
        let path = file.display().to_string();
        let finished = Finished::of(&mut wasm_flow(["check", path.as_str()]));
        assert!(finished.stderr.contains(expected), "{uses}\n{finished}");
        assert!(finished.stderr.contains("flow.toml:"), "{finished}");
        // One that is not there now keeps no flow from starting.
        let is_absent = more.is_empty() && uses != "grpc://a";
        assert_eq!(finished.status, Some(i32::from(!is_absent)), "{finished}");
    }
}

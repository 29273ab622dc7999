//! Which executor sees which request, and with which parameters, as in Jina.

use serde_json::{Value, json};
use wasm_flow_tests::Server;

/// Three probes: `a`, `b` and `c`.
fn chain() -> Server {
    Server::run(
        r#"
        [[executors]]
        name = "a"
        uses = "{probe}"
        uses_with = { letter = "A" }

        [[executors]]
        name = "b"
        uses = "{probe}"
        replicas = 2

        [[executors]]
        name = "c"
        uses = "{probe}"
        uses_requests = { "/other" = "spare", "/x" = "nothing" }
        "#,
    )
}

#[test]
fn endpoints_match_exactly_or_fall_to_the_default() {
    let flow = chain();
    let seen = flow.python(
        "
        def went(on):
            (response,) = responses(on, texts('t'))
            return [
                response.docs.texts[0],
                sorted(response.parameters.get('__results__', {})),
                [[route.executor, route.HasField('end_time')] for route in response.routes],
            ]
        answer({on: went(on) for on in ['/trace', '/Trace', 'trace', '/trace/', '/default', '/spare', '/other', '/x', '/nothing']})
        ",
    );
    let all = json!([["gateway", true], ["a", true], ["b", true], ["c", true]]);
    let traced = &seen["/trace"];
    let text = traced[0].as_str().unwrap();
    assert!(
        ["t>a/rep-0>b/rep-0>c/rep-0", "t>a/rep-0>b/rep-1>c/rep-0"].contains(&text),
        "{text}"
    );
    assert_eq!((&traced[1], &traced[2]), (&json!([]), &all));
    // What is nowhere bound goes to `report`, which is the default of all three.
    for endpoint in ["/Trace", "trace", "/trace/", "/default", "/spare"] {
        let [a, b, c] = [0, 1, 2].map(|i| seen[endpoint][1][i].as_str().unwrap().to_owned());
        assert_eq!(
            (a.as_str(), &b[..6], c.as_str()),
            ("a/rep-0", "b/rep-", "c/rep-0"),
            "{endpoint}"
        );
        assert_eq!(seen[endpoint][2], all, "{endpoint}");
    }
    // `uses_requests` bound `/other` to a method that had no endpoint.
    assert_eq!(seen["/other"][1][2], "c/rep-0");
    // It moved `nothing` from `/nothing`, where `report` answers now, to `/x`.
    assert_eq!(seen["/nothing"][1], json!(["c/rep-0"]));
    assert_eq!(seen["/x"][1].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_executor_without_a_binding_is_a_route_without_an_end() {
    let flow = Server::run(
        r#"
        [[executors]]
        name = "bound"
        uses = "{hostile}"

        [[executors]]
        name = "unbound"
        uses = "{hostile}"
        uses_requests = { "/elsewhere" = "ok" }
        "#,
    );
    let seen = flow.python(
        "
        def routes(on):
            (response,) = responses(on, texts('t'))
            return [[route.executor, route.HasField('start_time'), route.HasField('end_time')] for route in response.routes]
        answer([routes('/ok'), routes('/unknown')])
        ",
    );
    assert_eq!(
        seen,
        json!([
            [
                ["gateway", true, true],
                ["bound", true, true],
                ["unbound", true, false]
            ],
            [
                ["gateway", true, true],
                ["bound", true, false],
                ["unbound", true, false]
            ],
        ])
    );
}

#[test]
fn the_executor_knows_what_jina_tells_it() {
    let flow = chain();
    let seen = flow.python(
        "
        (response,) = responses('/anything', texts('x', 'y'), parameters={'n': 3, 'deep': {'list': [1, None, 'z']}})
        answer({'results': response.parameters['__results__'], 'id': response.header.request_id, 'n': response.parameters['n']})
        ",
    );
    let a = &seen["results"]["a/rep-0"];
    assert_eq!(a["config"], json!({ "letter": "A" }));
    assert_eq!(a["uses_with"], json!({ "letter": "A" }));
    assert_eq!(a["metas"]["name"], "Probe");
    assert_eq!(a["requests"]["/trace"], "trace");
    assert_eq!(a["runtime_args"]["name"], "a/rep-0");
    assert_eq!(
        a["parameters"],
        json!({ "n": 3.0, "deep": { "list": [1.0, null, "z"] } })
    );
    assert_eq!(a["endpoint"], "/anything");
    assert_eq!(a["executor"], "a");
    assert_eq!(a["name"], "a/rep-0");
    assert_eq!(a["request_id"], seen["id"]);
    assert_eq!(a["docs"], 2.0);
    assert_eq!(a["matrix"], json!([["gateway", ["x", "y"]]]));
    assert!(
        a["seconds_left"]
            .as_f64()
            .is_some_and(|left| left > 0.0 && left <= 60.0),
        "{a}"
    );
    let c = &seen["results"]["c/rep-0"];
    assert_eq!(c["matrix"], json!([["b", ["x", "y"]]]));
    assert_eq!(c["requests"]["/other"], "spare");
    assert_eq!(c["requests"]["/spare"], Value::Null);
    // The client gets its parameters back as it sent them.
    assert_eq!(seen["n"], 3.0);
}

#[test]
fn empty_inputs_reach_the_handler() {
    let flow = chain();
    let seen = flow.python(
        "
        def saw(inputs):
            a = results('/anything', inputs)['a/rep-0']
            return [a['docs'], a['matrix']]
        answer([saw(None), saw([]), saw(DocumentArray())])
        ",
    );
    let nothing = json!([0.0, [["gateway", []]]]);
    assert_eq!(seen, json!([nothing, nothing, nothing]));
}

#[test]
fn parameters_meant_for_one_executor() {
    let flow = chain();
    let seen = flow.python(
        "
        (response,) = responses('/parameters', texts('t'), parameters={
            'plain': 1,
            'a__plain': 2,
            'a__only': 3,
            'c__only': 4,
            'unknown__only': 5,
            '__private': 6,
            'private__': 7,
            'b': {'merged': 8},
        })
        results = response.parameters['__results__']
        answer({
            'seen': {name.split('/')[0]: result['parameters'] for name, result in results.items()},
            'echo': {name: value for name, value in response.parameters.items() if name != '__results__'},
        })
        ",
    );
    let with = |more: Value| {
        let mut parameters =
            json!({ "plain": 1.0, "__private": 6.0, "private__": 7.0, "b": { "merged": 8.0 } });
        for (key, value) in more.as_object().unwrap() {
            parameters[key] = value.clone();
        }
        parameters
    };
    assert_eq!(
        seen["seen"]["a"],
        with(json!({ "plain": 2.0, "only": 3.0 }))
    );
    assert_eq!(seen["seen"]["b"], with(json!({ "merged": 8.0 })));
    assert_eq!(seen["seen"]["c"], with(json!({ "only": 4.0 })));
    assert_eq!(
        seen["echo"],
        json!({
            "plain": 1.0, "a__plain": 2.0, "a__only": 3.0, "c__only": 4.0, "unknown__only": 5.0,
            "__private": 6.0, "private__": 7.0, "b": { "merged": 8.0 },
        })
    );
}

#[test]
fn what_an_executor_does_to_its_parameters_stays_there() {
    let flow = chain();
    let results = flow.python("answer(results('/parameters', texts('t'), parameters={'k': 1}))");
    for (name, result) in results.as_object().unwrap() {
        assert_eq!(result["parameters"], json!({ "k": 1.0 }), "{name}");
    }
    assert_eq!(results.as_object().map(serde_json::Map::len), Some(3));
}

#[test]
fn target_executor_is_a_pattern_from_the_names_beginning() {
    let flow = Server::run(
        r#"
        [[executors]]
        name = "encode"
        uses = "{probe}"
        [[executors]]
        name = "encoder2"
        uses = "{probe}"
        [[executors]]
        name = "rank"
        uses = "{probe}"
        "#,
    );
    let seen = flow.python(
        "
        def went(pattern):
            (response,) = responses('/trace', texts(''), target_executor=pattern)
            return [response.docs.texts[0], response.header.target_executor]
        answer({pattern: went(pattern) for pattern in ['encode', 'encode$', 'rank|encoder', '.*2', 'ank', 'nobody']})
        ",
    );
    for (pattern, text) in [
        ("encode", ">encode/rep-0>encoder2/rep-0"),
        ("encode$", ">encode/rep-0"),
        ("rank|encoder", ">encoder2/rep-0>rank/rep-0"),
        (".*2", ">encoder2/rep-0"),
        ("ank", ""),
        ("nobody", ""),
    ] {
        assert_eq!(seen[pattern], json!([text, ""]), "{pattern}");
    }
}

#[test]
fn an_invalid_target_executor_is_a_clear_error_and_the_flow_goes_on() {
    let mut flow = chain();
    let seen = flow.python(
        "
        def error(pattern):
            return failed(lambda: client().post('/trace', texts('t'), target_executor=pattern))['description']
        answer([error('a('), error('(?=a)a'), client().post('/trace', texts('t'), target_executor='a').texts])
        ",
    );
    // Looking around is the one thing that Python's patterns have and these
    // have not.
    for (at, pattern) in [(0, "a("), (1, "(?=a)a")] {
        let description = seen[at].as_str().unwrap();
        assert!(
            description.contains("target_executor") && description.contains(pattern),
            "{description}"
        );
    }
    assert_eq!(seen[2], json!(["t>a/rep-0"]));
    // The real gateway would not stop after this one.
    flow.signal(rustix::process::Signal::TERM);
    assert_eq!(flow.ended().status, Some(0));
}

#[test]
fn replicas_take_turns_and_key_their_results() {
    let flow = Server::run(
        r#"
        [[executors]]
        name = "three"
        uses = "{probe}"
        replicas = 3
        "#,
    );
    let seen = flow.python(
        "
        c = client()
        names = []
        for _ in range(6):
            (result,) = results('/anything', texts('t')).values()
            names.append([result['name'], result['calls']])
        answer(sorted(names))
        ",
    );
    assert_eq!(
        seen,
        json!([
            ["three/rep-0", 1.0],
            ["three/rep-0", 2.0],
            ["three/rep-1", 1.0],
            ["three/rep-1", 2.0],
            ["three/rep-2", 1.0],
            ["three/rep-2", 2.0],
        ])
    );
}

#[test]
fn state_lasts_or_not_as_the_isolation_says() {
    let flow = Server::run(
        r#"
        [[executors]]
        name = "shared"
        uses = "{probe}"
        [[executors]]
        name = "fresh"
        uses = "{probe}"
        isolation = "request"
        "#,
    );
    let calls = flow.python(
        "
        def calls():
            seen = results('/anything', texts('t'))
            return [seen['shared/rep-0']['calls'], seen['fresh/rep-0']['calls']]
        answer([calls(), calls(), calls()])
        ",
    );
    assert_eq!(calls, json!([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]));
}

#[test]
fn documents_are_made_and_rearranged() {
    let flow = chain();
    let seen = flow.python(
        "
        c = client()
        made = c.post('/make', texts('gone'), target_executor='a')
        rearranged = c.post('/rearrange', DocumentArray([Document(id=i, text=i, blob=None) for i in 'abc']), target_executor='a')
        answer({
            'ids': made[:, 'id'],
            'text': made[0].text,
            'blob': list(made[1].blob),
            'embedding': made[2].embedding.tolist(),
            'chunk': [made[0].chunks[0].text, made[0].chunks[0].parent_id, made[0].chunks[0].granularity],
            'match': [made['@cm'][0].text, made['@cm'][0].adjacency],
            'rearranged': rearranged.texts,
        })
        ",
    );
    assert_eq!(
        seen,
        json!({
            "ids": ["one", "two", "three"],
            "text": "made",
            "blob": [0, 255, 0],
            "embedding": [1.5, -2.0],
            "chunk": ["chunk", "one", 1],
            "match": ["match of a chunk", 1],
            "rearranged": ["c", "b", "c"],
        })
    );
}

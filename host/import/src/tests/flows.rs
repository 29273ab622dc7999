//! What becomes of the parts of a Flow, each by itself.

use super::samples::read_back;
use super::*;

/// The flow.toml of a text, without its header.
#[track_caller]
fn flow_toml(text: &str, target: Target) -> String {
    let imported = imported(text, target);
    read_back(&imported.flow_toml);
    let (_, tables) = imported.flow_toml.split_once("\n[").unwrap();
    format!("[{tables}")
}

#[track_caller]
fn executors(text: &str, target: Target) -> String {
    let text = flow_toml(&format!("jtype: Flow\nexecutors:\n{text}"), target);
    let (_, executors) = text.split_once("[[executors]]\n").unwrap();
    format!("[[executors]]\n{executors}")
}

#[test]
fn external_executors() {
    let text = executors(
        r#"
- {name: a, external: true, host: 10.0.0.1, port: 8080, timeout_send: 1500, uses_with: {a: 1}}
- {name: b, external: True, port: [1, 2], tls: true, needs: gateway, retries: 3}
- {name: c, external: true, host: [x.example, 'grpcs://y.example:443/'], port: 80}
- {name: d, external: 'true', host: $HOST, port: $PORT, needs: [a, b, c, a], no_reduce: false}
- {name: e, external: true, host: 'h.example:9000', floating: true, timeout_send: -1}
- {name: f, external: true, host: ['fe80::1', '[::1]:9000'], port: 5000, needs: d}
"#,
        Target::Remote,
    );
    assert_eq!(
        text,
        r#"[[executors]]
name = "a"
# External: somebody else serves it.
uses = "grpc://10.0.0.1:8080"
timeout_send = "1500ms"

[[executors]]
name = "b"
# External: somebody else serves it.
uses = "grpcs://127.0.0.1:1,127.0.0.1:2"
needs = "gateway"
retries = 3

[[executors]]
name = "c"
# External: somebody else serves it.
uses = "grpcs://x.example:80,y.example:443"

[[executors]]
name = "d"
# External: somebody else serves it.
uses = "grpc://${HOST}:${PORT}"
needs = ["a", "b", "c"]

[[executors]]
name = "e"
# External: somebody else serves it.
uses = "grpc://h.example:9000"
floating = true

[[executors]]
name = "f"
# External: somebody else serves it.
uses = "grpc://[fe80::1]:5000,[::1]:9000"
needs = "d"
"#
    );
}

#[test]
fn the_shape_of_a_flow() {
    let text = executors(
        r#"
- {uses: A}
- {name: b, uses: B, needs: gateway, when: {tags__lang: {$eq: en}, '$or': [{text: {$regex: '^a$'}}]}}
- {method: inspect, name: watch, uses: W}
- {method: gather_inspect}
- {method: needs, needs: [executor0, b], no_reduce: yes}
- {method: needs_all, name: last, uses: L, retries: -1}
"#,
        Target::Wasm,
    );
    let keys: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        keys.join("\n"),
        r#"[[executors]]
name = "executor0"
uses = "executors/executor0"

[[executors]]
name = "b"
uses = "executors/b"
needs = "gateway"
when = { tags__lang = { "$eq" = "en" }, "$or" = [{ text = { "$regex" = "^a$" } }] }

[[executors]]
name = "watch"
uses = "executors/watch"
floating = true

[[executors]]
name = "joiner"
uses = "executors/joiner"
needs = ["executor0", "b"]
no_reduce = true

[[executors]]
name = "last"
uses = "executors/last"
needs = "all""#
    );
    assert!(text.contains("# What comes before it is joined here, and not changed, to be ported."));
}

#[test]
fn shards() {
    let flow = r#"
- name: index
  uses: Index
  py_modules: [a.py, b.py]
  shards: 2
  replicas: 3
  polling: '{"/search": "all", "*": "ANY"}'
  uses_before: Before
  uses_after: jinahub+docker://Rank
  env: {A: $B}
  port: 8000
"#;
    assert_eq!(
        executors(flow, Target::Remote),
        r#"[[executors]]
name = "index"
# The class `Index` of a.py and b.py, in Python:
#   jina deployment --uses index.yml
# with a file index.yml, which keeps its shards behind one port:
#   jtype: Deployment
#   with:
#     name: index
#     uses: "Index"
#     py_modules: ["a.py", "b.py"]
#     polling: {"*": "ANY", "/search": "ALL"}
#     uses_before: "Before"
#     uses_after: "jinahub+docker://Rank"
#     shards: 2
#     replicas: 3
#     env: {"A": "${{ ENV.B }}"}
#     host: 127.0.0.1
#     port: 8000
uses = "grpc://127.0.0.1:8000"
"#
    );
    let text = executors(flow, Target::Wasm);
    let (_, keys) = text.split_once("\nuses = ").unwrap();
    assert_eq!(
        keys,
        r#""executors/index"
replicas = 3
shards = 2
polling = { "*" = "ANY", "/search" = "ALL" }
# The class `Before` of a.py and b.py, to be ported, too.
uses_before = "executors/index_before"
# `jinahub+docker://Rank` of Jina AI's hub, to be ported, too.
uses_after = "executors/index_after"

[executors.allow]
# It sees the variables that `wasm-flow run` has. So set them before that:
#   export A="${B}"
env = ["A"]
"#
    );
    for (polling, expected) in [
        // What holds for all endpoints in Jina leaves out these two.
        ("ALL", "{ \"*\" = \"ALL\", \"/index\" = \"ANY\" }"),
        ("any", "{ \"*\" = \"ANY\", \"/search\" = \"ALL\" }"),
        (
            "{\"*\": ALL, /index: ALL}",
            "{ \"*\" = \"ALL\", \"/index\" = \"ALL\" }",
        ),
        ("{/a: ALL}", "{ \"/a\" = \"ALL\" }"),
    ] {
        let flow = format!("- {{name: a, uses: A, shards: 2, polling: {polling}}}\n");
        let text = executors(&flow, Target::Wasm);
        assert!(text.contains(&format!("polling = {expected}\n")), "{text}");
    }
}

#[test]
fn what_an_executor_is_made_with() {
    let text = executors(
        r#"
- name: a
  uses: first/config.yml
  uses_with: {match_args: {top: '5', ratio: 0.5, none: null}, list: '[a, 1]', on: yes, off: [no], s: "it's"}
  uses_metas: {name: A, workspace: ./w, py_modules: x.py}
  uses_requests: {/index: index}
  uses_dynamic_batching:
    /encode: {preferred_batch_size: 32, timeout: 5, flush_all: true, use_custom_metric: false}
    /other: {preferred_batch_size: 2, timeout: 2000}
  timeout_send: 10000
  workspace: $W/x
  volumes: [./data, '/srv/x:/x:ro', 'm:/models']
"#,
        Target::Wasm,
    );
    let (_, keys) = text.split_once("\nuses = ").unwrap();
    assert_eq!(
        keys,
        r#""executors/a"
uses_metas = { name = "A" }
uses_requests = { "/index" = "index" }
timeout = "10s"
workspace = "${W}/x"

[executors.uses_with]
match_args = { top = 5, ratio = 0.5 }
list = ["a", 1]
on = true
off = [false]
s = "it's"

[executors.uses_dynamic_batching."/encode"]
preferred_batch_size = 32
timeout = "5ms"
flush_all = true

[executors.uses_dynamic_batching."/other"]
preferred_batch_size = 2
timeout = "2s"

[executors.allow]
# As docker mounts it: leave `access` out, if reading is enough.
dirs = [
    { host = "./data", guest = "/data", access = "write" },
    { host = "/srv/x", guest = "/x", access = "read" },
    { host = "m", guest = "/models", access = "write" },
]
"#
    );
}

#[test]
fn executors_written_in_place() {
    let text = executors(
        "- {name: a, uses: {jtype: Enc, with: {size: 3}, metas: {workspace: w}, py_modules: [enc.py]}, uses_with: {more: 1}}\n",
        Target::Wasm,
    );
    assert!(
        text.contains("# The class `Enc` of enc.py, to be ported."),
        "{text}"
    );
    assert!(
        text.contains("uses_with = { size = 3, more = 1 }\nworkspace = \"w\"\n"),
        "{text}"
    );
    assert!(
        text.contains(r#" --uses '{"jtype": "Enc", "with": {"size": 3}"#),
        "{text}"
    );

    // As a part of a package, it is found beside the file only if Python looks there.
    let text = executors("- {name: a, uses: package.Enc}\n", Target::Remote);
    let command = "#   PYTHONPATH=. jina executor --uses package.Enc --host";
    assert!(text.contains(command), "{text}");

    // A Deployment has its keys below `with`.
    let text = executors(
        "- {jtype: Deployment, with: {name: b, uses: B, port: 7000}}\n",
        Target::Remote,
    );
    assert!(text.contains("uses = \"grpc://127.0.0.1:7000\""), "{text}");
}

#[test]
fn what_with_has_is_for_all() {
    let text = flow_toml(
        r#"
jtype: Flow
py_modules: common.py
with: {env: {A: 1, B: 2}, workspace: ./w, timeout_send: 500, retries: 4, monitoring: true, host: 0.0.0.0, port: [80, 81], protocol: [HTTP, grpc], name: n}
executors:
- {name: a, uses: A, env: {B: 3, C: true}, port_monitoring: 9000}
- {name: b, uses: B, workspace: /x, retries: 99}
gateway: {port: 51001, prefetch: 0}
"#,
        Target::Remote,
    );
    assert_eq!(
        text,
        r#"[flow]
name = "n"

[gateway]
host = "0.0.0.0"
port = 51001

[[executors]]
name = "a"
# The class `A`, in Python:
#   A=1 B=3 C=True jina executor --uses A --py-modules common.py --workspace ./w \
#     --port-monitoring 9000 --monitoring --host 127.0.0.1 --port 51002
uses = "grpc://127.0.0.1:51002"
retries = 4
timeout_send = "500ms"

[[executors]]
name = "b"
# The class `B`, in Python:
#   A=1 B=2 jina executor --uses B --py-modules common.py --workspace /x --monitoring \
#     --host 127.0.0.1 --port 51003
uses = "grpc://127.0.0.1:51003"
retries = 10
timeout_send = "500ms"
"#
    );
}

/// Two executors cannot see different values of one variable.
#[test]
fn variables_of_executors_that_differ() {
    let flow = "jtype: Flow\nwith: {env: {X: 0}}\nexecutors:\n- {name: a, uses: A, env: {X: 1, Y: 1}}\n- {name: b, uses: B, env: {X: 2, Y: 1}}\n";
    let notes = notes(&imported(flow, Target::Wasm));
    assert_eq!(
        notes,
        "warning: flow.yml:5:22: `env` has another `X` than that of another executor, and both will see \
         that of the host: give one of them in `uses_with`\n"
    );
}

#[test]
fn paths_lead_from_the_flow_toml() {
    let flow = "jtype: Flow\nexecutors:\n- {name: a, uses: ./a/config.yml, py_modules: [x.py, /y.py], workspace: w, volumes: './m:/m'}\n";
    let from = folder("samples");
    let to = from.join("../other");
    let options = Options {
        to: &to,
        ..options(&from, Target::Remote, &read_file)
    };
    let text = import(flow, &options).unwrap().flow_toml;
    let expected = "#   jina executor --uses ../samples/a/config.yml --py-modules ../samples/x.py /y.py \\\n\
                    #     --workspace ../samples/w --volumes ../samples/m:/m --host 127.0.0.1 --port 51001\n";
    assert!(text.contains(expected), "{text}");
    let options = Options {
        target: Target::Wasm,
        ..options
    };
    let text = import(flow, &options).unwrap().flow_toml;
    assert!(text.contains("workspace = \"../samples/w\"\n"), "{text}");
    assert!(
        text.contains("{ host = \"../samples/m\", guest = \"/m\""),
        "{text}"
    );
}

#[test]
fn values_of_a_context() {
    let flow = "jtype: Flow\nexecutors:\n- {name: a, uses: A, uses_with: {k: '${{ CONTEXT.k }}', t: '${{ t }}s'}}\n";
    let from = folder("samples");
    let mut options = options(&from, Target::Wasm, &read_file);
    options.context = [("k", "5"), ("t", "x${Y}")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let text = import(flow, &options).unwrap().flow_toml;
    // A number, as Jina makes of it, and no variable.
    assert!(
        text.contains("uses_with = { k = 5, t = \"x$${Y}s\" }"),
        "{text}"
    );
}

/// Keys of older Jinas, cut short, misspelt, or in the wrong place.
#[test]
fn keys_that_are_not_quite_right() {
    let flow = r#"jtype: Flow
monitoring: true
with: {port_expose: 1234, portocol: http, uses-with: 1, timeout_sen: 3}
pods:
- {name: a, uses: A, override_with: {x: 1}, parallel: 2, py_module: a.py}
- {name: a, uses: A, uses: B, needz: a, replica: 2, xyzzy: 1, 'uses_with': {y: 1}, install_requirement: true}
"#;
    let imported = imported(flow, Target::Wasm);
    assert_eq!(
        notes(&imported),
        "\
warning: flow.yml:2:1: `monitoring` is left out: Jina ignores it at the top of the file; it belongs below `with`
warning: flow.yml:3:27: `portocol` is not a key of Jina's, and left out: Jina ignores it, too; did you mean `protocol`?
note: flow.yml:3:43: `uses-with` is left out: it has no counterpart: there are no gateways of one's own
warning: flow.yml:3:57: `timeout_sen` is taken as `timeout_send`; did you mean that?
warning: flow.yml:4:1: `pods` is of Jina 2, and read like `executors`: see whether the executors run with Jina 3
warning: flow.yml:5:22: `override_with` is Jina 2's name for `uses_with`, and taken as that; Jina 3 ignores it
note: flow.yml:5:45: `parallel` is left out: it is of Jina 2, and Jina 3 ignores it: write `replicas` or `shards`
warning: flow.yml:5:58: `py_module` is taken as `py_modules`; did you mean that?
warning: flow.yml:6:4: `name` `a` is taken, so this one is called `a1`, as in Jina
warning: flow.yml:6:22: `uses` is there twice: the last one counts, as in Jina
warning: flow.yml:6:31: `needz` is not a key of Jina's, and left out: Jina ignores it, too; did you mean `needs`?
warning: flow.yml:6:41: `replica` is taken as `replicas`; did you mean that?
warning: flow.yml:6:53: `xyzzy` is not a key of Jina's, and left out: Jina ignores it, too
warning: flow.yml:6:84: `install_requirement` is taken as `install_requirements`; did you mean that?
note: flow.yml:6:84: `install_requirement` is left out: it is about Python, and a WebAssembly executor has none
"
    );
    let text = imported.flow_toml;
    assert!(text.contains("port = 1234\n"), "{text}");
    assert!(text.contains("uses_with = { x = 1 }\n"), "{text}");
    assert!(text.contains("name = \"a1\"\n# The class `B`"), "{text}");
}

#[test]
fn a_gateways_certificate_and_key_are_its_tls() {
    let flow = |keys: &str| {
        let text = format!("jtype: Flow\nwith: {{{keys}}}\nexecutors:\n- {{name: a, uses: A}}\n");
        imported(&text, Target::Wasm)
    };
    let both = flow("ssl_certfile: server.pem, ssl_keyfile: /keys/server.key, tls: true");
    let text = &both.flow_toml;
    assert!(
        text.contains("tls = { cert = \"server.pem\", key = \"/keys/server.key\" }\n"),
        "{text}"
    );
    read_back(text);
    assert!(notes(&both).contains("`tls` is left out: it is for clients"));
    let one = flow("ssl_certfile: server.pem");
    assert!(!one.flow_toml.contains("cert"), "{}", one.flow_toml);
    let said = notes(&one);
    assert!(
        said.contains("`ssl_certfile` is left out: a certificate and its key"),
        "{said}"
    );
}

/// Whatever a value has in it, it stays in its text or its comment.
#[test]
fn values_cannot_leave_their_place() {
    let flow = "jtype: Flow\nexecutors:\n- {name: a, uses: \"A\\n[x]\\r\\ny = 1\", uses_with: {\"k\\\"\\n[x]\": \"a\\\"\\n[[executors]]\\nb \\u2028\\x07\"}, volumes: \"a:/b\\nc\"}\n";
    for (_, target) in TARGETS {
        let text = imported(flow, target).flow_toml;
        read_back(&text);
        assert_eq!(text.matches("\n[[executors]]\n").count(), 1, "{text}");
        assert!(!text.contains("\n[x]"), "{text}");
    }
}

#[test]
fn aliases_and_merges() {
    let text = executors(
        "- &a {name: a, uses: A, env: &e {X: 1}}\n- {<<: *a, name: b, env: *e}\n",
        Target::Remote,
    );
    assert_eq!(
        text.matches("#   X=1 jina executor --uses A ").count(),
        2,
        "{text}"
    );
}

#[test]
fn what_notes_hold_is_bounded() {
    let keys: String = (0..1500)
        .map(|n| format!("k{n}x: 1, jcloud: 2, "))
        .collect();
    let flow = format!("jtype: Flow\nwith: {{{keys}}}\nexecutors:\n- {{name: a, uses: A}}\n");
    let imported = imported(&flow, Target::Remote);
    assert_eq!(imported.notes.len(), crate::bounds::MAX_NOTES);
    assert!(imported.more_notes > 400);
    let mut twice = imported.notes.iter();
    let twice = twice.find(|note| note.key == "jcloud").unwrap();
    assert_eq!(twice.places.len(), crate::bounds::MAX_PLACES);
    assert_eq!(twice.more, 1500 - 1 - crate::bounds::MAX_PLACES);
}

/// What `with` says is written for each executor.
#[test]
fn what_is_written_is_bounded() {
    let executors: String = (0..900)
        .map(|n| format!("- {{name: e{n}, uses: A}}\n"))
        .collect();
    let long = "x".repeat(100_000);
    let flow = format!("jtype: Flow\nwith: {{env: {{A: {long}}}}}\nexecutors:\n{executors}");
    for (_, target) in TARGETS {
        let report = import(&flow, &options(&folder("samples"), target, &read_file)).unwrap_err();
        let [problem] = report.problems() else {
            panic!("{report}")
        };
        assert_eq!(
            problem.title(),
            "the flow.toml would be larger than 1 MiB, which is the most that is read"
        );
        let (line, _) = report.position(problem);
        assert!((10..20).contains(&line), "{line}");
    }
}

/// Whatever a file holds, it is imported or refused, and what is imported is TOML.
#[test]
fn no_text_does_harm() {
    let samples = folder("samples");
    let import_any = |text: &str| {
        for (_, target) in TARGETS {
            if let Ok(imported) = import(text, &options(&samples, target, &read_file)) {
                let parsed = toml_syntax(&imported.flow_toml);
                assert!(
                    parsed.is_none(),
                    "{text}\n{}\n{parsed:?}",
                    imported.flow_toml
                );
            }
        }
    };
    for path in files("samples") {
        let text = fs::read_to_string(path).unwrap();
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for at in places.into_iter().step_by(23) {
            let (before, behind) = text.split_at(at);
            import_any(before);
            for inserted in [
                "[", "'", ": ", "\n- ", "&a ", "*a", "$X", "\u{feff}", "ä\0", "!t ",
            ] {
                import_any(&format!("{before}{inserted}{behind}"));
            }
            let lines = behind.split_once('\n').map_or("", |(_, rest)| rest);
            import_any(&format!("{before}{lines}"));
        }
    }
}

/// What the manifest's reader says of the syntax, if it is not TOML.
fn toml_syntax(text: &str) -> Option<String> {
    let variable = |_: &str| Some("1".into());
    let error = wasm_flow_manifest::Manifest::parse_with(text, "flow.toml", variable).err()?;
    let said = error.to_string();
    said.contains("not valid TOML").then_some(said)
}

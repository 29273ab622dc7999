//! Components and requests that are no such thing: a clear error, and nothing
//! else is lost.

use std::fs;

use serde_json::{Value, json};
use wasm_flow_tests::{Finished, Server, wasm_flow};

/// Runs a flow whose only executor is these bytes.
#[track_caller]
pub(crate) fn component_refused(bytes: impl AsRef<[u8]>, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.wasm");
    fs::write(&file, bytes).unwrap();
    let refused = Server::refused(&format!(
        "[[executors]]\nname = \"mine\"\nuses = \"{}\"\n",
        file.display()
    ));
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.complains_of(&["flow.toml:3:8", "bad.wasm"]);
    refused.complains_of(parts);

    let inspected = Finished::of(wasm_flow(["inspect"]).arg(&file));
    assert_eq!(inspected.status, Some(1), "{inspected}");
    inspected.complains_of(&["bad.wasm"]);
    inspected.complains_of(parts);
}

#[test]
fn no_component_at_all() {
    component_refused("", &["component"]);
    component_refused("<html>not found</html>", &["component"]);
    component_refused([0x7f, b'E', b'L', b'F', 2, 1, 1, 0], &["component"]);
    let good = fs::read(wasm_flow_tests::guest("probe")).unwrap();
    component_refused(&good[..good.len() / 2], &["component"]);
}

#[test]
fn a_core_module() {
    let module = wat::parse_str("(module (func (export \"run\")))").unwrap();
    component_refused(
        module,
        &[
            "core WebAssembly module",
            "wasm-flow build",
            "wasm32-wasip2",
        ],
    );
}

#[test]
fn a_component_of_another_world() {
    let component = wat::parse_str(
        r#"
        (component
            (import "acme:store/kv@1.0.0" (instance (export "get" (func (param "key" string) (result string)))))
            (import "acme:store/log@1.0.0" (instance (export "write" (func (param "line" string)))))
            (import "now" (func (result u64)))
            (instance $empty)
            (export "acme:store/app@1.0.0" (instance $empty))
        )
        "#,
    )
    .unwrap();
    component_refused(
        component,
        &[
            "acme:store/kv@1.0.0",
            "acme:store/log@1.0.0",
            "now",
            "does not export wasm-flow:executor/executor@0.1",
            "acme:store/app@1.0.0",
        ],
    );
    component_refused(
        wat::parse_str("(component)").unwrap(),
        &["wasm-flow:executor/executor@0.1", "wasm-flow new"],
    );
}

/// The interfaces have the right names, and not what this host expects in them.
#[test]
fn a_component_for_another_version_of_an_interface() {
    let missing_import = r#"
        (component
            (import "wasm-flow:executor/documents@0.1.0" (instance (export "renamed" (func))))
            (instance $empty)
            (export "wasm-flow:executor/executor@0.1.0" (instance $empty))
        )
    "#;
    let missing_export = r#"
        (component
            (instance $empty)
            (export "wasm-flow:executor/executor@0.1.0" (instance $empty))
        )
    "#;
    for (component, differs) in [
        (
            missing_import,
            "cannot run here: it imports what this host does not provide\n",
        ),
        (
            missing_import,
            "    wasm-flow:executor/documents@0.1.0: renamed\n",
        ),
        (missing_export, "does not fit this host: "),
        (missing_export, "describe"),
    ] {
        let advice = "build it again with the wasm-flow-sdk of this release, 0.1.0";
        let component = wat::parse_str(component).unwrap();
        component_refused(&component, &[advice]);
        component_refused(&component, &[differs]);
    }
}

/// However many there are, a person can read the error.
#[test]
fn a_component_that_imports_very_much() {
    let functions: String = (0..100)
        .map(|n| format!("(export \"f{n}\" (func))"))
        .collect();
    let component = format!(
        "(component
            (import \"wasm-flow:executor/timers@0.1.0\" (instance {functions}))
            (instance $empty)
            (export \"wasm-flow:executor/executor@0.1.0\" (instance $empty))
        )"
    );
    component_refused(
        wat::parse_str(component).unwrap(),
        &["wasm-flow:executor/timers@0.1.0: f19\n", "and 80 more\n"],
    );
}

/// A server with one well-behaved executor; after every bad request comes a
/// good one.
fn answers_to(snippet: &str) -> Value {
    let flow = Server::run(
        "[gateway]\nmax_message = \"8MiB\"\n[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n",
    );
    flow.python(&format!(
        "
def good():
    return client().post('/trace', texts('t')).texts == ['t>probe/rep-0']
def both(body):
    seen = []
    for method in (UNARY, STREAM):
        seen.append(told(raw(body, method)))
        assert good(), method
    return seen
{}",
        dedented(snippet)
    ))
}

fn dedented(text: &str) -> String {
    text.lines()
        .map(|line| line.strip_prefix("        ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The answer as gRPC's status or as Jina's: either way an error in words.
#[track_caller]
fn complains(answer: &Value, parts: &[&str]) {
    let text = if answer["status"] == "OK" {
        assert_eq!(answer["code"], 1, "{answer}");
        &answer["description"]
    } else {
        &answer["details"]
    };
    let text = text.as_str().unwrap_or_default();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in {answer}");
    }
}

#[test]
fn garbage_bytes() {
    let seen = answers_to(
        r#"
        whole = request('/trace', texts('t')).SerializeToString()
        answer([
            both(b'\xff\xff\xff\xff garbage'), both(b'<html>'), both(whole[:-3]),
            both(b'\x0a\x04\x0a\x02\xff\xfe'),
        ])
        "#,
    );
    for answers in seen.as_array().unwrap() {
        for answer in answers.as_array().unwrap() {
            complains(answer, &["not a jina.DataRequestProto"]);
        }
    }
    // Where the request's id could be read, the answer has it.
    assert_eq!(seen[2][0]["request_id"], "a".repeat(32));
}

#[test]
fn requests_with_parts_missing() {
    let seen = answers_to(
        "
        empty = both(b'')
        no_header = request('/trace', texts('t'))
        no_header.ClearField('header')
        no_data = request('/trace')
        no_data.ClearField('data')
        no_endpoint = request(None, texts('t'))
        no_id = request('/trace', texts('t'), request_id='')
        answer([empty, both(no_header), both(no_data), both(no_endpoint), both(no_id)])
        ",
    );
    let [empty, no_header, no_data, no_endpoint, no_id] = [0, 1, 2, 3, 4].map(|i| seen[i].clone());
    for way in [0, 1] {
        // As in Jina these are requests like others, for default handlers. What
        // is missing is said, and nothing else is different.
        for answer in [&empty, &no_header, &no_endpoint] {
            let description = answer[way]["description"].as_str().unwrap_or_default();
            assert!(description.contains("names no endpoint"), "{answer}");
        }
        assert_eq!(
            (&no_header[way]["texts"], &no_endpoint[way]["texts"]),
            (&json!(["t"]), &json!(["t"]))
        );
        assert_eq!(
            (&no_data[way]["code"], &no_data[way]["texts"]),
            (&json!(0), &json!([]))
        );
        assert_eq!(no_id[way]["texts"], json!(["t>probe/rep-0"]));
        // Without an id a client may not even be able to decode the answer.
        for answer in [&empty, &no_header, &no_data, &no_endpoint, &no_id] {
            assert_eq!(answer[way]["status"], "OK", "{answer}");
            assert!(
                answer[way]["request_id"]
                    .as_str()
                    .is_some_and(|id| id.len() == 32),
                "{answer}"
            );
        }
    }
}

/// Documents as a Python pickle, which the real gateway opens and this one
/// does not.
#[test]
fn documents_as_a_pickle() {
    let seen = answers_to(
        "
        made = request('/trace')
        made.data.docs_bytes = texts('t').to_bytes()
        answer(both(made))
        ",
    );
    for way in [0, 1] {
        complains(&seen[way], &["docs_bytes", "pickle", "data.docs"]);
    }
}

#[test]
fn documents_nested_200_deep() {
    let seen = answers_to(
        "
        def varint(n):
            out = b''
            while n > 127:
                out += bytes([n & 127 | 128])
                n >>= 7
            return out + bytes([n])
        def nested(depth, field):
            inner = b''
            for level in range(depth):
                inner = bytes([field << 3 | 2]) + varint(len(inner)) + inner
            return b'\\x0a' + varint(len(inner)) + inner
        def with_docs(docs):
            made = request('/trace')
            made.ClearField('data')
            data = b'\\x0a' + varint(len(docs)) + docs
            return made.SerializeToString() + b'\\x22' + varint(len(data)) + data
        answer([both(with_docs(nested(200, 14))), both(with_docs(nested(200, 15))), both(with_docs(nested(50, 14)))])
        ",
    );
    for way in [0, 1] {
        for answer in [&seen[0][way], &seen[1][way]] {
            complains(answer, &["deep"]);
        }
        assert_eq!(seen[2][way]["code"], 0, "{seen}");
    }
}

#[test]
fn a_tensor_whose_shape_does_not_fit_its_bytes() {
    let seen = answers_to(
        "
        def tensor(shape, buffer, dtype='<f4', field='tensor'):
            made = request('/trace', [Document()])
            dense = getattr(made.data.docs.docs[0], field).dense
            dense.shape.extend(shape)
            dense.buffer = buffer
            dense.dtype = dtype
            return both(made)
        answer([
            tensor([2, 3], bytes(20)),
            tensor([2, 3], bytes(20), field='embedding'),
            tensor([4_000_000_000, 4_000_000_000, 4_000_000_000], bytes(8)),
            tensor([2, 3], bytes(24)),
        ])
        ",
    );
    for way in [0, 1] {
        complains(&seen[0][way], &["tensor", "[2, 3]", "20"]);
        complains(&seen[1][way], &["embedding", "[2, 3]", "20"]);
        complains(&seen[2][way], &["tensor"]);
        assert_eq!(seen[3][way]["code"], 0, "{seen}");
    }
}

#[test]
fn a_message_larger_than_the_gateway_takes() {
    let seen = answers_to(
        "
        answer(both(request('/trace', [Document(blob=bytes(9 << 20))])))
        ",
    );
    for way in [0, 1] {
        let answer = &seen[way];
        assert_ne!(answer["status"], "OK", "{answer}");
        complains(answer, &[]);
        assert!(
            answer["details"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{answer}"
        );
    }
}

/// One bad request on a stream, good ones around it.
#[test]
fn a_stream_goes_on_after_a_request_that_fails() {
    let seen = answers_to(
        "
        good_one = request('/trace', texts('t'), request_id='1' * 32)
        bad_one = request('/trace', texts('t'), request_id='2' * 32)
        bad_one.data.docs.docs[0].tensor.dense.shape.extend([7])
        bad_one.data.docs.docs[0].tensor.dense.dtype = '<f4'
        last_one = request('/trace', texts('u'), request_id='3' * 32)
        with channel() as c:
            got = c.stream_stream(STREAM)(iter([m.SerializeToString() for m in (good_one, bad_one, last_one)]), timeout=30)
            answered = {}
            for body in got:
                response = jina_pb2.DataRequestProto.FromString(body)
                answered[response.header.request_id[0]] = response.header.status.code
        answer(answered)
        ",
    );
    assert_eq!(seen, json!({ "1": 0, "2": 1, "3": 0 }));
}

#[test]
fn names_in_a_component_do_not_reach_the_terminal_as_they_are() {
    let component =
        wat::parse_str("(component (import \"red\\1b[31m\\0d\" (func)))").expect("a component");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.wasm");
    fs::write(&file, component).unwrap();
    let inspected = Finished::of(wasm_flow(["inspect"]).arg(&file));
    assert_eq!(inspected.status, Some(1), "{inspected}");
    inspected.complains_of(&["not a valid component", "red"]);
    assert!(!inspected.stderr.contains(['\u{1b}', '\r']), "{inspected}");
}

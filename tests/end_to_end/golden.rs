//! The golden request, which has every field of a document, through executors
//! that touch nothing, read everything, rewrite everything.

use serde_json::{Value, json};
use wasm_flow_tests::Server;

/// `/x` is the golden request's endpoint.
fn flow(method: &str) -> Server {
    Server::run(&format!(
        r#"
        [[executors]]
        name = "t"
        uses = "{{probe}}"
        uses_requests = {{ "/x" = "{method}" }}

        [[executors]]
        name = "g"
        uses = "{{probe}}"
        uses_requests = {{ "/nowhere" = "report" }}
        "#
    ))
}

const LOAD: &str = "
golden = jina_pb2.DataRequestProto()
golden.ParseFromString(open(os.path.join(TESTDATA, 'golden_request.bin'), 'rb').read())
sent = DocumentArray.from_protobuf(golden.data.docs)
";

#[test]
fn every_field_passes_executors_that_touch_nothing() {
    for method in ["nothing", "borrow", "read"] {
        let seen = flow(method).python(&format!(
            "{LOAD}
def compare(response):
    return [
        response.data.docs.SerializeToString(deterministic=True) == golden.data.docs.SerializeToString(deterministic=True),
        response.header.request_id,
        response.header.exec_endpoint,
        [route.executor for route in response.routes],
        [route.HasField('end_time') for route in response.routes],
    ]
got = client().post('/x', sent)
answer({{
    'client': exact(got) == exact(sent),
    'equal documents': got[0] == sent[0],
    'unary': compare(raw(golden)['response']),
    'stream': compare(raw(golden, STREAM)['response']),
}})
"
        ));
        let response = json!([
            true,
            "0".repeat(32),
            "/x",
            ["gateway", "t", "g"],
            [true, true, false]
        ]);
        assert_eq!(
            seen,
            json!({ "client": true, "equal documents": true, "unary": response, "stream": response }),
            "{method}"
        );
    }
}

#[test]
fn the_guest_reads_every_field() {
    let results = flow("read").python(&format!("{LOAD}\nanswer(results('/x', sent))"));
    let nothing = json!({
        "id": "", "parent_id": "", "granularity": 0.0, "adjacency": 0.0, "text": "", "blob": [],
        "tensor": null, "uri": "", "mime_type": "", "modality": "", "weight": 0.0, "offset": 0.0,
        "location": [], "embedding": null, "tags": {}, "scores": {}, "evaluations": {},
        "chunks": [], "matches": [],
    });
    let with = |fields: Value| {
        let mut document = nothing.clone();
        for (field, value) in fields.as_object().unwrap() {
            document[field] = value.clone();
        }
        document
    };
    let score = |value: f64, op_name: &str| json!({ "value": value, "op_name": op_name, "description": "", "ref_id": "" });
    let chunk = with(json!({
        "id": "c1", "parent_id": "full", "granularity": 1.0,
        "tensor": { "dtype": "<i8", "shape": [2.0, 3.0], "values": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0] },
    }));
    let found = with(json!({ "id": "m1", "blob": [0.0, 1.0], "adjacency": 1.0 }));
    let expected = with(json!({
        "id": "full", "text": "hello", "weight": 0.5, "uri": "u", "modality": "m",
        "mime_type": "text/plain", "offset": 3.0, "location": [1.0, 2.0],
        "embedding": { "dtype": "<f4", "shape": [3.0], "values": [1.0, 2.0, 3.0] },
        "tags": { "a": 1.0, "b": "x", "c": [1.0, true, null], "d": { "e": 2.5 } },
        "scores": { "cos": score(0.25, "op") },
        "evaluations": { "p": score(1.0, "") },
        "chunks": [chunk], "matches": [found],
    }));
    assert_eq!(results["t/rep-0"], json!({ "docs": [expected] }));
}

#[test]
fn an_executor_rewrites_every_field() {
    let seen = flow("rewrite").python(&format!(
        "{LOAD}
got = client().post('/x', sent)
for name in ['id', 'text', 'weight', 'uri', 'modality', 'mime_type', 'offset']:
    assert getattr(got[0], name) != getattr(sent[0], name), name
assert got[0].embedding.dtype == np.float64 and got[0].embedding.shape == (2,)
assert got[0].content_type == 'blob' and got[0].content == b'olleh'
assert got[0].matches[0].tensor.dtype == np.int16 and got[0].matches[0].tensor.tolist() == [[-1, 0]]
answer(document(raw(golden)['response'].data.docs.docs[0]))
"
    ));
    let common = |depth: f64, id: &str| {
        json!({
            "id": id,
            "uri": format!("data:{depth}"),
            "mime_type": "application/x-rewritten",
            "modality": "rewritten",
            "weight": 0.25 + depth,
            "offset": 7.5 + depth,
            "location": [9.0, depth, -1.0],
            "granularity": 10.0 + depth,
            "adjacency": 20.0 + depth,
            "parent_id": format!("parent-{depth}"),
            "tags": { "new": { "deep": [1.0, 2.5, false, null, "ü"] }, "depth": depth },
            "scores": { "rewritten": { "value": 0.75, "op_name": "op", "description": "why", "ref_id": id } },
            "evaluations": { "judged": { "value": 2.0 } },
        })
    };
    let mut seen = seen;
    let mut take = |pointer: &str| {
        seen.pointer_mut(pointer)
            .map(Value::take)
            .unwrap_or_default()
    };
    // New documents have random ids.
    for chunks in ["/chunks/0/chunks/0", "/matches/0/chunks/0", "/chunks/1"] {
        let id = take(&format!("{chunks}/id"));
        assert!(
            id.as_str().is_some_and(|id| id.len() >= 32),
            "{chunks}: {id}"
        );
    }
    let embeddings: Vec<Value> = ["", "/chunks/0", "/matches/0"]
        .iter()
        .map(|path| take(&format!("{path}/embedding/dense")))
        .collect();
    for (embedding, depth) in embeddings.iter().zip([0.0f64, 1.0, 1.0]) {
        let buffer: Vec<u8> = [0.5, depth]
            .iter()
            .flat_map(|x: &f64| x.to_le_bytes())
            .collect();
        assert_eq!(
            embedding,
            &json!({ "buffer": base64(&buffer), "shape": [2], "dtype": "<f8" })
        );
    }

    let assert_document = |document: &Value, depth: f64, id: &str| {
        for (field, expected) in common(depth, id).as_object().unwrap() {
            assert!(
                equal(&document[field], expected),
                "{id}: {field} is {}",
                document[field]
            );
        }
    };
    assert_document(&seen, 0.0, "full-rewritten");
    assert_document(&seen["chunks"][0], 1.0, "c1-rewritten");
    assert_document(&seen["matches"][0], 1.0, "m1-rewritten");
    // The content turned round, and the old one is gone.
    assert_eq!(
        (&seen["blob"], seen.get("text")),
        (&json!(base64(b"olleh")), None)
    );
    let chunk = &seen["chunks"][0];
    assert_eq!(
        (&chunk["text"], chunk.get("tensor")),
        (&json!("[2, 3] 15"), None)
    );
    let found = &seen["matches"][0];
    assert_eq!(
        (&found["tensor"]["dense"], found.get("blob")),
        (
            &json!({ "buffer": base64(&[255, 255, 0, 0]), "shape": [1, 2], "dtype": "<i2" }),
            None
        )
    );
    // One new chunk at every level, as docarray makes it.
    assert_eq!(seen["chunks"].as_array().map(Vec::len), Some(2));
    let new = &seen["chunks"][1];
    assert_eq!(new["text"], "new chunk at 0");
    assert_eq!(chunk["chunks"][0]["text"], "new chunk at 1");
    assert_eq!(found["chunks"][0]["text"], "new chunk at 1");
}

/// The real Jina gateway's answer to the golden request, from two executors of
/// which the first did what the probe's `golden` does. Only the times differ.
#[test]
fn the_answer_is_the_real_gateways() {
    let flow = flow("golden");
    let same = flow.python(&format!(
        "{LOAD}
real = jina_pb2.DataRequestProto()
real.ParseFromString(open(os.path.join(TESTDATA, 'golden_response.bin'), 'rb').read())
ours = raw(golden)['response']
for response in (real, ours):
    for route in response.routes:
        for time in ('start_time', 'end_time'):
            if route.HasField(time):
                assert getattr(route, time).seconds > 1_500_000_000
                getattr(route, time).seconds = getattr(route, time).nanos = 0
answer([str(real), str(ours), real.SerializeToString(deterministic=True) == ours.SerializeToString(deterministic=True)])
"
    ));
    assert_eq!(same[0], same[1]);
    assert_eq!(same[2], true);
}

/// JSON numbers by value: protobuf's JSON writes 3 and 3.0 alike.
fn equal(seen: &Value, expected: &Value) -> bool {
    match (seen, expected) {
        (Value::Number(seen), Value::Number(expected)) => seen.as_f64() == expected.as_f64(),
        (Value::Array(seen), Value::Array(expected)) => {
            seen.len() == expected.len()
                && seen
                    .iter()
                    .zip(expected)
                    .all(|(seen, expected)| equal(seen, expected))
        }
        (Value::Object(seen), Value::Object(expected)) => {
            seen.len() == expected.len()
                && expected
                    .iter()
                    .all(|(key, expected)| seen.get(key).is_some_and(|seen| equal(seen, expected)))
        }
        _ => seen == expected,
    }
}

/// As protobuf's JSON writes bytes.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|three| {
            let bits = (0..3).fold(0u32, |bits, i| {
                bits << 8 | u32::from(*three.get(i).unwrap_or(&0))
            });
            (0..4).map(move |i| match i <= three.len() {
                true => char::from(LETTERS[(bits >> (18 - 6 * i)) as usize & 63]),
                false => '=',
            })
        })
        .collect()
}

//! A call counts wholly or not at all: whatever a method does to the documents, and
//! however it ends, they are as it returned them, or as they were.
//!
//! The guest `raw` does to its handles what a list says (`guests/raw/src/play.rs`), and the
//! test does the same to the host's own arrays. The fuzz target `live` compares these with
//! a model.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Value, json};
use wasm_flow::Client;
use wasm_flow::contract::FailureKind;
use wasm_flow::gateway::client::PostRequest;
use wasm_flow_document::{
    Document, DocumentArray, Fields, FloatField, IntegerField, JsonField, Limits, LiveArray,
    LiveError, NestedField, Rows, StringField,
};
use wasm_flow_tests::Server;

/// How long each kind of instance is tried, in seconds: as long as a fuzz target.
const SECONDS: &str = "WASM_FLOW_FUZZ_SECONDS";
const DEFAULT_SECONDS: f64 = 3.0;
const MOST_OPERATIONS: usize = 12;
/// What operations give is bounded, so that copies of copies do not grow without end.
const MOST_DOCUMENTS: u32 = 60;

#[test]
fn documents_are_as_before_or_as_returned() {
    for isolation in ["shared", "request"] {
        let flow = flow(isolation);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let address = format!("grpc://127.0.0.1:{}", flow.port());
        let client = runtime.block_on(Client::connect(&address)).unwrap();
        let mut ends = Map::new();
        arbtest::arbtest(|u| {
            let case = Case::new(u)?;
            runtime.block_on(case.holds(&client));
            let count = ends.get(case.end).and_then(Value::as_u64).unwrap_or(0);
            ends.insert(case.end.to_owned(), json!(count + 1));
            Ok(())
        })
        .budget(budget());
        println!("{isolation}: {}", Value::Object(ends));
    }
}

fn budget() -> Duration {
    let seconds = match std::env::var(SECONDS) {
        Ok(text) => text.parse().expect(SECONDS),
        Err(_) => DEFAULT_SECONDS,
    };
    Duration::from_secs_f64(seconds)
}

/// What is played, and after it an executor that passes on what it sees.
fn flow(isolation: &str) -> Server {
    Server::run(&format!(
        r#"
        [[executors]]
        name = "raw"
        uses = "{{raw}}"
        isolation = "{isolation}"
        limits = {{ cpu = "100ms" }}

        [[executors]]
        name = "next"
        uses = "{{probe}}"
        uses_requests = {{ "/play" = "report" }}
        "#
    ))
}

/// One call.
struct Case {
    before: DocumentArray,
    operations: Vec<Value>,
    /// The array that goes on in place of the request's.
    docs: Option<usize>,
    end: &'static str,
    returned: DocumentArray,
}

impl Case {
    fn new(u: &mut Unstructured<'_>) -> Result<Case> {
        let before = documents(u, 0, "d")?;
        let mut arrays = vec![LiveArray::new(before.clone(), Limits::default())];
        let mut operations = Vec::new();
        for number in 0..u.int_in_range(0..=MOST_OPERATIONS)? {
            let operation = operation(u, number, &arrays)?;
            if let Ok(Some(array)) = step(&arrays, &operation) {
                arrays.push(array);
            }
            operations.push(operation);
            if arrays.iter().any(|array| array.length() > MOST_DOCUMENTS) {
                break;
            }
        }
        let docs = match u.ratio(1, 3)? {
            true => Some(u.choose_index(arrays.len())?),
            false => None,
        };
        // Spinning takes its time.
        let ends = [
            "return", "return", "return", "return", "return", "return", "fail", "fail", "panic",
            "panic", "trap", "exit", "spin",
        ];
        let end = *u.choose(&ends)?;
        let returned = match end {
            "return" => arrays[docs.unwrap_or(0)].snapshot(),
            _ => before.clone(),
        };
        Ok(Case {
            before,
            operations,
            docs,
            end,
            returned,
        })
    }

    /// Makes the call, and looks at what comes of it.
    async fn holds(&self, client: &Client) {
        let parameters = json!({
            "operations": self.operations,
            "docs": self.docs,
            "end": self.end,
        });
        let request = PostRequest {
            endpoint: "/play".to_owned(),
            target: None,
            parameters: parameters.as_object().cloned().unwrap(),
            docs: self.before.clone(),
        };
        let answer = client.send(request).await.unwrap();
        let failure = answer.failure.as_ref();
        let shown = || format!("{failure:?}\n{parameters:#}\nbefore: {:#?}", self.before);
        let expected = match self.end {
            "return" => None,
            "fail" => Some(FailureKind::Method),
            "spin" => Some(FailureKind::Timeout),
            _ => Some(FailureKind::Trap),
        };
        let kind = failure.and_then(|failure| failure.kind);
        assert_eq!(kind, expected, "{}", shown());
        assert_eq!(answer.docs, self.returned, "{}", shown());
        let results = answer.results();
        if self.end == "return" {
            let results = results.unwrap();
            assert_eq!(results["raw/rep-0"], json!({ "played": true }));
            let seen: Vec<&str> = self.returned.texts().collect();
            assert_eq!(results["next/rep-0"]["texts"], json!(seen), "{}", shown());
        } else {
            assert_eq!(results, None, "{}", shown());
            assert_eq!(answer.routes, ["gateway", "raw"], "{}", shown());
        }
    }
}

/// Documents with ids that say where they are.
fn documents(u: &mut Unstructured<'_>, depth: usize, id: &str) -> Result<DocumentArray> {
    let count = u.int_in_range(0..=3 - depth)?;
    (0..count)
        .map(|n| {
            let id = format!("{id}{n}");
            let mut doc = match u.arbitrary()? {
                true => Document::from_text(format!("text of {id}")),
                false => Document::default(),
            };
            if u.arbitrary()? {
                let tags = json!({ "of": id, "n": n });
                doc = Document::from_json(&json!({ "text": doc.text(), "tags": tags })).unwrap();
            }
            doc.id = id.as_str().into();
            if depth < 2 {
                doc.chunks = documents(u, depth + 1, &format!("{id}c"))?;
                doc.matches = documents(u, depth + 1, &format!("{id}m"))?;
            }
            Ok(doc)
        })
        .collect()
}

/// Some operation on these arrays. Now and then it is one that is refused.
fn operation(u: &mut Unstructured<'_>, number: usize, arrays: &[LiveArray]) -> Result<Value> {
    const OPERATIONS: [&str; 17] = [
        "select",
        "nested",
        "flatten",
        "copy",
        "append",
        "extend",
        "insert",
        "arrange",
        "set_nested",
        "texts",
        "uris",
        "tags",
        "blobs",
        "adjacencies",
        "weights",
        "clear",
        "texts",
    ];
    let name = *u.choose(&OPERATIONS)?;
    let on = u.choose_index(arrays.len())?;
    let from = u.choose_index(arrays.len())?;
    let length = arrays[on].length();
    let source = match name {
        "extend" | "insert" => arrays[from].length(),
        _ => length,
    };
    let rows = rows(u, source)?;
    let count = rows.as_ref().map_or(source as usize, Vec::len);
    let count = match u.ratio(1, 12)? {
        true => count + 1,
        false => count,
    };
    let values: Vec<Value> = (0..count)
        .map(|value| match name {
            "tags" => json!(json!({ "written": number, "value": value }).to_string()),
            "adjacencies" | "weights" => json!(number * 100 + value),
            _ => json!(format!("value {value} of operation {number}")),
        })
        .collect();
    Ok(json!({
        "do": name,
        "on": on,
        "from": from,
        "rows": rows,
        "row": u.int_in_range(0..=length)?,
        "field": if u.arbitrary()? { "chunks" } else { "matches" },
        "values": match name {
            "append" => vec![json!(format!("new-{number}"))],
            _ => values,
        },
        "order": order(u, length)?,
    }))
}

/// Some rows, or all.
fn rows(u: &mut Unstructured<'_>, length: u32) -> Result<Option<Vec<u32>>> {
    if u.arbitrary()? {
        return Ok(None);
    }
    let beyond = u32::from(u.ratio(1, 12)?);
    let most = (length + beyond).saturating_sub(1);
    let count = if length + beyond == 0 {
        0
    } else {
        u.int_in_range(0..=3)?
    };
    let rows: Result<Vec<u32>> = (0..count).map(|_| u.int_in_range(0..=most)).collect();
    rows.map(Some)
}

/// Rows in another order, each once, not all of them.
fn order(u: &mut Unstructured<'_>, length: u32) -> Result<Vec<u32>> {
    let mut left: Vec<u32> = (0..length).collect();
    let mut order = Vec::new();
    while !left.is_empty() && !u.ratio(1, 6)? {
        order.push(left.swap_remove(u.choose_index(left.len())?));
    }
    Ok(order)
}

/// What the guest does, on the host's own arrays.
fn step(
    arrays: &[LiveArray],
    operation: &Value,
) -> std::result::Result<Option<LiveArray>, LiveError> {
    let number = |key: &str| operation[key].as_u64().unwrap();
    let array = &arrays[number("on") as usize];
    let from = &arrays[number("from") as usize];
    let row = number("row") as u32;
    let integers = |value: &Value| -> Option<Vec<u32>> {
        let values = value.as_array()?.iter();
        values.map(|value| Some(value.as_u64()? as u32)).collect()
    };
    let rows = integers(&operation["rows"]).map_or(Rows::All, Rows::List);
    let values = || integers(&operation["values"]).unwrap();
    let field = match operation["field"].as_str() {
        Some("matches") => NestedField::Matches,
        _ => NestedField::Chunks,
    };
    let texts = || -> Vec<_> {
        let values = operation["values"].as_array().unwrap().iter();
        values.map(|value| value.as_str().unwrap().into()).collect()
    };
    match operation["do"].as_str().unwrap() {
        "select" => return array.select(&rows).map(Some),
        "nested" => return array.nested(field, row).map(Some),
        "flatten" => return array.flatten(&[field]).map(Some),
        "copy" => {
            let bytes = array.encode(&rows)?;
            return LiveArray::decode(bytes, Limits::default(), u64::MAX).map(Some);
        }
        "append" => {
            array.append_new(1)?;
            let last = Rows::List(vec![array.length() - 1]);
            array.set_strings(StringField::Id, &last, texts())?;
        }
        "extend" => array.extend(from, &rows)?,
        "insert" => array.insert(row, from, &rows)?,
        "arrange" => array.arrange(&integers(&operation["order"]).unwrap())?,
        "set_nested" => array.set_nested(field, row, from)?,
        "texts" => array.set_strings(StringField::Text, &rows, texts())?,
        "uris" => array.set_strings(StringField::Uri, &rows, texts())?,
        "tags" => array.set_json_objects(JsonField::Tags, &rows, texts())?,
        "blobs" => {
            let blobs = texts().into_iter();
            array.set_blobs(&rows, blobs.map(|blob| blob.into_bytes()).collect())?;
        }
        "adjacencies" => array.set_integers(IntegerField::Adjacency, &rows, &values())?,
        "weights" => {
            let values: Vec<f32> = values().into_iter().map(|value| value as f32).collect();
            array.set_floats(FloatField::Weight, &rows, &values)?;
        }
        "clear" => {
            let fields = Fields::CONTENT.with(Fields::TAGS).with(Fields::MATCHES);
            array.clear(fields, &rows)?;
        }
        other => panic!("no operation is called {other}"),
    }
    Ok(None)
}

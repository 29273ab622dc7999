//! Operations on documents, as the parameters list them, and an end.
//!
//! Arrays have numbers: 0 is the request's, and each operation that gives one adds it.
//! What the host refuses is left out. `tests/end_to_end/transaction.rs` does the same.

use wasm_flow_sdk::__private::bindings::wasm_flow::executor::documents::{
    DocumentArray, Error, Fields, FloatField, IntegerField, JsonField, NestedField, Rows, Span,
    StringField,
};
use wasm_flow_sdk::serde_json::Value;

use super::{failure, refused, wit};

/// Does what `operations` says, and comes to the end that `end` says.
pub(super) fn play(
    request: &wit::Request,
    docs: DocumentArray,
    parameters: &Value,
) -> Result<(), wit::Failure> {
    let mut arrays = vec![docs];
    let operations = parameters["operations"].as_array();
    for operation in operations.into_iter().flatten() {
        if let Ok(Some(array)) = step(&arrays, operation) {
            arrays.push(array);
        }
    }
    if let Some(array) = arrays.get(number(&parameters["docs"])) {
        request.set_docs(array).map_err(refused)?;
    }
    request.set_results("{\"played\": true}").map_err(refused)?;
    match parameters["end"].as_str().unwrap_or_default() {
        "return" => Ok(()),
        "fail" => Err(failure("told to fail".to_owned())),
        "panic" => panic!("told to panic"),
        "trap" => std::arch::wasm32::unreachable(),
        "exit" => std::process::exit(0),
        "spin" => loop {
            std::hint::black_box(0);
        },
        end => Err(failure(format!("no end is called {end}"))),
    }
}

fn step(arrays: &[DocumentArray], operation: &Value) -> Result<Option<DocumentArray>, Error> {
    let missing = || Error::Other("no such array".to_owned());
    let on = |key: &str| arrays.get(number(&operation[key])).ok_or_else(missing);
    let (array, rows) = (on("on")?, rows(&operation["rows"]));
    let place = number(&operation["row"]) as u32;
    let texts = || {
        list(&operation["values"], |value| {
            value.as_str().map(str::to_owned)
        })
    };
    let field = match operation["field"].as_str() {
        Some("matches") => NestedField::Matches,
        _ => NestedField::Chunks,
    };
    match operation["do"].as_str().unwrap_or_default() {
        "select" => return array.select(&rows).map(Some),
        "nested" => return array.nested(field, place).map(Some),
        "flatten" => return array.flatten(&[field]).map(Some),
        "copy" => return DocumentArray::decode(&array.encode(&rows)?).map(Some),
        "append" => array.append_new(1).and_then(|()| {
            let last = Rows::Span(Span {
                start: array.length() - 1,
                count: 1,
            });
            array.set_strings(StringField::Id, &last, &texts())
        })?,
        "extend" => array.extend(on("from")?, &rows)?,
        "insert" => array.insert(place, on("from")?, &rows)?,
        "arrange" => array.arrange(&numbers(&operation["order"]))?,
        "set_nested" => array.set_nested(field, place, on("from")?)?,
        "texts" => array.set_strings(StringField::Text, &rows, &texts())?,
        "uris" => array.set_strings(StringField::Uri, &rows, &texts())?,
        "tags" => array.set_json_objects(JsonField::Tags, &rows, &texts())?,
        "blobs" => {
            let blobs: Vec<Vec<u8>> = texts().into_iter().map(String::into_bytes).collect();
            array.set_blobs(&rows, &blobs)?;
        }
        "adjacencies" => {
            let values = numbers(&operation["values"]);
            array.set_integers(IntegerField::Adjacency, &rows, &values)?;
        }
        "weights" => {
            let values = numbers(&operation["values"]);
            let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
            array.set_floats(FloatField::Weight, &rows, &values)?;
        }
        "clear" => array.clear(Fields::CONTENT | Fields::TAGS | Fields::MATCHES, &rows)?,
        _ => return Err(missing()),
    }
    Ok(None)
}

fn rows(value: &Value) -> Rows {
    match value.is_array() {
        true => Rows::These(numbers(value)),
        false => Rows::All,
    }
}

fn number(value: &Value) -> usize {
    value.as_u64().map_or(usize::MAX, |number| number as usize)
}

fn numbers(value: &Value) -> Vec<u32> {
    list(value, |value| value.as_u64().map(|number| number as u32))
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    let values = value.as_array();
    values.into_iter().flatten().filter_map(read).collect()
}

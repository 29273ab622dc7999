//! An executor that calls every function of the interface. A component of it shows
//! for ever that a host has them all, with the types that they had.

#![cfg(target_family = "wasm")]

use bindings::exports::wasm_flow::executor::executor as wit;
use bindings::wasm_flow::executor::documents::{
    Content, Dense, DocumentArray, Error, Fields, FloatField, IntegerField, JsonField, Matrix,
    NamedScore, Ndarray, NdarrayData, NdarrayField, NestedField, Packed, Rows, ScoreField, Span,
    Sparse, StringField,
};
use bindings::wasm_flow::executor::{diagnostics, logging, timers};

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "bare" });
}

struct Every;

impl wit::Guest for Every {
    fn describe() -> wit::Description {
        let method = |name: &str, concurrency| wit::Method {
            name: name.to_owned(),
            endpoints: vec![format!("/{name}")],
            concurrency,
            documentation: format!("Documentation of {name}."),
            parameters_schema: r#"{"type": "object"}"#.to_owned(),
            details: r#"{"write": true}"#.to_owned(),
        };
        wit::Description {
            name: "Every".to_owned(),
            version: "1.2.3".to_owned(),
            documentation: "Calls every function.".to_owned(),
            methods: vec![
                method("every", wit::Concurrency::Concurrent),
                method("fail", wit::Concurrency::Exclusive),
                method("panic", wit::Concurrency::Exclusive),
            ],
            config_schema: r#"{"type": "object"}"#.to_owned(),
            sdk: "none (Rust)".to_owned(),
            details: r#"{"license": "Apache-2.0"}"#.to_owned(),
        }
    }

    async fn start(configuration: wit::Configuration) -> Result<(), wit::Failure> {
        let wit::Configuration {
            uses_with,
            metas,
            requests,
            runtime_args,
        } = configuration;
        if logging::enabled(logging::Level::Info) {
            logging::log(logging::Level::Info, "started", &runtime_args);
        }
        let bound = requests
            .iter()
            .any(|(on, method)| (&**on, &**method) == ("/every", "every"));
        let given = uses_with.contains("given") && metas.contains("workspace");
        match bound && given {
            true => Ok(()),
            false => Err(failure(
                "Start",
                &format!("{uses_with} {metas} {requests:?}"),
            )),
        }
    }

    async fn handle(
        method: u32,
        request: wit::Request,
        docs: DocumentArray,
        length: u32,
    ) -> Result<(), wit::Failure> {
        match method {
            0 => every(&request, &docs, length)
                .await
                .map_err(|error| failure("Refused", &error.to_string())),
            1 => Err(failure("Deliberate", "a failure")),
            _ => {
                diagnostics::report_panic(&diagnostics::Panic {
                    message: "a panic".to_owned(),
                    location: "every.rs:1:2".to_owned(),
                });
                std::process::abort()
            }
        }
    }

    async fn stop() {}
}

bindings::export!(Every with_types_in bindings);

fn failure(name: &str, message: &str) -> wit::Failure {
    wit::Failure {
        name: name.to_owned(),
        message: message.to_owned(),
        trace: vec!["where it was".to_owned()],
        details: r#"{"retry": false}"#.to_owned(),
    }
}

/// Each function once at least. What was written is read again, and all that was
/// read is the result.
async fn every(request: &wit::Request, docs: &DocumentArray, length: u32) -> Result<(), Error> {
    timers::after(1_000_000).await;
    let asked = format!(
        "{} {} {} {} {}",
        request.id().is_empty(),
        request.endpoint(),
        request.parameters(),
        request.time_left().is_some(),
        length == docs.length(),
    );
    let parts = request.docs_matrix();
    let parts = parts
        .iter()
        .map(|part| (&part.executor, part.docs.length()));
    let parts = format!("{:?}", parts.collect::<Vec<_>>());
    let all = &Rows::All;

    let array = DocumentArray::new();
    array.append_new(3)?;
    let ids = ["a", "b", "c"].map(str::to_owned);
    array.set_strings(StringField::Id, all, &ids)?;
    let first = &Rows::Span(Span { start: 0, count: 1 });
    let last = &Rows::These(vec![2]);
    array.set_packed_strings(
        StringField::Text,
        first,
        &Packed {
            bytes: b"text".to_vec(),
            ends: vec![4],
        },
    )?;
    array.set_blobs(&Rows::These(vec![1]), &[b"blob".to_vec()])?;
    array.set_ndarrays(NdarrayField::Tensor, last, &[Some(sparse())])?;
    array.set_json_objects(JsonField::Tags, first, &[r#"{"n":1}"#.to_owned()])?;
    array.set_packed_json_objects(
        JsonField::Metadata,
        first,
        &Packed {
            bytes: b"{}".to_vec(),
            ends: vec![2],
        },
    )?;
    array.set_integers(IntegerField::Granularity, all, &[1, 2, 3])?;
    array.set_floats(FloatField::Weight, all, &[0.5, 0.0, -1.5])?;
    array.set_locations(first, &[vec![1.0, 2.0]])?;
    array.set_matrix(NdarrayField::Embedding, all, &matrix())?;
    array.set_scores(
        ScoreField::Scores,
        first,
        &[vec![("s".to_owned(), score())]],
    )?;
    array.set_nested(NestedField::Matches, 1, docs)?;
    let chunks = array.nested(NestedField::Chunks, 0)?;
    chunks.append_new(1)?;
    chunks.set_strings(StringField::Id, all, &["chunk".to_owned()])?;
    array.clear(Fields::URI | Fields::MODALITY, all)?;

    let contents = array.contents(all)?;
    let read = [
        asked,
        parts,
        format!("{:?}", array.strings(StringField::Text, all)?),
        format!("{:?}", array.packed_strings(StringField::Id, all)?.ends),
        format!("{:?}", array.json_objects(JsonField::Tags, all)?),
        format!(
            "{:?}",
            array.packed_json_objects(JsonField::Tags, first)?.ends
        ),
        format!("{:?}", array.integers(IntegerField::Granularity, last)?),
        format!("{:?}", array.floats(FloatField::Weight, all)?),
        format!("{:?}", array.locations(first)?),
        format!("{:?}", contents.iter().map(kind).collect::<Vec<_>>()),
        format!("{:?}", array.blobs(all)?),
        format!(
            "{:?}",
            array
                .ndarrays(NdarrayField::Tensor, last)?
                .iter()
                .map(shape)
                .collect::<Vec<_>>()
        ),
        format!(
            "{:?}",
            array
                .matrix(NdarrayField::Embedding, all)?
                .map(|matrix| matrix.buffer)
        ),
        format!(
            "{:?}",
            array
                .scores(ScoreField::Scores, first)?
                .iter()
                .map(|scores| scores.len())
                .collect::<Vec<_>>()
        ),
        format!("{:?}", array.nested_lengths(NestedField::Matches, all)?),
        format!("{:?}", array.sizes(Fields::CONTENT, all)?),
    ];

    let again = DocumentArray::decode(&array.encode(first)?)?;
    again.extend(&array, &Rows::These(vec![2, 1]))?;
    again.insert(0, docs, first)?;
    again.arrange(&[0, 1, 3, 2])?;
    let nested = again.flatten(&[NestedField::Matches])?;
    again.extend(&nested, all)?;
    let sent = again.select(all)?;
    let taken = request.send_docs(&sent)?;
    drop(taken);
    request.set_docs(&sent)?;

    let read = read.map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
    request.set_results(&format!("{{\"read\":[{}]}}", read.join(",")))
}

fn matrix() -> Matrix {
    let numbers = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
    Matrix {
        dtype: "<f4".to_owned(),
        shape: vec![2],
        buffer: numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        cls_name: "numpy".to_owned(),
    }
}

fn sparse() -> Ndarray {
    let dense = |dtype: &str, buffer: &[u8], shape| Dense {
        dtype: dtype.to_owned(),
        shape,
        buffer: buffer.to_vec(),
    };
    Ndarray {
        data: NdarrayData::Sparse(Sparse {
            indices: dense("|u1", &[0, 1], vec![2, 1]),
            values: dense("|u1", &[7, 8], vec![2]),
            shape: vec![4],
        }),
        cls_name: "scipy".to_owned(),
        parameters: String::new(),
    }
}

fn score() -> NamedScore {
    NamedScore {
        value: 0.25,
        op_name: "op".to_owned(),
        description: "why".to_owned(),
        ref_id: "a".to_owned(),
    }
}

fn kind(content: &Content) -> &'static str {
    match content {
        Content::None => "none",
        Content::Text => "text",
        Content::Blob => "blob",
        Content::Tensor => "tensor",
    }
}

fn shape(array: &Option<Ndarray>) -> Vec<u32> {
    match array.as_ref().map(|array| &array.data) {
        Some(NdarrayData::Dense(dense)) => dense.shape.clone(),
        Some(NdarrayData::Sparse(sparse)) => sparse.shape.clone(),
        None => Vec::new(),
    }
}

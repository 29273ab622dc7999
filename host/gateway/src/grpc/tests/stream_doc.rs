//! `stream_doc` of flows whose executors answer at once. `tests/end_to_end` has those
//! that send documents while they run.

use super::*;
use crate::grpc::frame::{Answer, DocumentCodec};

const STREAM_DOC: &str = "/jina.JinaSingleDocumentRequestRPC/stream_doc";

/// Sends one document, and gives each answer's documents and header.
async fn stream_doc(
    served: &Served,
    endpoint: &str,
    text: &str,
) -> Result<Vec<(Vec<String>, HeaderProto)>, Status> {
    let asked = Answer {
        header: HeaderProto {
            request_id: "id".to_owned(),
            exec_endpoint: Some(endpoint.to_owned()),
            ..HeaderProto::default()
        },
        docs: Some(DocumentArray::from_texts([text]).encoding()),
        ..Answer::default()
    };
    let path = http::uri::PathAndQuery::from_static(STREAM_DOC);
    let mut grpc = served.raw().await;
    let answers = grpc
        .server_streaming(Request::new(asked), path, DocumentCodec)
        .await?
        .into_inner();
    let answers: Vec<Bytes> = answers.try_collect().await?;
    let read = answers.into_iter().map(|bytes| {
        let (answer, _) = Frame::Document(bytes).decode().unwrap();
        let docs = answer.data.decode().unwrap();
        let texts = docs.texts().map(str::to_owned).collect();
        (texts, answer.header)
    });
    Ok(read.collect())
}

fn functions() -> Functions {
    Functions::default()
        .on("/x", |call| async move {
            let texts = ["a", "b"].map(|suffix| suffixed(&call.docs, suffix));
            reply(DocumentArray::concat(texts.iter()))
        })
        .on("/none", |_| async { reply(DocumentArray::new()) })
        .on("/fails", |_| async { Err(failure("ValueError")) })
        .on("/large", |_| async {
            reply(DocumentArray::from_texts([
                "small".to_owned(),
                "x".repeat(2 << 20),
            ]))
        })
}

#[tokio::test]
async fn each_document_has_a_message_and_a_failure_the_last() {
    let config = GatewayConfig {
        max_message: 1 << 20,
        ..GatewayConfig::default()
    };
    let served = Served::configured(flow([("e", &[], functions())]), config).await;
    let texts = async |endpoint: &str| {
        let answers = stream_doc(&served, endpoint, "t").await.unwrap();
        let answers = answers.into_iter().map(|(texts, header)| {
            assert_eq!(header.request_id, "id");
            let status = header.status.unwrap_or_default();
            let name = status.exception.unwrap_or_default().name;
            format!("{} {name}", texts.join(",")).trim().to_owned()
        });
        answers.collect::<Vec<_>>()
    };
    assert_eq!(texts("/x").await, ["ta", "tb"]);
    assert!(texts("/none").await.is_empty());
    // Jina sends it back four times.
    assert_eq!(texts("/unknown").await, ["t"]);
    assert_eq!(texts("/fails").await, ["t ValueError"]);
    assert_eq!(texts("/large").await, ["small", "t AnswerTooLarge"]);
}

/// Sends a document that is too large for a message, and then does nothing.
#[derive(Debug)]
struct Idle;

impl wasm_flow_contract::Service for Idle {
    fn name(&self) -> &str {
        "idle"
    }

    fn endpoints(&self) -> Vec<String> {
        Vec::new()
    }

    fn write_endpoints(&self) -> Vec<String> {
        Vec::new()
    }

    fn call(
        &self,
        _: wasm_flow_contract::Request,
    ) -> futures::future::BoxFuture<'static, wasm_flow_contract::Response> {
        Box::pin(std::future::pending())
    }

    fn stream(&self, _: wasm_flow_contract::Request) -> wasm_flow_contract::Streamed {
        let large = DocumentArray::from_texts(["x".repeat(2 << 20)]);
        futures::stream::once(std::future::ready(Ok(large)))
            .chain(futures::stream::pending())
            .boxed()
    }
}

#[tokio::test]
async fn a_document_that_is_too_large_ends_the_answers_at_once() {
    let config = GatewayConfig {
        max_message: 1 << 20,
        ..GatewayConfig::default()
    };
    let times = StopTimes::of(&config);
    let served = Served::serving(Arc::new(Idle), config, times).await;
    let answers = stream_doc(&served, "/x", "t");
    let answers = tokio::time::timeout(Duration::from_secs(10), answers).await;
    let answers = answers.unwrap().unwrap();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].0, ["t"]);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let served = Served::new(flow([("e", &[], functions())])).await;
    let refused = served
        .unary(STREAM_DOC, Bytes::from_static(b"garbage"))
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("message 1 of this call is not"),
        "{refused}"
    );
    // One with an id is answered: its document is a text that is not UTF-8.
    let frame = [&[0x0a, 4, 0x0a, 2][..], b"id", &[0x22, 3, 0x22, 1, 0xff]].concat();
    let answer = served.unary(STREAM_DOC, frame.into()).await.unwrap();
    let (answer, _) = Frame::Document(answer).decode().unwrap();
    assert_eq!(answer.header.request_id, "id");
    assert!(
        answer
            .header
            .status
            .unwrap()
            .description
            .contains("the request cannot be read")
    );
    assert!(
        served.unary(STREAM_DOC, Bytes::new()).await.is_err(),
        "no message at all"
    );
}

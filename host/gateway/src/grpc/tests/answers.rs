//! Answers and the bound on them.

use wasm_flow_document::Document;

use super::*;

/// A thousand documents with a thousand chunks each, all of them the same document:
/// a few KiB of memory, and 30 TB when they are written out.
fn terabytes() -> DocumentArray {
    let large = Arc::new(Document {
        uri: "x".repeat(30 << 20).into(),
        ..Document::default()
    });
    let chunks: DocumentArray = std::iter::repeat_n(large, 1000).collect();
    let parent = Arc::new(Document {
        chunks,
        ..Document::default()
    });
    std::iter::repeat_n(parent, 1000).collect()
}

/// A flow that answers `/huge` with terabytes, fails with them at `/fail-huge`, and
/// answers `/results` with many results.
fn huge() -> Flow {
    flow([
        (
            "maker",
            &[],
            Functions::default()
                .on("/huge", |_| async { reply(terabytes()) })
                .on("/fail-huge", |_| async { reply(terabytes()) })
                .on("/results", |call| async {
                    results(call, json!({ "long": "x".repeat(1 << 20) }), 0)
                })
                .on("/ok", |call| async { reply(call.docs) }),
        ),
        (
            "failing",
            &[0],
            Functions::default().on("/fail-huge", |_| async { Err(failure("ValueError")) }),
        ),
    ])
}

async fn bounded(max_message: usize) -> Served {
    let config = GatewayConfig {
        max_message,
        ..GatewayConfig::default()
    };
    Served::configured(huge(), config).await
}

#[tokio::test]
async fn an_answer_of_terabytes_is_an_error() {
    let served = bounded(256 << 20).await;
    let parameters = Struct::from_map(&map(json!({"k": 1.0}))).unwrap();
    let mut request = frame("id", Some("/huge"), &documents(["a"])).to_vec();
    request.extend(field(2, parameters.as_bytes()));
    let request = Bytes::from(request);
    let good = frame("good", Some("/ok"), &documents(["a"]));

    let alone = served.single(request.clone()).await.unwrap();
    let (streamed, status) = served.frames(vec![request, good]).await;
    assert!(status.is_none(), "{status:?}");
    assert_eq!(streamed.len(), 2);
    for answer in [alone].into_iter().chain(streamed) {
        if answer.header.request_id == "good" {
            assert_eq!(texts(&answer), ["a"]);
            continue;
        }
        let text = error(&answer);
        for part in [
            "the answer of flow `test`",
            "executor `maker`",
            "29296.9 GiB",
            "at most 256 MiB",
            "1001000 documents",
            "max_message",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        let exception = answer.header.status.as_ref().unwrap();
        assert_eq!(exception.exception.as_ref().unwrap().name, "AnswerTooLarge");
        assert_eq!(answer.parameters.as_ref(), Some(parameters.as_bytes()));
        assert_eq!(answer.routes.len(), 3);
        assert!(texts(&answer).is_empty());
    }
}

#[tokio::test]
async fn a_failure_is_told_even_if_the_documents_do_not_fit() {
    let served = bounded(256 << 20).await;
    let answer = served
        .single(frame("id", Some("/fail-huge"), &documents(["a"])))
        .await
        .unwrap();
    let text = error(&answer);
    assert!(text.starts_with("ValueError('why'); "), "{text}");
    assert!(text.contains("at most 256 MiB"), "{text}");
    let status = answer.header.status.unwrap();
    assert_eq!(status.exception.unwrap().name, "ValueError");
}

#[tokio::test]
async fn results_count_too() {
    for (max_message, fits) in [(512 << 10, false), (2 << 20, true)] {
        let served = bounded(max_message).await;
        let answer = served
            .single(frame("id", Some("/results"), &documents(["a"])))
            .await
            .unwrap();
        if fits {
            assert_eq!(answer.header.status, None);
            assert_eq!(texts(&answer), ["a"]);
        } else {
            assert!(error(&answer).contains("at most 512 KiB"));
            assert_eq!(answer.parameters, None);
        }
    }
}

/// The client has no bound of its own but gRPC's.
#[tokio::test]
async fn a_request_of_terabytes_is_refused_before_it_is_sent() {
    let served = bounded(256 << 20).await;
    let request = PostRequest {
        docs: terabytes(),
        ..post("/ok", "")
    };
    let client = served.client().await;
    let alone = client.send(request.clone()).await.unwrap_err();
    let requests = futures::stream::iter([post("/ok", "a"), request]);
    let answers = client.call(requests, PostOptions::default()).await.unwrap();
    let mut answers: Vec<_> = answers.collect().await;
    let streamed = answers.pop().unwrap().unwrap_err();
    assert!(answers.pop().unwrap().is_ok());
    for error in [alone.to_string(), streamed.to_string()] {
        assert!(error.contains("29296.9 GiB"), "{error}");
        assert!(error.contains("smaller than 4 GiB"), "{error}");
    }
}

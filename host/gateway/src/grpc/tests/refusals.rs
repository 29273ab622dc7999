//! Errors reach clients that are still sending.

use std::sync::atomic::AtomicBool;

use futures::stream::{self, Stream};

use super::*;

const CALL: &str = "/jina.JinaRPC/Call";

/// These messages, with a pause after each. `ended` says whether all of them were
/// taken.
fn slowly(messages: Vec<Bytes>, ended: &Arc<AtomicBool>) -> impl Stream<Item = Bytes> + use<> {
    let ended = Arc::clone(ended);
    let pause = || tokio::time::sleep(Duration::from_millis(40));
    stream::iter(messages)
        .then(move |message| async move {
            pause().await;
            message
        })
        .chain(
            stream::once(async move {
                pause().await;
                ended.store(true, Ordering::SeqCst);
            })
            .filter_map(|()| std::future::ready(None)),
        )
}

/// The status that a call to `path` with these messages ends with.
async fn refused(
    served: &Served,
    path: &'static str,
    prefetch: Option<&str>,
    messages: impl Stream<Item = Bytes> + Send + 'static,
) -> Status {
    let mut request = Request::new(messages);
    if let Some(prefetch) = prefetch {
        let prefetch = prefetch.parse().unwrap();
        request.metadata_mut().insert("__prefetch__", prefetch);
    }
    let path = http::uri::PathAndQuery::from_static(path);
    let answers = served
        .raw()
        .await
        .streaming(request, path, BytesCodec)
        .await;
    let mut answers = match answers {
        Ok(answers) => answers.into_inner(),
        Err(status) => return status,
    };
    loop {
        match answers.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the call was not refused"),
            Err(status) => return status,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_waits_until_its_client_is_done_sending() {
    let config = GatewayConfig {
        max_message: 100_000,
        ..GatewayConfig::default()
    };
    let served = Served::configured(exclaiming(), config).await;
    let good = || frame("id", Some("/x"), &documents(["a"]));
    let garbage = || Bytes::from_static(b"garbage");
    let large = || frame("id", Some("/x"), &documents([&"x".repeat(300_000)]));
    let cases = [
        (CALL, Some("abc"), good(), "`__prefetch__` is `abc`"),
        ("/jina.JinaRPC/Nothing", None, good(), "does not serve"),
        ("/no.Such/thing", None, good(), "does not serve"),
        (CALL, None, garbage(), "not a jina.DataRequestProto"),
        (SINGLE, None, garbage(), "not a jina.DataRequestProto"),
        (CALL, None, large(), "is larger than"),
        (SINGLE, None, large(), "is larger than"),
    ];
    for (path, prefetch, first, expected) in cases {
        let ended = Arc::new(AtomicBool::new(false));
        let messages = slowly(vec![first, good(), good()], &ended);
        let status = refused(&served, path, prefetch, messages).await;
        assert!(status.message().contains(expected), "{path}: {status}");
        assert!(ended.load(Ordering::SeqCst), "{path}: {expected}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_refused_calls_each_gets_its_message() {
    let served = Served::new(exclaiming()).await;
    let calls = (0..200).map(|n| {
        let message = frame("id", Some("/x"), &documents([&"x".repeat(n * 100)]));
        let messages = stream::iter(vec![message; n % 4]);
        refused(&served, CALL, Some("abc"), messages)
    });
    let statuses: Vec<Status> = stream::iter(calls).buffer_unordered(20).collect().await;
    for status in statuses {
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains("`__prefetch__` is `abc`"));
    }
}

#[tokio::test]
async fn a_client_that_keeps_a_refused_call_open_is_told() {
    let served = Served::new(exclaiming()).await;
    for messages in [
        stream::pending().boxed(),
        stream::iter([frame("id", Some("/x"), b"")])
            .chain(stream::pending())
            .boxed(),
    ] {
        let status = refused(&served, CALL, Some("0"), messages);
        let status = tokio::time::timeout(Duration::from_secs(8), status).await;
        assert_eq!(status.unwrap().code(), Code::InvalidArgument);
    }
}

/// An encoded Struct with one entry, a list of so many objects `{"": null}`.
fn objects(count: usize) -> Vec<u8> {
    let list = [0x0a, 4, 0x2a, 2, 0x0a, 0].repeat(count);
    field(1, &field(2, &field(6, &list)))
}

#[tokio::test]
async fn parameters_have_a_bound_in_bytes_and_in_values() {
    let served = Served::new(exclaiming()).await;
    let long = Struct::from_map(&map(json!({"k": "x".repeat(1 << 20)}))).unwrap();
    let fit = Struct::from_map(&map(json!({"k": "x".repeat(1_000_000)}))).unwrap();
    for (parameters, refused) in [
        (&fit.as_bytes()[..], None),
        (long.as_bytes(), Some("they may take 1 MiB; data belongs")),
        // The list is a value, too.
        (&objects(49_999), None),
        (
            &objects(50_000),
            Some("hold more than 100000 values, nested ones included"),
        ),
    ] {
        let mut request = frame("id", Some("/x"), &documents(["a"])).to_vec();
        request.extend(field(2, parameters));
        let answer = served.single(request.into()).await.unwrap();
        assert_eq!(answer.header.request_id, "id");
        match refused {
            None => assert_eq!(texts(&answer), ["a!"]),
            Some(reason) => {
                let text = error(&answer);
                assert!(text.contains(reason), "{text}");
                assert!(text.contains("data belongs in documents"), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn names_in_a_header_have_a_bound() {
    let served = Served::new(exclaiming()).await;
    let fits = "é".repeat(512);
    let answer = served.single(frame(&fits, Some("/x"), &documents(["a"])));
    assert_eq!(texts(&answer.await.unwrap()), ["a!"]);

    let long = "é".repeat(1 << 20);
    for (id, endpoint, name) in [
        (&*long, "/x", "header.request_id"),
        ("id", &long, "header.exec_endpoint"),
    ] {
        let whole = frame(id, Some(endpoint), &documents(["a"]));
        let cut = whole.slice(..whole.len() - 1);
        for request in [whole, cut] {
            let answer = served.single(request).await.unwrap();
            let text = error(&answer);
            let expected = format!("its {name} takes 2 MiB, and it may take 1 KiB");
            assert!(text.contains(&expected), "{text}");
            assert!(texts(&answer).is_empty());
            for (sent, answered) in [
                (id, &*answer.header.request_id),
                (endpoint, answer.header.exec_endpoint.as_deref().unwrap()),
            ] {
                assert!(sent.starts_with(answered) && answered.len() <= 1 << 10);
                assert!(sent == answered || answered.len() == 1 << 10);
            }
        }
    }
}

/// Parameters that are whole are given back, if there is room for them and the reason.
#[tokio::test]
async fn the_answer_to_what_cannot_be_read_is_not_too_large_either() {
    let parameters = Struct::from_map(&map(json!({"k": "x".repeat(9_900)}))).unwrap();
    let mut request = frame("id", Some("/x"), b"").to_vec();
    request.truncate(request.len() - 4);
    request.extend(field(2, parameters.as_bytes()));
    request.extend(field(4, &field(2, b"\x80\x05.")));
    for (max_message, returned) in [(10 << 10, false), (20 << 10, true)] {
        let config = GatewayConfig {
            max_message,
            ..GatewayConfig::default()
        };
        let served = Served::configured(exclaiming(), config).await;
        let answer = served.unary(SINGLE, request.clone().into()).await.unwrap();
        assert!(answer.len() <= max_message, "{}", answer.len());
        let answer = Incoming::decode(answer).unwrap();
        assert!(error(&answer).contains("Python pickle"));
        let expected = returned.then(|| parameters.as_bytes().clone());
        assert_eq!(answer.parameters, expected);
    }
}

#[tokio::test]
async fn a_refusal_names_the_message_that_the_method_takes() {
    let served = Served::new(exclaiming()).await;
    let garbage = Bytes::from_static(b"garbage");
    for (path, message) in [
        (SINGLE, "jina.DataRequestProto"),
        (
            "/jina.JinaDataRequestRPC/process_data",
            "jina.DataRequestListProto",
        ),
        (
            "/jina.JinaSingleDocumentRequestRPC/stream_doc",
            "jina.SingleDocumentRequestProto",
        ),
    ] {
        let one = refused(&served, path, None, stream::iter([garbage.clone()])).await;
        let expected = format!("message 1 of this call is not a {message}: ");
        assert!(one.message().starts_with(&expected), "{one}");
        let none = refused(&served, path, None, stream::empty()).await;
        let expected = format!("this call ended without a message; send one {message}");
        assert_eq!(none.message(), expected);
    }
}

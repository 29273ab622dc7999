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

//! The client, as a program uses it.

use serde_json::Map;
use tokio::net::TcpListener;
use wasm_flow_document::Document;

use super::*;
use crate::client::{Answers, ClientError, GatewayStatus, Post, PostFailure, PostResponse};

/// Says of each request how many documents it has, after so many milliseconds as its
/// first document's text says.
fn counting() -> Flow {
    flow([(
        "e",
        &[],
        Functions::default()
            .on("/count", |call| async move {
                let first = call.docs.texts().next().unwrap_or("0");
                tokio::time::sleep(Duration::from_millis(first.parse().unwrap_or(0))).await;
                let documents = call.docs.len();
                results(call, json!({ "documents": documents }), 0)
            })
            .on("/parameters", |call| async move {
                let values = Value::Object(Map::clone(&call.parameters));
                results(call, values, 0)
            })
            .on("/even", |call| async move {
                let odd = call.docs.texts().any(|text| text.ends_with('1'));
                match odd {
                    false => reply(call.docs),
                    true => Err(failure("OddError")),
                }
            }),
    )])
}

fn texts_of(docs: &DocumentArray) -> Vec<&str> {
    docs.texts().collect()
}

fn documents_in(response: &PostResponse) -> u64 {
    response.results().unwrap()["e/rep-0"]["documents"]
        .as_f64()
        .unwrap() as u64
}

/// A gateway that says nothing before its first answer, as Jina's.
#[tokio::test]
async fn the_first_document_may_come_after_the_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // It accepts and is silent.
    let silent = tokio::spawn(async move {
        let mut streams = Vec::new();
        loop {
            streams.push(listener.accept().await.unwrap());
        }
    });
    let client = Client::connect(&format!("grpc://{address}")).await.unwrap();
    let pending = futures::stream::pending::<Document>();
    let stream = client.post("/count").docs_stream(pending).stream();
    let answers = tokio::time::timeout(Duration::from_secs(5), stream).await;
    assert!(answers.unwrap().is_ok());
    silent.abort();
}

#[tokio::test]
async fn documents_are_sent_in_requests_and_collected_in_order() {
    let served = Served::new(counting()).await;
    let client = served.client().await;
    let texts = ["300", "b", "200", "d", "0"];
    let docs = DocumentArray::from_texts(texts);
    let answered = client
        .post("/count")
        .docs(docs.clone())
        .request_size(2)
        .await
        .unwrap();
    assert_eq!(texts_of(&answered), texts);
    let responses = client
        .post("/count")
        .docs(docs)
        .request_size(2)
        .responses()
        .await
        .unwrap();
    let sizes: Vec<u64> = responses.iter().map(documents_in).collect();
    assert_eq!(sizes, [2, 2, 1]);

    // 100, if nothing is said; and one request without documents if there are none.
    let many = (0..101).map(|n| Document::from_text(n.to_string()));
    let responses = client.post("/count").docs(many).responses().await.unwrap();
    let sizes: Vec<u64> = responses.iter().map(documents_in).collect();
    assert_eq!(sizes, [100, 1]);
    let responses = client.post("/count").responses().await.unwrap();
    let sizes: Vec<u64> = responses.iter().map(documents_in).collect();
    assert_eq!(sizes, [0]);
}

#[tokio::test]
async fn a_stream_comes_as_it_is_answered_or_in_order() {
    let served = Served::new(counting()).await;
    let client = served.client().await;
    let post = || {
        let docs = DocumentArray::from_texts(["400", "0"]);
        client.post("/count").docs(docs).request_size(1)
    };
    async fn texts(answers: Answers) -> Vec<String> {
        let texts = answers.map_ok(|answer| answer.docs.texts().collect::<String>());
        texts.try_collect().await.unwrap()
    }
    assert_eq!(texts(post().stream().await.unwrap()).await, ["0", "400"]);
    let ordered = post().in_order().compress().prefetch(5).stream().await;
    assert_eq!(texts(ordered.unwrap()).await, ["400", "0"]);
}

#[tokio::test]
async fn parameters_and_targets_go_along() {
    let served = Served::new(counting()).await;
    let client = served.client().await;
    let parameters = json!({ "top_k": 10, "e__only": true });
    let post = |target: &str| {
        client
            .post("/parameters")
            .parameters(parameters.clone())
            .target_executor(target)
    };
    let responses = post("e").responses().await.unwrap();
    assert_eq!(
        responses[0].results().unwrap()["e/rep-0"],
        json!({ "top_k": 10, "only": true })
    );
    assert!(
        post("other").responses().await.unwrap()[0]
            .results()
            .is_none()
    );

    let wrong = client.post("/x").parameters(json!([1])).await.unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "these parameters cannot be sent: expected a JSON object, as in { \"top_k\": 10 }, and \
         this is an array"
    );
    let wrong = client.post("/x").request_size(0).await.unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "a request has at least one document, and `request_size` is 0"
    );
}

#[tokio::test]
async fn a_request_that_failed_is_an_answer_and_ends_what_is_collected() {
    let served = Served::new(counting()).await;
    let client = served.client().await;
    let post = || {
        let docs = DocumentArray::from_texts(["0", "1", "2"]);
        client.post("/even").docs(docs).request_size(1)
    };
    let responses = post().responses().await.unwrap();
    let failed: Vec<Option<String>> = responses
        .into_iter()
        .map(|response| response.into_result().err().map(|failure| failure.name))
        .collect();
    assert_eq!(failed, [None, Some("OddError".to_owned()), None]);
    let error = post().await.unwrap_err();
    assert_eq!(error.to_string(), "a request failed: OddError('why')");
    let ClientError::Failed(failure) = error else {
        panic!("{error}")
    };
    let PostFailure { name, executor, .. } = *failure;
    assert_eq!((name.as_str(), executor.as_str()), ("OddError", "Class"));
}

#[tokio::test]
async fn progress_is_told_with_each_answer() {
    let served = Served::new(counting()).await;
    let client = served.client().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let docs = (0..5).map(|n| Document::from_text(n.to_string()));
    let mut answers = client
        .post("/even")
        .docs(docs)
        .request_size(2)
        .in_order()
        .on_response(move |response, progress| {
            tell.lock().unwrap().push((
                response.failure.is_some(),
                progress.answered,
                progress.failed,
                progress.documents,
            ));
        })
        .stream()
        .await
        .unwrap();
    while answers.next().await.is_some() {}
    assert_eq!(
        *told.lock().unwrap(),
        [(true, 1, 1, 2), (false, 2, 1, 4), (false, 3, 1, 5)]
    );
    let progress = answers.progress();
    assert_eq!((progress.sent, progress.documents_sent), (3, 5));
    assert!(progress.elapsed() > Duration::ZERO);
    assert!(answers.next().await.is_none());
}

/// Documents that do not fit into memory, and need not end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_read_no_faster_than_they_are_answered() {
    let served = Served::new(counting()).await;
    let client = served.client().await;
    let read = Arc::new(AtomicUsize::new(0));
    let reading = Arc::clone(&read);
    let text = "1".repeat(1 << 20);
    let endless = futures::stream::repeat_with(move || {
        reading.fetch_add(1, Ordering::SeqCst);
        Document::from_text(text.clone())
    });
    let mut answers = client
        .post("/none")
        .docs_stream(endless)
        .request_size(1)
        .prefetch(4)
        .stream()
        .await
        .unwrap();
    for _ in 0..10 {
        answers.next().await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let held = read.load(Ordering::SeqCst);
    // What the windows of both directions hold, and what is in flight.
    assert!(held < 100, "{held} MiB were read for 10 answers");
    drop(answers);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let held = read.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(read.load(Ordering::SeqCst), held, "it goes on being read");
}

#[tokio::test]
async fn documents_that_cannot_be_read_end_the_call_after_what_came_before() {
    let served = Served::new(counting()).await;
    let client = served.client().await;
    let docs = futures::stream::iter([
        Ok(Document::from_text("a")),
        Ok(Document::from_text("b")),
        Err("line 3 is not a document"),
    ]);
    let mut answers = client
        .post("/count")
        .try_docs_stream(docs)
        .stream()
        .await
        .unwrap();
    let answer = answers.next().await.unwrap().unwrap();
    assert_eq!(texts_of(&answer.docs), ["a", "b"]);
    let error = answers.next().await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the documents to send cannot be read: line 3 is not a document"
    );
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn batches_are_sent_as_they_are() {
    let served = Served::new(counting()).await;
    let client = served.client().await;
    let batches = futures::stream::iter([3, 0, 1])
        .map(|count: usize| DocumentArray::from_texts((0..count).map(|n| n.to_string())));
    let responses = client.post("/count").batches(batches).request_size(1);
    let responses = responses.responses().await.unwrap();
    let sizes: Vec<u64> = responses.iter().map(documents_in).collect();
    assert_eq!(sizes, [3, 0, 1]);
    // No batch, no request.
    let none = client.post("/count").batches(futures::stream::empty());
    assert!(none.responses().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_gateway_says_of_itself() {
    let served = Served::new(counting()).await;
    let client = served.client().await;
    assert!(client.is_flow_ready().await);
    assert_eq!(
        client.endpoints().await.unwrap(),
        ["/count", "/even", "/parameters", "_jina_dry_run_"]
    );
    let GatewayStatus {
        versions,
        environment,
        ..
    } = client.status().await.unwrap();
    assert_eq!(versions["wasm-flow"], env!("CARGO_PKG_VERSION"));
    assert!(environment.is_empty());
    let _ = served.stop.unwrap().send(());
    served.task.await.unwrap().unwrap();
    assert!(!client.is_flow_ready().await);
    let error = client.endpoints().await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn clients_and_calls_go_to_other_threads() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Client>();
    is_sync::<Client>();
    is_send::<Post>();
    is_send::<Answers>();
    is_send::<ClientError>();
    is_sync::<ClientError>();
}

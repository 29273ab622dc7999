//! Calls of several requests as one.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque, hash_map};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;
use wasm_flow_contract::config::Batching;
use wasm_flow_contract::request::DEFAULT_ENDPOINT;
use wasm_flow_contract::{Call, Failure, FailureKind, Outlet, Reply, Stage, StageInfo};
use wasm_flow_document::{DocumentArray, Limits};

/// A stage whose calls of some endpoints wait for others, so that the documents of
/// several requests go in one call: Jina's dynamic batching.
///
/// Only requests with equal parameters go together. A batch has at most
/// `preferred_batch_size` documents, unless `flush_all` is set: a request's documents
/// may be split over several. It goes when there are enough of them, or when the
/// first has waited for `timeout`. What waits then goes as well, and does not wait for
/// more. A batch is also held to what a request may hold, chunks and matches included.
///
/// The call that is made has no request's id, no trace, and nothing by predecessor. If
/// it fails, each of its requests does. The stage has to give a document for each that
/// it gets, in their order, and nothing else beside them.
///
/// A request that is given up takes its waiting documents out. A batch that is on its
/// way is not called back: others may be in it.
pub struct Batched {
    inner: Arc<dyn Stage>,
    endpoints: BTreeMap<String, Arc<Queues>>,
    /// Endpoints with a method of their own. All others go to the default one. `None`: a
    /// remote executor, which is asked each time, as what it binds is not known at once
    /// and may become something else.
    bound: Option<HashSet<String>>,
}

/// What waits for one entry of the table, by endpoint and parameters.
struct Queues {
    batching: Batching,
    stage: Arc<dyn Stage>,
    waiting: Mutex<Waiting>,
    batches: TaskTracker,
}

#[derive(Default)]
struct Waiting {
    queues: HashMap<Key, Queue>,
    /// How many requests have come: the next one's id.
    requests: u64,
    /// The stage is being stopped: nothing waits any more.
    is_stopping: bool,
}

/// What has to be equal for requests to go together.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    endpoint: Arc<str>,
    parameters: Arc<Map<String, Value>>,
}

/// The requests that may go together.
#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Documents of all of them.
    docs: usize,
    /// Sends them when the first has waited long enough.
    timer: Option<AbortHandle>,
}

impl Drop for Queue {
    fn drop(&mut self) {
        if let Some(timer) = &self.timer {
            timer.abort();
        }
    }
}

/// A request that waits.
struct Item {
    id: u64,
    docs: DocumentArray,
    since: Instant,
    reply: oneshot::Sender<Result<DocumentArray, Failure>>,
}

/// When a queue is to be sent.
enum Due {
    Now(Queue),
    In(Duration),
    /// It has been sent.
    Never,
}

/// A part of a batch: some of a request's documents.
struct Piece {
    request: Arc<Mutex<Gathering>>,
    /// Which of the request's pieces it is.
    place: usize,
    docs: DocumentArray,
}

/// A request whose pieces are on their way.
struct Gathering {
    pieces: Vec<Option<DocumentArray>>,
    missing: usize,
    reply: Option<oneshot::Sender<Result<DocumentArray, Failure>>>,
}

impl Batched {
    /// A stage whose calls of these endpoints are put together. `/default` is for every
    /// endpoint that nothing else is bound to.
    pub fn new(inner: Arc<dyn Stage>, endpoints: BTreeMap<String, Batching>) -> Batched {
        let StageInfo {
            endpoints: bound,
            remote,
            ..
        } = inner.info();
        let bound = bound.into_iter().map(|(endpoint, _)| endpoint);
        let endpoints = endpoints.into_iter().map(|(endpoint, batching)| {
            let queues = Queues {
                batching,
                stage: Arc::clone(&inner),
                waiting: Mutex::default(),
                batches: TaskTracker::new(),
            };
            (endpoint, Arc::new(queues))
        });
        Batched {
            bound: (!remote).then(|| bound.collect()),
            endpoints: endpoints.collect(),
            inner,
        }
    }

    fn queues(&self, endpoint: &str) -> Option<&Arc<Queues>> {
        if let Some(own) = self.endpoints.get(endpoint) {
            return Some(own);
        }
        let others = self.endpoints.get(DEFAULT_ENDPOINT)?;
        let is_bound = match &self.bound {
            Some(bound) => bound.contains(endpoint),
            None => {
                let info = self.inner.info();
                info.endpoints.iter().any(|(bound, _)| bound == endpoint)
            }
        };
        (!is_bound).then_some(others)
    }
}

impl Stage for Batched {
    fn info(&self) -> StageInfo {
        self.inner.info()
    }

    fn binds(&self, endpoint: &str) -> bool {
        self.inner.binds(endpoint)
    }

    fn is_repeatable(&self, endpoint: &str) -> bool {
        self.inner.is_repeatable(endpoint)
    }

    fn streams(&self, endpoint: &str) -> bool {
        self.inner.streams(endpoint)
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        match self.queues(&call.endpoint) {
            // Without documents there is nothing to put together.
            Some(queues) if !call.docs.is_empty() => {
                let queues = Arc::clone(queues);
                Box::pin(async move { queues.call(call).await.map(Reply::new) })
            }
            _ => self.inner.call(call),
        }
    }

    fn stream(&self, call: Call, outlet: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
        match self.inner.streams(&call.endpoint) {
            // Documents that are sent belong to one request.
            true => self.inner.stream(call, outlet),
            false => Box::pin(outlet.send_reply(self.call(call))),
        }
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        let all: Vec<Arc<Queues>> = self.endpoints.values().cloned().collect();
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            join_all(all.iter().map(|queues| queues.stop())).await;
            inner.stop().await;
        })
    }
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(self: Arc<Self>, call: Call) -> Result<DocumentArray, Failure> {
        let (sender, receiver) = oneshot::channel();
        let key = Key {
            endpoint: call.endpoint,
            parameters: call.parameters,
        };
        // Takes the documents out if this future is dropped.
        let mut place = self.join(key, call.docs, sender);
        let answer = receiver.await;
        place.is_over = true;
        answer.unwrap_or_else(|_| {
            Err(Failure::of_flow(
                FailureKind::Lost,
                "BatchLost",
                "the call that this request's documents were put into ended without an answer"
                    .to_owned(),
            ))
        })
    }

    /// Puts a request in, and sends what is ready to go.
    fn join(
        self: &Arc<Self>,
        key: Key,
        docs: DocumentArray,
        reply: oneshot::Sender<Result<DocumentArray, Failure>>,
    ) -> Place {
        let mut waiting = self.lock();
        let id = waiting.requests;
        waiting.requests = id.wrapping_add(1);
        let is_stopping = waiting.is_stopping;
        let queue = waiting.queues.entry(key.clone()).or_default();
        queue.docs = queue.docs.saturating_add(docs.len());
        queue.items.push_back(Item {
            id,
            docs,
            since: Instant::now(),
            reply,
        });
        if is_stopping || queue.docs >= self.batching.preferred_batch_size.get() {
            let queue = waiting.queues.remove(&key);
            drop(waiting);
            if let Some(queue) = queue {
                self.flush(&key, queue);
            }
        } else if queue.timer.is_none() {
            queue.timer = Some(self.flush_later(key.clone()));
        }
        Place {
            queues: Arc::clone(self),
            key,
            id,
            is_over: false,
        }
    }

    /// Sends what waits in a queue when its first request has waited for `timeout`. The
    /// queue aborts this when it goes before.
    fn flush_later(self: &Arc<Self>, key: Key) -> AbortHandle {
        let queues = Arc::clone(self);
        let task = tokio::spawn(async move {
            let mut left = queues.batching.timeout;
            loop {
                tokio::time::sleep(left).await;
                left = match queues.take_due(&key) {
                    Due::In(left) => left,
                    Due::Never => return,
                    Due::Now(mut queue) => {
                        // This is the task that it would abort.
                        queue.timer = None;
                        return queues.flush(&key, queue);
                    }
                };
            }
        });
        task.abort_handle()
    }

    /// The queue whose timer this is, if it is due. A timer that waits for the lock cannot
    /// be aborted, and may then find the next queue of the same key, which has a timer of
    /// its own.
    fn take_due(&self, key: &Key) -> Due {
        let is_own = |queue: &Queue| {
            let timer = queue.timer.as_ref().map(AbortHandle::id);
            timer.is_some() && timer == tokio::task::try_id()
        };
        match self.lock().queues.entry(key.clone()) {
            hash_map::Entry::Occupied(queue) if is_own(queue.get()) => {
                // The first may have gone since, and the next have come later.
                let first = queue.get().items.front();
                let waited = first.map_or(Duration::MAX, |item| item.since.elapsed());
                match self.batching.timeout.checked_sub(waited) {
                    Some(left) if !left.is_zero() => Due::In(left),
                    _ => Due::Now(queue.remove()),
                }
            }
            _ => Due::Never,
        }
    }

    /// Sends all that waits in a queue, in batches.
    fn flush(&self, key: &Key, mut queue: Queue) {
        let most = match self.batching.flush_all {
            true => usize::MAX,
            false => self.batching.preferred_batch_size.get(),
        };
        for batch in batches(std::mem::take(&mut queue.items), most) {
            self.send(key, batch);
        }
    }

    fn send(&self, key: &Key, batch: Vec<Piece>) {
        let docs = DocumentArray::concat(batch.iter().map(|piece| &piece.docs));
        let sent = docs.clone();
        let calling = self.stage.call(Call {
            request_id: Arc::from(""),
            endpoint: Arc::clone(&key.endpoint),
            parameters: Arc::clone(&key.parameters),
            docs,
            parts: Vec::new(),
            trace: None,
        });
        let endpoint = Arc::clone(&key.endpoint);
        self.batches.spawn(async move {
            let outcome = calling
                .await
                .and_then(|reply| checked(reply, &sent, &endpoint));
            hand_out(batch, &outcome);
        });
    }

    /// Sends all that waits, and waits for it.
    async fn stop(&self) {
        let waiting = {
            let mut waiting = self.lock();
            waiting.is_stopping = true;
            std::mem::take(&mut waiting.queues)
        };
        for (key, queue) in waiting {
            self.flush(&key, queue);
        }
        self.batches.close();
        self.batches.wait().await;
    }
}

/// A request's place. Takes it out of its queue, if it is there, when the request is
/// given up.
struct Place {
    queues: Arc<Queues>,
    key: Key,
    id: u64,
    /// It is answered.
    is_over: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut waiting = self.queues.lock();
        let Some(queue) = waiting.queues.get_mut(&self.key) else {
            return;
        };
        let Some(place) = queue.items.iter().position(|item| item.id == self.id) else {
            return;
        };
        if let Some(item) = queue.items.remove(place) {
            queue.docs = queue.docs.saturating_sub(item.docs.len());
        }
        if queue.items.is_empty() {
            waiting.queues.remove(&self.key);
        }
    }
}

/// The documents of these requests in batches of at most `most`, each of which one
/// request could hold.
fn batches(items: VecDeque<Item>, most: usize) -> Vec<Vec<Piece>> {
    let limit = Limits::default().documents;
    let mut batches = Vec::new();
    let mut batch: Vec<Piece> = Vec::new();
    let (mut room, mut total) = (most, 0u64);
    for item in items {
        let request = Arc::new(Mutex::new(Gathering {
            pieces: Vec::new(),
            missing: 0,
            reply: Some(item.reply),
        }));
        if total.saturating_add(item.docs.total()) > limit && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            (room, total) = (most, 0);
        }
        let mut start = 0;
        while start < item.docs.len() {
            let end = start.saturating_add(room).min(item.docs.len());
            let place = {
                let mut gathering = request.lock().unwrap_or_else(PoisonError::into_inner);
                gathering.pieces.push(None);
                gathering.missing += 1;
                gathering.pieces.len() - 1
            };
            let docs = match (start, end) {
                (0, end) if end == item.docs.len() => item.docs.clone(),
                (start, end) => item.docs.arranged(start..end),
            };
            total = total.saturating_add(docs.total());
            batch.push(Piece {
                request: Arc::clone(&request),
                place,
                docs,
            });
            room -= end - start;
            start = end;
            if room == 0 {
                batches.push(std::mem::take(&mut batch));
                (room, total) = (most, 0);
            }
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// A reply that can be taken apart again.
fn checked(reply: Reply, sent: &DocumentArray, endpoint: &str) -> Result<DocumentArray, Failure> {
    let wrong = |description| {
        Err(Failure::of_flow(
            FailureKind::Reply,
            "BatchError",
            description,
        ))
    };
    if !reply.results.is_empty() {
        return wrong(format!(
            "the method of `{endpoint}` returned an object, which belongs to none of the requests \
             that were put together: return documents, or take the endpoint out of \
             `uses_dynamic_batching`"
        ));
    }
    if reply.docs.len() != sent.len() {
        return wrong(format!(
            "the method of `{endpoint}` got {} documents of several requests and gave {}: it has \
             to give one for each, in their order",
            sent.len(),
            reply.docs.len()
        ));
    }
    if is_rearranged(sent, &reply.docs) {
        return wrong(format!(
            "the method of `{endpoint}` gave the documents of several requests in another order: \
             they would go to requests that they do not belong to"
        ));
    }
    Ok(reply.docs)
}

/// Whether a document is in another one's place. A method may give documents with ids of
/// their own.
fn is_rearranged(sent: &DocumentArray, given: &DocumentArray) -> bool {
    let both = sent.iter().zip(given.iter());
    let mut moved = both.filter(|(one, two)| one.id != two.id).peekable();
    if moved.peek().is_none() {
        return false;
    }
    let ids: HashSet<&str> = sent.iter().map(|doc| &*doc.id).collect();
    moved.any(|(_, two)| !two.id.is_empty() && ids.contains(&*two.id))
}

/// Gives each request its own documents.
fn hand_out(batch: Vec<Piece>, outcome: &Result<DocumentArray, Failure>) {
    let mut start: usize = 0;
    for piece in batch {
        let end = start.saturating_add(piece.docs.len());
        let part = outcome
            .as_ref()
            .map(|docs| docs.arranged(start..end))
            .map_err(Failure::clone);
        start = end;
        let mut request = piece.request.lock().unwrap_or_else(PoisonError::into_inner);
        request.take(piece.place, part);
    }
}

impl Gathering {
    fn take(&mut self, place: usize, part: Result<DocumentArray, Failure>) {
        let answer = match part {
            Err(failure) => Err(failure),
            Ok(docs) => {
                if let Some(piece) = self.pieces.get_mut(place) {
                    *piece = Some(docs);
                }
                self.missing = self.missing.saturating_sub(1);
                if self.missing > 0 {
                    return;
                }
                Ok(DocumentArray::concat(self.pieces.iter().flatten()))
            }
        };
        // A request that has failed already, or was given up, is told nothing.
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;
    use wasm_flow_contract::Stage as _;

    use super::*;
    use crate::testing::{Elsewhere, Functions, failure, map, reply, suffixed};

    const HOUR: Duration = Duration::from_secs(3600);

    fn batching(size: usize, timeout: Duration, flush_all: bool) -> Batching {
        Batching {
            preferred_batch_size: NonZeroUsize::new(size).unwrap(),
            timeout,
            flush_all,
        }
    }

    /// A stage that keeps the texts of each call.
    #[derive(Clone, Default)]
    struct Calls(Arc<Mutex<Vec<Vec<String>>>>);

    impl Calls {
        fn stage(&self, batching: Batching) -> Batched {
            let calls = self.clone();
            let inner = Functions::default().on("/x", move |call: Call| {
                let texts: Vec<String> = call.docs.texts().map(str::to_owned).collect();
                assert!(call.parts.is_empty() && call.request_id.is_empty());
                calls.0.lock().unwrap().push(texts.clone());
                async move {
                    match texts.iter().any(|text| text == "bad") {
                        true => Err(failure("ValueError")),
                        false => reply(suffixed(&call.docs, "!")),
                    }
                }
            });
            Batched::new(Arc::new(inner), [("/x".to_owned(), batching)].into())
        }

        fn sizes(&self) -> Vec<usize> {
            let mut sizes: Vec<usize> = self.0.lock().unwrap().iter().map(Vec::len).collect();
            sizes.sort_unstable();
            sizes
        }
    }

    fn call(parameters: Value, texts: &[&str]) -> Call {
        Call {
            request_id: Arc::from("id"),
            endpoint: Arc::from("/x"),
            parameters: Arc::new(map(parameters)),
            docs: DocumentArray::from_texts(texts.iter().map(|text| (*text).to_owned())),
            parts: Vec::new(),
            trace: None,
        }
    }

    async fn texts(
        calling: BoxFuture<'static, Result<Reply, Failure>>,
    ) -> Result<Vec<String>, String> {
        match calling.await {
            Ok(reply) => Ok(reply.docs.texts().map(str::to_owned).collect()),
            Err(failure) => Err(failure.name),
        }
    }

    #[tokio::test]
    async fn documents_of_several_requests_go_together_and_find_their_way_back() {
        let calls = Calls::default();
        let stage = calls.stage(batching(4, Duration::from_millis(50), false));
        let all = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let calling = all.map(|text| texts(stage.call(call(json!({}), &[text]))));
        let answers = futures::future::join_all(calling).await;
        let expected: Vec<_> = all
            .iter()
            .map(|text| Ok(vec![format!("{text}!")]))
            .collect();
        assert_eq!(answers, expected);
        assert_eq!(calls.sizes(), [2, 4, 4]);
    }

    #[tokio::test]
    async fn a_large_request_is_split_and_does_not_wait_for_more() {
        let calls = Calls::default();
        let stage = calls.stage(batching(4, HOUR, false));
        let all = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let answer = texts(stage.call(call(json!({}), &all))).await.unwrap();
        assert_eq!(answer, all.map(|text| format!("{text}!")));
        assert_eq!(calls.sizes(), [2, 4, 4]);

        let calls = Calls::default();
        let stage = calls.stage(batching(4, HOUR, true));
        texts(stage.call(call(json!({}), &all))).await.unwrap();
        assert_eq!(calls.sizes(), [10], "flush_all");

        let calls = Calls::default();
        let stage = calls.stage(batching(1, HOUR, false));
        texts(stage.call(call(json!({}), &["a", "b"])))
            .await
            .unwrap();
        assert_eq!(calls.sizes(), [1, 1]);
    }

    #[tokio::test]
    async fn other_parameters_go_by_themselves() {
        let calls = Calls::default();
        let stage = calls.stage(batching(2, HOUR, false));
        let one = json!({ "k": 1 });
        let two = json!({ "k": 2 });
        let calling = [&one, &two, &one, &two]
            .map(|parameters| texts(stage.call(call(parameters.clone(), &["x"]))));
        futures::future::join_all(calling).await;
        assert_eq!(calls.sizes(), [2, 2]);
    }

    #[tokio::test]
    async fn an_error_reaches_each_request_of_the_batch_and_nobody_else() {
        let calls = Calls::default();
        let stage = calls.stage(batching(2, HOUR, false));
        let calling =
            ["a", "bad", "b", "c"].map(|text| texts(stage.call(call(json!({}), &[text]))));
        let answers = futures::future::join_all(calling).await;
        let failed = Err("ValueError".to_owned());
        assert_eq!(
            answers,
            [
                failed.clone(),
                failed,
                Ok(vec!["b!".to_owned()]),
                Ok(vec!["c!".to_owned()])
            ]
        );
    }

    #[tokio::test]
    async fn who_goes_away_takes_the_documents_out() {
        let calls = Calls::default();
        let stage = calls.stage(batching(3, HOUR, false));
        let mut gone = texts_boxed(&stage, "gone");
        let mut stays = texts_boxed(&stage, "a");
        assert!(futures::poll!(&mut gone).is_pending());
        assert!(futures::poll!(&mut stays).is_pending());
        drop(gone);
        let mut second = texts_boxed(&stage, "b");
        assert!(futures::poll!(&mut second).is_pending());
        assert!(calls.sizes().is_empty(), "there are two");
        let third = texts_boxed(&stage, "c");
        let answers = futures::future::join_all([stays, second, third]).await;
        assert_eq!(answers.len(), 3);
        assert_eq!(*calls.0.lock().unwrap(), [["a", "b", "c"]]);
        // Nothing is left behind.
        drop(texts_boxed(&stage, "d"));
        let mut waits = texts_boxed(&stage, "e");
        assert!(futures::poll!(&mut waits).is_pending());
        drop(waits);
        let queues = &stage.endpoints["/x"];
        assert!(queues.lock().queues.is_empty());
    }

    /// The next one waits for its own time, not for that of the one that has gone.
    #[tokio::test]
    async fn the_time_of_who_goes_away_goes_with_it() {
        let calls = Calls::default();
        let wait = Duration::from_millis(400);
        let stage = calls.stage(batching(3, wait, false));
        let mut gone = texts_boxed(&stage, "gone");
        assert!(futures::poll!(&mut gone).is_pending());
        tokio::time::sleep(wait.mul_f32(0.75)).await;
        let came = Instant::now();
        let mut stays = texts_boxed(&stage, "stays");
        assert!(futures::poll!(&mut stays).is_pending());
        drop(gone);
        stays.await.unwrap();
        assert!(came.elapsed() >= wait, "after {:?}", came.elapsed());
    }

    fn texts_boxed(stage: &Batched, text: &str) -> BoxFuture<'static, Result<Vec<String>, String>> {
        Box::pin(texts(stage.call(call(json!({}), &[text]))))
    }

    #[tokio::test]
    async fn a_reply_that_cannot_be_taken_apart_is_refused() {
        for (inner, expected) in [
            (
                Functions::default().on("/x", |_| async { reply(DocumentArray::new()) }),
                "got 2 documents of several requests and gave 0",
            ),
            (
                Functions::default().on("/x", |call| async {
                    crate::testing::results(call, json!({ "n": 1 }), 0)
                }),
                "returned an object",
            ),
        ] {
            let stage = Batched::new(
                Arc::new(inner),
                [("/x".to_owned(), batching(2, HOUR, false))].into(),
            );
            let failure = stage.call(call(json!({}), &["a", "b"])).await.unwrap_err();
            assert!(failure.description.contains(expected), "{failure}");
        }
    }

    #[test]
    fn no_document_is_in_the_place_of_another() {
        let docs = |ids: &[&'static str]| -> DocumentArray {
            let docs = ids.iter().map(|id| wasm_flow_document::Document {
                id: (*id).into(),
                ..Default::default()
            });
            docs.collect()
        };
        let sent = docs(&["1", "2", "3"]);
        for (given, expected) in [
            (["1", "2", "3"], false),
            (["3", "2", "1"], true),
            // Some are new.
            (["x", "1", "2"], true),
            (["x", "3", "2"], true),
            (["1", "x", "2"], true),
            (["x", "2", "y"], false),
            (["", "", ""], false),
        ] {
            assert_eq!(is_rearranged(&sent, &docs(&given)), expected, "{given:?}");
        }
    }

    #[tokio::test]
    async fn documents_in_another_order_are_refused() {
        let inner = Functions::default().on("/x", |call| async move {
            let last_first = (0..call.docs.len()).rev();
            reply(call.docs.arranged(last_first))
        });
        let stage = Batched::new(
            Arc::new(inner),
            [("/x".to_owned(), batching(2, HOUR, false))].into(),
        );
        let failure = stage.call(call(json!({}), &["a", "b"])).await.unwrap_err();
        assert!(
            failure.description.contains("in another order"),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn the_default_method_is_batched_for_each_endpoint() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let inner = Functions::default().on("/default", move |call| {
            let seen = (call.endpoint.to_string(), call.docs.len());
            kept.lock().unwrap().push(seen);
            async { reply(call.docs) }
        });
        let stage = Batched::new(
            Arc::new(inner),
            [("/default".to_owned(), batching(2, HOUR, false))].into(),
        );
        let at = |endpoint: &str| {
            stage.call(Call {
                endpoint: Arc::from(endpoint),
                ..call(json!({}), &["a"])
            })
        };
        join_all([at("/a"), at("/b"), at("/a"), at("/b")]).await;
        assert_eq!(
            *seen.lock().unwrap(),
            [("/a".to_owned(), 2), ("/b".to_owned(), 2)]
        );
    }

    #[test]
    fn endpoints_of_a_remote_executor_may_become_known_later() {
        let functions = ["/own", "/default"]
            .into_iter()
            .fold(Functions::default(), |functions, endpoint| {
                functions.on(endpoint, |call| async { reply(call.docs) })
            });
        let inner = Arc::new(Elsewhere::new(functions));
        let stage = Batched::new(
            Arc::clone(&inner) as Arc<dyn Stage>,
            [("/default".to_owned(), batching(2, HOUR, false))].into(),
        );
        // Nobody knows better.
        assert!(stage.queues("/own").is_some());
        inner.reach();
        assert!(stage.queues("/own").is_none());
        assert!(stage.queues("/other").is_some());
    }

    #[tokio::test]
    async fn a_stop_sends_what_waits_and_keeps_nothing_back() {
        let calls = Calls::default();
        let stage = calls.stage(batching(9, HOUR, false));
        let mut waits = texts_boxed(&stage, "a");
        let before = texts_boxed(&stage, "b");
        assert!(futures::poll!(&mut waits).is_pending());
        stage.stop().await;
        assert_eq!(waits.await, Ok(vec!["a!".to_owned()]));
        // Later calls do not wait, and neither do those that had not come in yet.
        assert_eq!(before.await, Ok(vec!["b!".to_owned()]));
        let after = texts_boxed(&stage, "c");
        assert_eq!(after.await, Ok(vec!["c!".to_owned()]));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_late_timer_leaves_the_next_queue_alone() {
        let calls = Calls::default();
        let stage = calls.stage(batching(9, Duration::from_secs(2), false));
        let first = tokio::spawn(texts_boxed(&stage, "a"));
        let queues = Arc::clone(&stage.endpoints["/x"]);
        while queues.lock().queues.is_empty() {
            assert!(
                !first.is_finished(),
                "the machine is too busy for this test"
            );
            tokio::task::yield_now().await;
        }
        let next = tokio::spawn(std::future::pending::<()>());
        tokio::task::block_in_place(|| {
            let mut waiting = queues.lock();
            // The timer is done sleeping, and waits for the lock.
            std::thread::sleep(Duration::from_millis(2500));
            for queue in waiting.queues.values_mut() {
                queue.timer = Some(next.abort_handle());
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!next.is_finished() && !first.is_finished());
        assert_eq!(queues.lock().queues.len(), 1);
    }

    #[tokio::test]
    async fn a_batch_holds_no_more_than_a_request_may() {
        let large = || {
            let chunks: DocumentArray = DocumentArray::from_texts(["x"; 1000]);
            (0..600)
                .map(|_| wasm_flow_document::Document {
                    chunks: chunks.clone(),
                    ..wasm_flow_document::Document::from_text("")
                })
                .collect::<DocumentArray>()
        };
        let items = (0..2).map(|id| Item {
            id,
            since: Instant::now(),
            docs: large(),
            reply: oneshot::channel().0,
        });
        let batches = batches(items.collect(), usize::MAX);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    }

    #[tokio::test]
    async fn other_endpoints_and_no_documents_pass_by() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let inner = Functions::default().on("/default", move |call| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { reply(call.docs) }
        });
        let stage = Batched::new(
            Arc::new(inner),
            [("/x".to_owned(), batching(2, HOUR, false))].into(),
        );
        stage.call(call(json!({}), &[])).await.unwrap();
        let other = Call {
            endpoint: Arc::from("/y"),
            ..call(json!({}), &["a"])
        };
        stage.call(other).await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}

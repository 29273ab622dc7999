//! A request whose documents come one by one.

use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use tokio_util::task::task_tracker::TaskTrackerToken;
use wasm_flow_contract::{Failure, FailureKind, NodeId, Outflow, Outlet, Request, Streamed};
use wasm_flow_document::DocumentArray;

use crate::Inner;
use crate::bounds::{STREAM_STALL, STREAM_WAITS};
use crate::run::{self, Way, called};
use crate::target::Target;

/// How long a stream may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// In all. None: as long as it likes.
    pub(crate) whole: Option<Duration>,
    /// Until the client takes a document.
    pub(crate) stall: Duration,
    /// The same for all documents together.
    pub(crate) waits: Duration,
}

/// See [`Flow::stream`](crate::Flow::stream).
pub(crate) fn stream(flow: Arc<Inner>, request: Request, limits: Limits) -> Streamed {
    let place = flow.enter();
    let start = async move {
        let Some(place) = place else {
            let stopped = Err(Arc::new(run::has_stopped(&flow)));
            return futures::stream::once(std::future::ready(stopped)).boxed();
        };
        let (taker, taken) = mpsc::channel(0);
        // A task of its own: who reads nothing does not ask for documents, and time
        // passes all the same.
        let driven = drive(flow, request, limits, taker, place);
        let task = AbortOnDropHandle::new(tokio::spawn(driven));
        let ended = async move {
            if let Err(error) = task.await
                && let Ok(panic) = error.try_into_panic()
            {
                // Else a stream that broke would look like one that is complete.
                std::panic::resume_unwind(panic);
            }
        };
        let ended = futures::stream::once(ended).filter_map(|()| std::future::ready(None));
        taken.chain(ended).boxed()
    };
    Box::pin(futures::stream::once(start).flatten())
}

async fn drive(
    flow: Arc<Inner>,
    request: Request,
    limits: Limits,
    to: Sender,
    place: TaskTrackerToken,
) {
    let mut taker = Taker {
        to,
        stall: limits.stall,
        left: limits.waits,
    };
    let documents = documents(&flow, request, &mut taker);
    let outcome = match limits.whole {
        None => documents.await,
        Some(limit) => timeout(limit, documents)
            .await
            .unwrap_or_else(|_| Err(Stop::failed(run::too_late(&flow, limit)))),
    };
    // No executor has to do with it any more, and who reads nothing never takes this.
    drop(place);
    if let Err(Stop::Failed(failure)) = outcome {
        // Nobody is told if nobody is there.
        let _ = taker.to.send(Err(failure)).await;
    }
}

/// Why a stream ends early.
enum Stop {
    Failed(Arc<Failure>),
    /// Nobody takes its documents any more.
    Gone,
}

impl Stop {
    fn failed(failure: Failure) -> Stop {
        Stop::Failed(Arc::new(failure))
    }
}

/// What a stream is made of.
type Sender = mpsc::Sender<Result<DocumentArray, Arc<Failure>>>;

/// Who takes the documents.
struct Taker {
    to: Sender,
    stall: Duration,
    /// How long it may yet be waited for, in all.
    left: Duration,
}

impl Taker {
    async fn take(&mut self, docs: DocumentArray) -> Result<(), Stop> {
        for doc in docs {
            let doc = DocumentArray::from_iter([doc]);
            let since = Instant::now();
            match timeout(self.stall.min(self.left), self.to.send(Ok(doc))).await {
                Ok(taken) => taken.map_err(|_| Stop::Gone)?,
                Err(_) => return Err(Stop::failed(stalled(since.elapsed()))),
            }
            self.left = self.left.saturating_sub(since.elapsed());
        }
        Ok(())
    }
}

/// The client reads too slowly.
fn stalled(waited: Duration) -> Failure {
    let reason = format!(
        "the client has not taken a document for {:.1} s, so this stream ends here; what came \
         before it was sent. A client may take {STREAM_STALL:?} for one document and \
         {STREAM_WAITS:?} for all: read faster, or ask for less at once",
        waited.as_secs_f64()
    );
    Failure::of_flow(FailureKind::Timeout, "StreamStalled", reason)
}

async fn documents(flow: &Arc<Inner>, request: Request, taker: &mut Taker) -> Result<(), Stop> {
    let target =
        run::target(&request).map_err(|error| Stop::failed(run::bad_target(error.to_string())))?;
    let order = flow.graph.order();
    let streams = |id: &NodeId| {
        let node = &flow.graph[*id];
        node.value.streams(&request.endpoint) && called(node, &request, target.as_ref())
    };
    let Some(at) = order.iter().position(streams) else {
        let response = run::run(Arc::clone(flow), request).await;
        return match response.failure {
            Some(failure) => Err(Stop::Failed(failure)),
            None => taker.take(response.docs).await,
        };
    };
    let (before, rest) = order.split_at_checked(at).unwrap_or_default();
    let Some((&id, behind)) = rest.split_first() else {
        return Ok(());
    };
    let node = &flow.graph[id];
    if !flow.is_chain {
        return Err(Stop::failed(Failure::of_flow(
            FailureKind::Request,
            "StreamInGraph",
            format!(
                "executor `{}` sends documents one by one at endpoint `{}`, which only a chain \
                 can pass on: flow `{}` has branches, conditions or floating executors",
                node.name, request.endpoint, flow.name
            ),
        )));
    }
    let sent = request.parts.clone();
    let mut way = Way::new(flow, &request, target.as_ref(), sent);
    way.go(before, request.docs.clone()).await;
    if let Some(failure) = way.response.failure {
        return Err(Stop::Failed(failure));
    }
    let docs = std::mem::take(&mut way.response.docs);
    let call = way.call(node, docs);
    let (outlet, outflow) = Outlet::new();
    let calling = node.value.stream(call, outlet);
    let (end, ended) = oneshot::channel::<()>();
    let calling = async {
        let outcome = calling.await;
        drop(end);
        Ok::<_, Stop>(outcome)
    };
    let behind = Behind {
        flow,
        request: &request,
        target: target.as_ref(),
        from: &node.name,
        nodes: behind,
    };
    let passing = behind.pass(outflow, ended, taker);
    let ((), outcome) = futures::future::try_join(passing, calling).await?;
    match outcome {
        Ok(_) => Ok(()),
        Err(failure) => Err(Stop::failed(failure)),
    }
}

/// The executors behind one that sends documents.
struct Behind<'f> {
    flow: &'f Inner,
    request: &'f Request,
    target: Option<&'f Target>,
    from: &'f Arc<str>,
    nodes: &'f [NodeId],
}

impl Behind<'_> {
    /// Takes what is sent through these executors, until the call has ended. It may leave
    /// its end of the channel open.
    async fn pass(
        &self,
        mut outflow: Outflow,
        mut ended: oneshot::Receiver<()>,
        taker: &mut Taker,
    ) -> Result<(), Stop> {
        loop {
            tokio::select! {
                biased;
                docs = outflow.next() => match docs {
                    Some(docs) => self.pass_each(docs, taker).await?,
                    None => return Ok(()),
                },
                _ = &mut ended => break,
            }
        }
        outflow.close();
        while let Some(docs) = outflow.next().await {
            self.pass_each(docs, taker).await?;
        }
        Ok(())
    }

    async fn pass_each(&self, docs: DocumentArray, taker: &mut Taker) -> Result<(), Stop> {
        if self.nodes.is_empty() {
            return taker.take(docs).await;
        }
        for doc in docs {
            let mut way = Way::new(self.flow, self.request, self.target, Vec::new());
            way.from = Arc::clone(self.from);
            way.go(self.nodes, DocumentArray::from_iter([doc])).await;
            if let Some(failure) = way.response.failure {
                return Err(Stop::Failed(failure));
            }
            taker.take(way.response.docs).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::BoxFuture;
    use wasm_flow_contract::{Call, Graph, Part, Reply, Stage, StageInfo};

    use super::*;
    use crate::Flow;
    use crate::testing::{Functions, failure, flow, graph, reply, suffixed};

    /// Sends as many documents as the request's first text says, and then fails if it
    /// ends with `!`.
    #[derive(Default)]
    struct Counts {
        sent: Arc<AtomicUsize>,
    }

    impl Stage for Counts {
        fn info(&self) -> StageInfo {
            StageInfo::default()
        }

        fn binds(&self, endpoint: &str) -> bool {
            endpoint == "/count"
        }

        fn streams(&self, endpoint: &str) -> bool {
            self.binds(endpoint)
        }

        fn call(&self, _: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
            Box::pin(async { Err(failure("Called")) })
        }

        fn stream(&self, call: Call, outlet: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
            let sent = Arc::clone(&self.sent);
            Box::pin(async move {
                let text = call.docs.texts().next().unwrap_or_default().to_owned();
                let count = text.trim_end_matches('!').parse().unwrap();
                for number in 0..count {
                    sent.fetch_add(1, Ordering::SeqCst);
                    let doc = DocumentArray::from_texts([number.to_string()]);
                    if outlet.send(doc).await.is_err() {
                        return Err(failure("Gone"));
                    }
                }
                // One that goes on after its call does not keep the stream open.
                std::mem::forget(outlet);
                match text.ends_with('!') {
                    true => Err(failure("Enough")),
                    false => reply(DocumentArray::new()),
                }
            })
        }

        fn stop(&self) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    fn suffix(with: &'static str) -> Functions {
        Functions::default().on("/count", move |call| async move {
            match call.docs.texts().next() {
                Some("2x") if with == "no2" => Err(failure("Two")),
                _ => reply(suffixed(&call.docs, with)),
            }
        })
    }

    fn counting(behind: &[&'static str]) -> (Flow, Arc<AtomicUsize>) {
        let counts = Counts::default();
        let sent = Arc::clone(&counts.sent);
        let mut stages: Vec<(String, Arc<dyn Stage>)> = vec![
            ("first".into(), Arc::new(suffix(""))),
            ("counts".into(), Arc::new(counts)),
        ];
        for with in behind {
            stages.push((format!("then{with}"), Arc::new(suffix(with))));
        }
        (Flow::new("test", Graph::chain(stages)).unwrap(), sent)
    }

    /// What is streamed: texts, and at the end the failure's name.
    async fn streamed(flow: &Flow, text: &str) -> Vec<String> {
        let docs = DocumentArray::from_texts([text]);
        let stream = flow.stream(Request::new("/count", docs));
        let told = stream.map(|item| match item {
            Ok(docs) => docs.texts().collect::<Vec<_>>().join(","),
            Err(failure) => failure.name.clone(),
        });
        told.collect().await
    }

    #[tokio::test]
    async fn documents_come_one_by_one_and_pass_the_rest() {
        let (flow, _) = counting(&["x", "y"]);
        assert_eq!(streamed(&flow, "3").await, ["0xy", "1xy", "2xy"]);
        assert!(streamed(&flow, "0").await.is_empty());
    }

    #[tokio::test]
    async fn a_failure_comes_last_and_once() {
        let (flow, _) = counting(&["x"]);
        assert_eq!(streamed(&flow, "2!").await, ["0x", "1x", "Enough"]);
        assert_eq!(streamed(&flow, "0!").await, ["Enough"]);
        let (flow, _) = counting(&["x", "no2"]);
        assert_eq!(streamed(&flow, "9").await, ["0xno2", "1xno2", "Two"]);
    }

    #[tokio::test]
    async fn who_sends_waits_until_documents_are_taken() {
        let (flow, sent) = counting(&[]);
        let docs = DocumentArray::from_texts(["1000"]);
        let mut stream = flow.stream(Request::new("/count", docs));
        for taken in 1..5 {
            stream.next().await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            let ahead = sent.load(Ordering::SeqCst) - taken;
            assert!(ahead <= 5, "{ahead} ahead");
        }
        drop(stream);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(sent.load(Ordering::SeqCst) < 20);
    }

    #[tokio::test]
    async fn what_does_not_stream_gives_its_answer() {
        let plain = flow([("a", &[], suffix("a")), ("b", &[0], suffix("b"))]);
        assert_eq!(streamed(&plain, "1").await, ["1ab"]);
        assert_eq!(streamed(&plain, "2x").await, ["2xab"]);
        let fails = flow([("a", &[], suffix("no2"))]);
        assert_eq!(streamed(&fails, "2x").await, ["Two"]);
        let mut request = Request::new("/count", DocumentArray::new());
        request.target = "(".to_owned();
        let items: Vec<_> = plain.stream(request).collect().await;
        assert_eq!(items[0].as_ref().unwrap_err().name, "BadTarget");
    }

    fn limits(whole: Option<u64>, stall: u64, waits: u64) -> Limits {
        Limits {
            whole: whole.map(Duration::from_millis),
            stall: Duration::from_millis(stall),
            waits: Duration::from_millis(waits),
        }
    }

    /// Takes one of 1,000 documents, and then one every so many milliseconds. What came
    /// last is the failure.
    async fn taken_slowly(limits: Limits, pause: u64) -> (usize, String) {
        let (flow, sent) = counting(&["x"]);
        let request = Request::new("/count", DocumentArray::from_texts(["1000"]));
        let mut stream = super::stream(Arc::clone(&flow.inner), request, limits);
        let mut taken = 0;
        while let Some(item) = stream.next().await {
            match item {
                Ok(_) => taken += 1,
                Err(failure) => {
                    assert!(stream.next().await.is_none());
                    return (taken, failure.name.clone());
                }
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        assert_eq!(sent.load(Ordering::SeqCst), 1000);
        (taken, String::new())
    }

    /// Neither waits until somebody asks for a document.
    #[tokio::test]
    async fn a_client_that_does_not_read_is_told_where_the_stream_ended() {
        let (taken, name) = taken_slowly(limits(None, 50, 60_000), 500).await;
        assert_eq!(name, "StreamStalled");
        assert!(taken < 5, "{taken}");
        // Never long at once, and too long in all.
        let (taken, name) = taken_slowly(limits(None, 60_000, 200), 20).await;
        assert_eq!(name, "StreamStalled");
        assert!((2..900).contains(&taken), "{taken}");
        let (taken, name) = taken_slowly(limits(Some(100), 60_000, 60_000), 20).await;
        assert_eq!(name, "TimeoutError");
        assert!(taken < 900, "{taken}");
        assert_eq!(
            taken_slowly(limits(Some(60_000), 60_000, 60_000), 0).await,
            (1000, String::new())
        );
    }

    /// Who never reads the failure does not keep a flow from being stopped.
    #[tokio::test]
    async fn a_stop_does_not_wait_for_a_client_that_has_stalled() {
        let (flow, _) = counting(&[]);
        let request = Request::new("/count", DocumentArray::from_texts(["1000"]));
        let mut stream = super::stream(Arc::clone(&flow.inner), request, limits(None, 50, 60_000));
        stream.next().await.unwrap().unwrap();
        let stopped = tokio::time::timeout(Duration::from_secs(20), flow.stop());
        stopped.await.unwrap();
        drop(stream);
    }

    /// A flow that stands at a node of another one is told who sent what.
    #[tokio::test]
    async fn who_streams_sees_who_sent_its_documents() {
        let (sent, parts) = tokio::sync::oneshot::channel();
        let tells = Tells(std::sync::Mutex::new(Some(sent)));
        let stages: Vec<(String, Arc<dyn Stage>)> = vec![("tells".into(), Arc::new(tells))];
        let flow = Flow::new("test", Graph::chain(stages)).unwrap();
        let part = |executor: &str| Part {
            executor: executor.into(),
            docs: DocumentArray::from_texts([executor]),
        };
        let mut request = Request::new("/tell", DocumentArray::from_texts(["a", "b"]));
        request.parts = vec![part("a"), part("b")];
        assert!(flow.stream(request).next().await.is_none());
        assert_eq!(parts.await.unwrap(), ["a", "b"]);
    }

    /// Sends nothing, and tells by whom its documents were sent.
    struct Tells(std::sync::Mutex<Option<oneshot::Sender<Vec<String>>>>);

    impl Stage for Tells {
        fn info(&self) -> StageInfo {
            StageInfo::default()
        }

        fn binds(&self, _: &str) -> bool {
            true
        }

        fn streams(&self, _: &str) -> bool {
            true
        }

        fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
            Box::pin(std::future::ready(Ok(Reply::new(call.docs))))
        }

        fn stream(&self, call: Call, _: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
            let names = call.parts.iter().map(|part| part.executor.to_string());
            let sender = self.0.lock().unwrap().take().unwrap();
            sender.send(names.collect()).unwrap();
            Box::pin(std::future::ready(Ok(Reply::new(DocumentArray::new()))))
        }

        fn stop(&self) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    /// The time that an executor behind takes is not the client's.
    #[tokio::test]
    async fn a_slow_executor_behind_is_waited_for() {
        let counts: Arc<dyn Stage> = Arc::new(Counts::default());
        let slow = Functions::default().on("/count", |call: Call| async move {
            tokio::time::sleep(Duration::from_millis(60)).await;
            reply(call.docs)
        });
        let stages = vec![
            ("counts".to_owned(), counts),
            ("slow".to_owned(), Arc::new(slow) as _),
        ];
        let flow = Flow::new("test", Graph::chain(stages)).unwrap();
        let request = Request::new("/count", DocumentArray::from_texts(["4"]));
        let stream = super::stream(Arc::clone(&flow.inner), request, limits(None, 20, 100));
        assert_eq!(
            stream.map(|item| item.is_ok()).collect::<Vec<_>>().await,
            [true; 4]
        );
    }

    /// Also before any document is there.
    #[tokio::test]
    async fn the_flows_timeout_is_for_streams_too() {
        let hangs = |_: Call| std::future::pending();
        let hanging = || Functions::default().on("/count", hangs);
        let counts = || -> Arc<dyn Stage> { Arc::new(Counts::default()) };
        let chains: [Vec<(String, Arc<dyn Stage>)>; 2] = [
            vec![("hangs".into(), Arc::new(hanging()))],
            vec![
                ("hangs".into(), Arc::new(hanging())),
                ("counts".into(), counts()),
            ],
        ];
        for chain in chains {
            let flow = Flow::new("test", Graph::chain(chain)).unwrap();
            let flow = flow.with_timeout(Some(Duration::from_millis(50)));
            assert_eq!(streamed(&flow, "3").await, ["TimeoutError"]);
        }
    }

    #[tokio::test]
    #[should_panic = "a fault of the host"]
    async fn a_panic_does_not_look_like_the_end() {
        let panics = |_: Call| async { panic!("a fault of the host") };
        let flow = flow([("a", &[], Functions::default().on("/count", panics))]);
        streamed(&flow, "1").await;
    }

    #[tokio::test]
    async fn only_a_chain_passes_them_on() {
        let counts: Arc<dyn Stage> = Arc::new(Counts::default());
        let branches = graph([
            ("a", &[], suffix("")),
            ("b", &[0], suffix("")),
            ("c", &[0], suffix("")),
            ("d", &[1, 2], suffix("")),
        ]);
        let branches = branches.map(|_, name, stage| match &**name {
            "b" => Arc::clone(&counts),
            _ => stage,
        });
        let flow = Flow::new("test", branches).unwrap();
        assert_eq!(streamed(&flow, "3").await, ["StreamInGraph"]);
    }
}

//! One `JinaRPC/Call`: a stream of frames in, a stream of answers out.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::stream::{FuturesOrdered, FuturesUnordered, Stream, StreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tonic::{Status, Streaming};
use wasm_flow_contract::Service;

use super::answer::answer;
use super::frame::{Answer, Frame, FrameError};
use super::options::CallOptions;
use super::status::{read_error, short};
use crate::bounds::SMALL_REQUEST;
use crate::drain::{Active, Unanswered};

/// The answers to a stream of frames.
///
/// Requests run in tasks of their own, not in the connection's: they go on, and their
/// time is kept, even if the client does not read. Nothing is read while `prefetch`
/// requests are in flight or wait to be taken by the client. So a slow client or flow
/// holds a fast sender back. Dropping this gives all of them up.
pub(super) struct CallStream {
    flow: Arc<dyn Service>,
    options: CallOptions,
    /// `None` once there is nothing more to read.
    input: Option<Streaming<Bytes>>,
    running: Running,
    /// Runs the small requests. `None` until there is one.
    small: Option<SmallRequests>,
    /// How many messages were read.
    read: u64,
    /// How many more may be read, once the gateway is being stopped.
    left: Option<u64>,
    /// What the stream ends with, once the requests in flight are answered.
    end: Option<Status>,
    active: Active,
}

enum Running {
    Ordered(FuturesOrdered<Task>),
    Unordered(FuturesUnordered<Task>),
}

impl Running {
    fn len(&self) -> usize {
        match self {
            Running::Ordered(tasks) => tasks.len(),
            Running::Unordered(tasks) => tasks.len(),
        }
    }

    fn push(&mut self, task: Task) {
        match self {
            Running::Ordered(tasks) => tasks.push_back(task),
            Running::Unordered(tasks) => tasks.push(task),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Answer, Status>>> {
        match self {
            Running::Ordered(tasks) => Pin::new(tasks).poll_next(cx),
            Running::Unordered(tasks) => Pin::new(tasks).poll_next(cx),
        }
    }
}

/// What became of a request.
type Answered = Result<Answer, FrameError>;

/// A request in flight.
struct Task {
    answer: oneshot::Receiver<Answered>,
    /// The task of a large request, which is given up when this is dropped.
    alone: Option<AbortHandle>,
    /// Which message of the stream it is, from 1.
    number: u64,
}

impl Future for Task {
    type Output = Result<Answer, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.number;
        Poll::Ready(match ready!(Pin::new(&mut self.answer).poll(cx)) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Status::invalid_argument(short(&format!(
                "message {number} of this call is {error}; the call ends with it, and no further messages of it are read"
            )))),
            // Only a panic drops the other end.
            Err(_) => Err(Status::internal(format!(
                "the gateway lost message {number} of this call"
            ))),
        })
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = &self.alone {
            task.abort();
        }
    }
}

/// Where an answer goes.
struct Reply {
    sender: oneshot::Sender<Answered>,
    _unanswered: Unanswered,
}

impl Reply {
    fn send(self, answered: Answered) {
        // Nobody waits for it if the stream is gone.
        drop(self.sender.send(answered));
    }
}

/// A stream's small requests, which share a task. It ends with this value.
struct SmallRequests {
    frames: mpsc::UnboundedSender<(Bytes, Reply)>,
    task: AbortHandle,
}

impl SmallRequests {
    fn new(flow: Arc<dyn Service>, options: CallOptions) -> SmallRequests {
        let (frames, inbox) = mpsc::unbounded_channel();
        SmallRequests {
            frames,
            task: tokio::spawn(SmallRequests::run(flow, options, inbox)).abort_handle(),
        }
    }

    async fn run(
        flow: Arc<dyn Service>,
        options: CallOptions,
        mut inbox: mpsc::UnboundedReceiver<(Bytes, Reply)>,
    ) {
        let mut running = FuturesUnordered::new();
        poll_fn(|cx| {
            loop {
                while let Poll::Ready(Some((frame, reply))) = inbox.poll_recv(cx) {
                    let work = {
                        let frame = Frame::Request(frame);
                        answer(&*flow, options.max_message, options.trace, frame)
                    };
                    running.push(async {
                        // A request that panics does not take its neighbours along.
                        if let Ok(answered) = AssertUnwindSafe(work).catch_unwind().await {
                            reply.send(answered);
                        }
                    });
                }
                if !matches!(running.poll_next_unpin(cx), Poll::Ready(Some(()))) {
                    // Aborted with its stream.
                    return Poll::<()>::Pending;
                }
            }
        })
        .await;
    }
}

impl Drop for SmallRequests {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl CallStream {
    pub(super) fn new(
        flow: Arc<dyn Service>,
        input: Streaming<Bytes>,
        options: CallOptions,
        active: Active,
    ) -> CallStream {
        CallStream {
            flow,
            input: Some(input),
            running: if options.in_order {
                Running::Ordered(FuturesOrdered::new())
            } else {
                Running::Unordered(FuturesUnordered::new())
            },
            options,
            small: None,
            read: 0,
            left: None,
            end: None,
            active,
        }
    }

    /// Starts requests until there is no room for more, or none has arrived.
    fn take_in(&mut self, cx: &mut Context<'_>) {
        let stopping = self.active.poll_stopping(cx).is_ready();
        if stopping && self.left.is_none() {
            // What has arrived is served, but only what fits at once: a client that keeps
            // sending would keep the gateway from stopping.
            let room = self.options.prefetch.saturating_sub(self.running.len());
            self.left = Some(room as u64);
        }
        while self.running.len() < self.options.prefetch {
            let Some(input) = &mut self.input else {
                return;
            };
            match Pin::new(input).poll_next(cx) {
                Poll::Ready(Some(Ok(_))) if self.left == Some(0) => {
                    self.stop_reading(self.stopped());
                }
                Poll::Ready(Some(Ok(frame))) => {
                    self.read += 1;
                    self.left = self.left.map(|left| left.saturating_sub(1));
                    let task = self.start(frame);
                    self.running.push(task);
                }
                Poll::Ready(Some(Err(status))) => {
                    self.stop_reading(read_error(status, self.read + 1, self.options.max_message));
                }
                Poll::Ready(None) => self.input = None,
                // While requests are in flight the client may still end its side, and then
                // nothing of its stream is left out.
                Poll::Pending if stopping && self.running.len() == 0 => {
                    self.stop_reading(self.stopped());
                }
                Poll::Pending => return,
            }
        }
    }

    fn start(&mut self, frame: Bytes) -> Task {
        let (sender, answered) = oneshot::channel();
        let reply = Reply {
            sender,
            _unanswered: self.active.request(),
        };
        let mut alone = None;
        let options = self.options;
        if frame.len() <= SMALL_REQUEST {
            let small = self
                .small
                .get_or_insert_with(|| SmallRequests::new(self.flow.clone(), options));
            // Its task ends only with this stream.
            drop(small.frames.send((frame, reply)));
        } else {
            let flow = self.flow.clone();
            let work = async move {
                let frame = Frame::Request(frame);
                reply.send(answer(&*flow, options.max_message, options.trace, frame).await);
            };
            alone = Some(tokio::spawn(work).abort_handle());
        }
        Task {
            answer: answered,
            alone,
            number: self.read,
        }
    }

    /// The end of a stream that its client keeps open although the gateway is being
    /// stopped.
    fn stopped(&self) -> Status {
        Status::unavailable(format!(
            "the gateway is being stopped; the messages of this call after the first {} were not read",
            self.read
        ))
    }

    /// Reads no more, and ends with this once the rest is answered.
    fn stop_reading(&mut self, status: Status) {
        self.input = None;
        self.end.get_or_insert(status);
    }
}

impl Stream for CallStream {
    type Item = Result<Answer, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            this.take_in(cx);
            match this.running.poll_next(cx) {
                Poll::Ready(Some(Ok(answer))) => return Poll::Ready(Some(Ok(answer))),
                Poll::Ready(Some(Err(status))) => this.stop_reading(status),
                Poll::Ready(None) if this.input.is_none() => {
                    return Poll::Ready(this.end.take().map(Err));
                }
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

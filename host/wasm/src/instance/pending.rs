//! A call in flight, as its caller sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::debug_span;
use wasm_flow_contract::{Call, Outlet};
use wasm_flow_document::{Limits as DocumentLimits, LiveArray};

use super::Instance;
use super::job::{Job, JobResult, ReplyTo};
use super::signals::{BROKEN, End, Signals};
use crate::description::Route;
use crate::error::CallErrorKind;
use crate::progress::{CallId, Progress};
use crate::queue::Place;
use crate::request_state::RequestState;
use crate::store::column_limit;

/// A call's time, kept by its caller.
struct Clock {
    /// The first deadline to check, as if the call were entered at once. None if it does
    /// not fit into an `Instant`.
    due: Option<Instant>,
    limit: Duration,
    progress: Arc<Progress>,
}

/// What took too long.
enum Overrun {
    /// The method.
    Method,
    /// The instance, to take the call.
    Queue,
}

impl Clock {
    /// Completes when the call's time is up, which counts from when the guest
    /// got it: before that, another call may have blocked the instance.
    ///
    /// A call that blocks has a timeout of its own and takes the instance with it. So if
    /// an instance is silent for a whole timeout, something other than a call holds it
    /// up.
    async fn overrun(&self, signals: &Signals) -> Overrun {
        let mut due = self.due;
        let mut asked = None;
        loop {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
            let now = Instant::now();
            due = match self.progress.entered() {
                Some(entered) => {
                    let limit = self.limit.saturating_add(self.progress.waited());
                    let end = entered.checked_add(limit);
                    if end.is_some_and(|end| end <= now) {
                        return Overrun::Method;
                    }
                    end
                }
                None => {
                    let heartbeat = signals.heartbeat.load(Ordering::Relaxed);
                    if asked == Some(heartbeat) {
                        return Overrun::Queue;
                    }
                    asked = Some(heartbeat);
                    signals.poke.notify_one();
                    now.checked_add(self.limit)
                }
            };
        }
    }
}

/// A call in flight, as its caller sees it. Dropping it abandons the call. An instance that
/// is there for it alone is ended. In a shared one the guest keeps running, and so the
/// timeout still applies. One that keeps no state is ended sooner, if nobody waits for any of
/// its calls and it does not answer.
pub(crate) struct Pending {
    id: CallId,
    instance: Arc<Instance>,
    receiver: Option<oneshot::Receiver<JobResult>>,
    clock: Clock,
}

/// What came of a call.
pub(crate) enum Finish {
    Reply(JobResult),
    TimedOut,
    /// The instance did not take the call, and no other call is the reason.
    Stuck,
    /// This call ended the instance.
    Trapped {
        kind: CallErrorKind,
        trace: Vec<String>,
    },
    /// A trap ended the instance, and this call is not at fault.
    LostToTrap {
        reason: String,
        trace: Vec<String>,
    },
    /// The instance was ended because of another call.
    Aborted(String),
}

impl Pending {
    /// Sends a call on its way. Its clock starts when the guest has it.
    pub(crate) fn submit(
        instance: &Arc<Instance>,
        route: &Route,
        call: &Call,
        outlet: Option<&Outlet>,
        limit: Duration,
        place: Place,
    ) -> Pending {
        let docs = LiveArray::with_column_limit(
            call.docs.clone(),
            DocumentLimits::default(),
            column_limit(instance.setup.config.limits.memory),
        );
        let printer = &instance.setup.printer;
        let span = debug_span!(
            "guest",
            executor = &*printer.executor,
            replica = printer.replica,
            instance = printer.instance(),
            method = route.method(),
            request = &*call.request_id,
        );
        let (reply, receiver) = oneshot::channel();
        let id = instance.next_call.fetch_add(1, Ordering::Relaxed);
        let progress = Arc::<Progress>::default();
        let job = Job {
            id,
            method: route.index,
            request: RequestState {
                id: call.request_id.clone(),
                endpoint: call.endpoint.clone(),
                parameters: call.parameters.clone(),
                parts: call.parts.clone(),
                progress: progress.clone(),
                outlet: outlet.cloned(),
                reply_limit: instance.setup.config.limits.reply.get(),
                deadline: None,
            },
            sent: call.docs.clone(),
            docs,
            limit,
            reply_limit: instance.setup.config.limits.reply.get(),
            reply: ReplyTo::new(reply, progress.clone()),
            span,
            _place: place,
        };
        instance.signals.waiting.fetch_add(1, Ordering::SeqCst);
        let pending = Pending {
            id,
            instance: instance.clone(),
            receiver: Some(receiver),
            clock: Clock {
                due: Instant::now().checked_add(limit),
                limit,
                progress,
            },
        };
        // A job that cannot be sent is dropped, which answers it.
        drop(instance.jobs.send(job));
        pending
    }

    /// Waits for the reply, the end of the instance, or the deadline.
    pub(crate) async fn finish(mut self) -> Finish {
        let Some(receiver) = self.receiver.as_mut() else {
            return Finish::Aborted(self.instance.reason());
        };
        let reply = tokio::select! {
            biased;
            reply = receiver => reply,
            overrun = self.clock.overrun(&self.instance.signals) => {
                self.receiver = None;
                return match overrun {
                    Overrun::Method => Finish::TimedOut,
                    Overrun::Queue => Finish::Stuck,
                };
            }
        };
        self.receiver = None;
        if let Ok(reply) = reply {
            return Finish::Reply(reply);
        }
        match self.instance.end().await.as_deref() {
            Some(End::Trapped(trap)) if trap.is_fault_of(self.id) => Finish::Trapped {
                kind: trap.kind.clone(),
                trace: trap.trace(),
            },
            Some(End::Trapped(trap)) => Finish::LostToTrap {
                reason: trap.reason_for_others(),
                trace: trap.frames().to_vec(),
            },
            Some(End::Broken) => Finish::Aborted(BROKEN.to_owned()),
            Some(End::Stopped | End::Aborted) | None => Finish::Aborted(self.instance.reason()),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let signals = &self.instance.signals;
        signals.waiting.fetch_sub(1, Ordering::SeqCst);
        // Only a retired instance asks whether anybody still waits; waking a
        // busy one after each of its calls would cost it a round.
        if signals.retired.is_cancelled() {
            signals.poke.notify_one();
        }
        let Some(receiver) = self.receiver.take() else {
            return;
        };
        self.clock.progress.abandon(&signals.served);
        if self.instance.is_of_one_call() {
            // Whatever it does, it does for nobody, and nobody else is in it.
            let reason = || "the client of its call had gone".to_owned();
            self.instance.retire(reason);
            return;
        }
        let instance = self.instance.clone();
        let clock = Clock {
            due: self.clock.due,
            limit: self.clock.limit,
            progress: self.clock.progress.clone(),
        };
        self.instance.runtime.spawn(async move {
            tokio::select! {
                biased;
                _ = receiver => {}
                _ = clock.overrun(&instance.signals) => instance.retire(|| {
                    "a call whose client had gone overran its timeout".to_owned()
                }),
                () = instance.is_busy_for_nobody() => instance.retire(|| {
                    "the clients of all its calls had gone".to_owned()
                }),
            }
        });
    }
}

//! The task that owns an instance's store and feeds it calls.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::Either;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument as _, debug, warn};
use wasm_flow_document::{DocumentArray, Limits, LiveArray};
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut as _, Store};

use super::failure::StartFailure;
use super::job::{Job, JobError, Outcome};
use super::signals::{End, Signals};
use crate::bindings::guest;
use crate::computing::{Exceeded, Stint};
use crate::details;
use crate::grants;
use crate::http::OutgoingHttp;
use crate::line_stream::{CurrentCall, LineStream};
use crate::output::Stream;
use crate::progress::{Answer, Progress};
use crate::reply::{check_docs, check_size};
use crate::setup::Setup;
use crate::store::{self, Ctx, InFlight};
use crate::text::cut_printable;
use crate::trap::{Trap, traceback};

/// Runs an instance from its first to its last moment.
pub(super) async fn run(
    setup: &Setup,
    inbox: mpsc::UnboundedReceiver<Job>,
    started: oneshot::Sender<Result<(), StartFailure>>,
    signals: &Signals,
) -> End {
    let writer = CurrentCall::default();
    let stream = |stream| {
        let (printer, output) = (setup.printer.clone(), setup.home.output.clone());
        LineStream::new(printer, stream, writer.clone(), output)
    };
    let (stdout, stderr) = (stream(Stream::Stdout), stream(Stream::Stderr));
    let workspace = setup.workspace.as_ref().map(|folder| folder.as_deref());
    let wasi = match workspace.transpose() {
        Ok(workspace) => grants::wasi(&setup.config.allow, workspace, &stdout, &stderr),
        Err(error) => Err(error.clone()),
    };
    let wasi = match wasi {
        Ok(wasi) => wasi,
        Err(error) => {
            drop(started.send(Err(StartFailure::Grant(error))));
            return End::Stopped;
        }
    };
    let http = OutgoingHttp::new(setup.http.clone(), setup.refusals.clone());
    let ctx = Ctx::new(
        wasi,
        http,
        &setup.config.limits,
        writer,
        setup.printer.clone(),
        setup.home.output.clone(),
    );
    let stint = setup.home.runtime.stint(setup.home.share.clone());
    let mut store = store::bounded_store(setup.home.runtime.engine(), ctx, stint.clone());

    let mut started = Some(started);
    let life = live(setup, &mut store, inbox, &mut started, signals, &stint);
    match stint.run(life).await {
        Ok(()) => End::Stopped,
        Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => {
            if let Some(started) = started {
                drop(started.send(Err(StartFailure::Full(error.to_string()))));
            }
            End::Stopped
        }
        Err(error) => {
            let idle = store.data().tasks.is_empty();
            let trap = Trap::of(&mut store, &error, &stderr, started.is_some());
            match started {
                Some(started) => drop(started.send(Err(StartFailure::Trapped(trap.clone())))),
                // No call's error says so.
                None if idle || signals.waiting.load(Ordering::SeqCst) == 0 => {
                    let how = match (error.is::<Exceeded>(), idle) {
                        (true, _) => "was ended",
                        (false, true) => "trapped outside of any call",
                        (false, false) => "trapped in a call whose client had gone",
                    };
                    let printer = &setup.printer;
                    warn!(
                        executor = &*printer.executor,
                        replica = printer.replica,
                        instance = printer.instance(),
                        frames = ?trap.frames(),
                        "the instance {how}: {trap}"
                    );
                }
                None => {}
            }
            End::Trapped(trap)
        }
    }
}

/// The instance's life. An error is a trap: the store is gone.
async fn live(
    setup: &Setup,
    store: &mut Store<Ctx>,
    inbox: mpsc::UnboundedReceiver<Job>,
    started: &mut Option<oneshot::Sender<Result<(), StartFailure>>>,
    signals: &Signals,
    stint: &Stint,
) -> wasmtime::Result<()> {
    let bindings = setup.component.pre().instantiate_async(&mut *store).await?;
    let guest = bindings.wasm_flow_executor_executor();
    let configuration = setup.configuration.clone();
    store
        .run_concurrent(async |accessor| {
            let outcome = guest.call_start(accessor, configuration).await?;
            accessor.with(|mut access| access.get().forget_warnings());
            if let Some(started) = started.take() {
                let outcome = outcome.map_err(|failure| StartFailure::Failed {
                    name: cut_printable(&failure.name),
                    message: cut_printable(&failure.message),
                    trace: traceback(failure.trace),
                });
                let failed = outcome.is_err();
                if started.send(outcome).is_err() || failed {
                    return Ok(());
                }
            }
            accessor.with(|mut access| access.get().charges.begin(stint.now()));
            let ended = serve(accessor, guest, inbox, signals).await?;
            accessor.with(|mut access| access.get().charges.end());
            if ended {
                guest.call_stop(accessor).await?;
            }
            Ok(())
        })
        .await?
}

/// Calls the guest for each job until the instance is retired. Says whether all
/// calls came back.
async fn serve(
    accessor: &Accessor<Ctx>,
    guest: &guest::Guest,
    mut inbox: mpsc::UnboundedReceiver<Job>,
    signals: &Signals,
) -> wasmtime::Result<bool> {
    let mut calls = FuturesUnordered::new();
    // Made once, because each takes a lock when it is first polled.
    let mut poked = std::pin::pin!(signals.poke.notified());
    let mut retired = std::pin::pin!(signals.retired.cancelled());
    // Hand over one job at a time if there are several. A call behind one that blocks
    // then stays in the inbox, and its clock has not started.
    let mut entering = false;
    loop {
        tokio::select! {
            biased;
            () = tokio::task::yield_now(), if entering => entering = false,
            () = &mut poked => {
                poked.set(signals.poke.notified());
                signals.heartbeat.fetch_add(1, Ordering::Relaxed);
            }
            () = &mut retired, if !inbox.is_closed() => {
                inbox.close();
                while let Ok(job) = inbox.try_recv() {
                    drop(job);
                }
            }
            Some(done) = calls.next() => done?,
            job = inbox.recv(), if !entering && !inbox.is_closed() => match job {
                // Whoever sent it has gone, and the guest need not have it.
                Some(job) if job.request.progress.is_abandoned() => drop(job),
                Some(job) => {
                    let span = job.span.clone();
                    let call = call(accessor, guest, job, signals);
                    // Entering a span that nobody records costs a little, for each poll.
                    calls.push(match span.is_disabled() {
                        true => Either::Left(call),
                        false => Either::Right(call.instrument(span)),
                    });
                    entering = !inbox.is_empty();
                }
                None => inbox.close(),
            },
        }
        if inbox.is_closed() {
            if calls.is_empty() {
                return Ok(true);
            }
            // One that is stopped gets its `stop`, after all that it works on: `Instance::close`
            // bounds that. One that is retired for a reason is ended.
            let is_ended = signals.reason.get().is_some();
            if is_ended && signals.waiting.load(Ordering::SeqCst) == 0 {
                return Ok(false);
            }
        }
    }
}

async fn call(
    accessor: &Accessor<Ctx>,
    guest: &guest::Guest,
    job: Job,
    signals: &Signals,
) -> wasmtime::Result<()> {
    let Job {
        id,
        method,
        mut request,
        sent,
        docs,
        limit,
        reply_limit,
        reply,
        span: _,
        _place,
    } = job;
    let progress = reply.progress.clone();
    request.deadline = progress.enter(&signals.served).checked_add(limit);
    let in_flight = InFlight {
        id,
        request: request.id.clone(),
        computed: Duration::ZERO,
    };
    let handle = guest.func_handle();
    let call = accessor.with(|mut access| {
        let table = &mut access.get().table;
        let request = table.push(request)?;
        // Nobody has changed them yet, and this takes no lock.
        let length = u32::try_from(sent.len()).unwrap_or(u32::MAX);
        let given = table.push(docs.share())?;
        let mut store = access.as_context_mut();
        let arguments = (method, request, given, length);
        let call = handle.start_call_concurrent(&mut store, arguments)?;
        store.data_mut().tasks.insert(call.task(), in_flight);
        wasmtime::error::Ok(call)
    })?;
    let task = call.task();
    let (returned,) = handle.finish_call_concurrent(accessor, call).await?;
    progress.leave(&signals.served);
    let limits = accessor.with(|mut access| {
        let ctx = access.get();
        ctx.tasks.remove(&task);
        ctx.forget_warnings();
        ctx.document_limits
    });
    let outcome = match returned {
        Err(failure) => Err(failed(failure)),
        Ok(()) => {
            answered(&progress, &docs, &sent, limits, reply_limit).map_err(JobError::BadReply)
        }
    };
    if let Err(JobError::BadReply(reason)) = &outcome {
        debug!("the reply is not usable: {reason}");
    }
    reply.send(outcome);
    Ok(())
}

/// What a method that returned without a failure made of its request.
fn answered(
    progress: &Progress,
    docs: &LiveArray,
    sent: &DocumentArray,
    limits: Limits,
    reply_limit: u64,
) -> Result<Outcome, String> {
    let Answer {
        docs: instead,
        results,
        sent: kept,
    } = std::mem::take(&mut *progress.answer());
    let (docs, grown) = match kept
        .map(|kept| DocumentArray::concat(kept.docs.iter()))
        .or(instead)
    {
        // They were checked when they were given.
        Some(instead) => (instead, None),
        None => {
            let changed = docs.snapshot();
            check_docs(&changed, limits)?;
            (changed, docs.grown_at_most())
        }
    };
    // Measuring all documents costs as much as encoding them, so it is left out if they
    // cannot have grown beyond the limit.
    if grown.is_none_or(|grown| grown > reply_limit) {
        check_size(&docs, sent, reply_limit)?;
    }
    Ok(Outcome { docs, results })
}

fn failed(failure: guest::Failure) -> JobError {
    JobError::Failed {
        name: cut_printable(&failure.name),
        message: cut_printable(&failure.message),
        trace: traceback(failure.trace),
        details: details::of_failure(&failure.details),
    }
}

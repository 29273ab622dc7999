//! The host's side of the WIT interfaces `requests`, `diagnostics` and `timers`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasm_flow_contract::units::Size;
use wasm_flow_document::{DocumentArray, Limits, LiveArray};
use wasmtime::AsContextMut;
use wasmtime::component::{Access, FutureReader, Resource};

use super::bindings::documents::Error as Refusal;
use super::bindings::{HasCtx, diagnostics, requests, timers};
use super::progress::{Progress, Sent};
use super::reply::{check_docs, parse_results};
use super::request_state::RequestState;
use super::store::{Ctx, Panic, running_task};
use crate::bounds::SENDS_UNDER_WAY;
use crate::text::cut_printable;

impl requests::Host for Ctx {}

impl requests::HostRequest for Ctx {
    fn id(&mut self, this: Resource<RequestState>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.id.to_string())
    }

    fn endpoint(&mut self, this: Resource<RequestState>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.endpoint.to_string())
    }

    fn docs_matrix(
        &mut self,
        this: Resource<RequestState>,
    ) -> wasmtime::Result<Vec<requests::Part>> {
        let parts = self.table.get(&this)?.parts.clone();
        parts
            .into_iter()
            .map(|part| {
                let docs = LiveArray::with_column_limit(
                    part.docs,
                    self.document_limits,
                    self.bounds.column_limit(),
                );
                Ok(requests::Part {
                    executor: part.executor.to_string(),
                    docs: self.table.push(docs)?,
                })
            })
            .collect()
    }

    fn parameters(&mut self, this: Resource<RequestState>) -> wasmtime::Result<String> {
        Ok(serde_json::to_string(&*self.table.get(&this)?.parameters)?)
    }

    fn time_left(&mut self, this: Resource<RequestState>) -> wasmtime::Result<Option<u64>> {
        let request = self.table.get(&this)?;
        if request.progress.is_abandoned() {
            // Nobody waits for what it does.
            return Ok(Some(0));
        }
        // The time that its documents wait is the client's and not its own.
        let waited = request.progress.waited();
        Ok(request.deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = left.saturating_add(waited);
            u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)
        }))
    }

    fn set_docs(
        &mut self,
        this: Resource<RequestState>,
        docs: Resource<LiveArray>,
    ) -> wasmtime::Result<Result<(), Refusal>> {
        let docs = self.table.get(&docs)?.snapshot();
        if let Err(reason) = check_docs(&docs, self.document_limits) {
            return Ok(Err(Refusal::Limit(reason)));
        }
        self.table.get(&this)?.progress.answer().docs = Some(docs);
        Ok(Ok(()))
    }

    fn set_results(
        &mut self,
        this: Resource<RequestState>,
        results: String,
    ) -> wasmtime::Result<Result<(), Refusal>> {
        Ok(match parse_results(&results) {
            Ok(results) => {
                self.table.get(&this)?.progress.answer().results = Some(results);
                Ok(())
            }
            Err(reason) => Err(Refusal::Invalid(reason)),
        })
    }

    fn drop(&mut self, this: Resource<RequestState>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl<T> requests::HostRequestWithStore<T> for HasCtx {
    fn send_docs(
        mut host: Access<'_, T, Self>,
        this: Resource<RequestState>,
        docs: Resource<LiveArray>,
    ) -> wasmtime::Result<Result<FutureReader<u32>, Refusal>> {
        let ctx = host.get();
        let limits = ctx.document_limits;
        let docs = ctx.table.get(&docs)?.snapshot();
        let request = ctx.table.get(&this)?;
        let progress = Arc::clone(&request.progress);
        let outlet = request.outlet.clone();
        let most = request.reply_limit;
        let Some(outlet) = outlet else {
            let mut answer = progress.answer();
            let sent = answer.sent.get_or_insert_default();
            if let Err(reason) = keep(sent, docs, limits, most) {
                return Ok(Err(Refusal::Limit(reason)));
            }
            drop(answer);
            let taken = async { Ok::<u32, wasmtime::Error>(0) };
            return FutureReader::new(host.as_context_mut(), taken).map(Ok);
        };
        let bytes = match check_under_way(&docs, &progress, limits, most) {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(Err(Refusal::Limit(reason))),
        };
        let waiting = progress.wait(bytes);
        let offered = outlet.offer(docs);
        // Not when the guest polls: what it lets pass before it asks is its own time. Who
        // takes the documents gives up on a client that does not read.
        let taken = tokio::spawn(async move {
            let _waiting = waiting;
            u32::from(offered.await.is_err())
        });
        let taken = async move { Ok::<u32, wasmtime::Error>(taken.await?) };
        FutureReader::new(host.as_context_mut(), taken).map(Ok)
    }
}

/// Holds documents that are to be sent at once, with those that are under way, to the
/// bounds of a reply. Gives their bytes.
fn check_under_way(
    docs: &DocumentArray,
    progress: &Progress,
    limits: Limits,
    most: u64,
) -> Result<u64, String> {
    let (sends, bytes) = progress.under_way();
    if sends >= SENDS_UNDER_WAY {
        return Err(format!(
            "{sends} sends of this call are under way, and no more are allowed; wait until \
             documents have been taken before you send the next"
        ));
    }
    Ok(check_sent(docs, bytes, limits, most)?.saturating_sub(bytes))
}

/// Holds documents that are sent to the bounds of a reply. Gives their bytes, with those
/// of before.
fn check_sent(docs: &DocumentArray, before: u64, limits: Limits, most: u64) -> Result<u64, String> {
    check_docs(docs, limits)?;
    let left = most.saturating_sub(before);
    match docs.encoded_len_within(left) {
        Some(bytes) => Ok(before.saturating_add(bytes)),
        None => Err(format!(
            "the documents that it sends come to more than `limits.reply` of {}; send fewer or \
             smaller documents, or raise that limit in the executor's table of flow.toml",
            Size(most)
        )),
    }
}

/// Keeps documents that were sent until the method returns.
fn keep(sent: &mut Sent, docs: DocumentArray, limits: Limits, most: u64) -> Result<(), String> {
    let bytes = check_sent(&docs, sent.bytes, limits, most)?;
    let total = sent.total.saturating_add(docs.total());
    if total > limits.documents {
        return Err(format!(
            "it has sent {total} documents, chunks and matches included; at most {} are allowed",
            limits.documents
        ));
    }
    (sent.bytes, sent.total) = (bytes, total);
    sent.docs.push(docs);
    Ok(())
}

impl diagnostics::Host for Ctx {}

impl<T> diagnostics::HostWithStore<T> for HasCtx {
    fn report_panic(
        mut host: Access<'_, T, Self>,
        panic: diagnostics::Panic,
    ) -> wasmtime::Result<()> {
        let task = running_task(&mut host);
        let ctx = host.get();
        ctx.panic = Some(Panic {
            message: cut_printable(&panic.message),
            location: cut_printable(&panic.location),
            origin: ctx.origin(task),
        });
        Ok(())
    }
}

impl timers::Host for Ctx {}

impl<T> timers::HostWithStore<T> for HasCtx {
    fn after(
        mut host: Access<'_, T, Self>,
        nanoseconds: u64,
    ) -> wasmtime::Result<FutureReader<u32>> {
        let sleep = tokio::time::sleep(Duration::from_nanos(nanoseconds));
        FutureReader::new(host.as_context_mut(), async move {
            sleep.await;
            Ok::<u32, wasmtime::Error>(0)
        })
    }
}

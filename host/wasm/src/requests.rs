//! The host's side of the WIT interfaces `requests`, `diagnostics` and `timers`.

use std::time::{Duration, Instant};

use wasm_flow_document::LiveArray;
use wasmtime::AsContextMut;
use wasmtime::component::{Access, FutureReader, Resource};

use super::bindings::documents::Error as Refusal;
use super::bindings::{HasCtx, diagnostics, requests, timers};
use super::reply::{check_docs, parse_results};
use super::request_state::RequestState;
use super::store::{Ctx, Panic, running_task};
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
        let deadline = self.table.get(&this)?.deadline;
        Ok(deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
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

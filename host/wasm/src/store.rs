//! What an instance's store holds, and the bounds on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wasm_flow_contract::limits::Limits;
use wasm_flow_document::Limits as DocumentLimits;
use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime::{AsContextMut, Engine, ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::bounds::{MAX_HANDLES, MAX_TABLE_ELEMENTS};
use crate::computing::{Charges, Exceeded, Stint};
use crate::http::OutgoingHttp;
use crate::line_stream::CurrentCall;
use crate::output::{OutputSink, Printer};
use crate::progress::CallId;

/// A store's data.
pub(super) struct Ctx {
    pub(super) table: ResourceTable,
    /// Who writes to the instance's streams.
    pub(super) writer: CurrentCall,
    /// Who it is that logs, and where that goes.
    pub(super) printer: Printer,
    pub(super) output: OutputSink,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: OutgoingHttp,
    pub(super) bounds: Bounds,
    pub(super) document_limits: DocumentLimits,
    /// The calls in flight by the guest's task, to tell which one trapped.
    pub(super) tasks: HashMap<GuestTaskId, InFlight>,
    pub(super) charges: Charges,
    /// What the guest reported just before it trapped.
    pub(super) panic: Option<Panic>,
}

/// A call that the guest has.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) id: CallId,
    /// The client's id of the request.
    pub(super) request: Arc<str>,
    /// How long it has computed.
    pub(super) computed: Duration,
}

/// A panic as the guest's SDK reports it.
#[derive(Debug, Clone)]
pub(super) struct Panic {
    pub(super) message: String,
    pub(super) location: String,
    pub(super) origin: Origin,
}

/// Where in a guest something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// In a call in flight.
    Call(CallId),
    /// Outside of all calls in flight: in what a call left behind when it
    /// returned, in `start` or in `stop`.
    NoCall,
    /// The store does not know.
    Unknown,
}

impl Ctx {
    pub(super) fn new(
        wasi: WasiCtx,
        outgoing: OutgoingHttp,
        limits: &Limits,
        writer: CurrentCall,
        printer: Printer,
        output: OutputSink,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Ctx {
            table,
            writer,
            printer,
            output,
            wasi,
            http: WasiHttpCtx::new(),
            outgoing,
            bounds: Bounds {
                memory: limits.memory,
                memory_used: 0,
                memory_denied: None,
                table_elements: 0,
            },
            document_limits: DocumentLimits::default(),
            tasks: HashMap::new(),
            charges: Charges::new(limits),
            panic: None,
        }
    }

    /// Where a task of the guest's belongs.
    pub(super) fn origin(&self, task: Option<GuestTaskId>) -> Origin {
        match task.map(|task| self.tasks.get(&task)) {
            Some(Some(call)) => Origin::Call(call.id),
            Some(None) => Origin::NoCall,
            None => Origin::Unknown,
        }
    }

    /// Charges what the guest has computed until `now` to the call that it was for.
    fn charge(
        &mut self,
        task: Option<GuestTaskId>,
        ran: Duration,
        now: Duration,
    ) -> Result<(), Exceeded> {
        match task.and_then(|task| self.tasks.get_mut(&task)) {
            Some(call) => self.charges.call(call.id, &mut call.computed, ran),
            None => self.charges.outside(ran, now),
        }
    }

    /// A guest that finishes a call has recovered from any panic that it reported and
    /// any memory that it was refused. A later trap has another cause.
    pub(super) fn forget_warnings(&mut self) {
        self.panic = None;
        self.bounds.memory_denied = None;
    }
}

/// The oldest task on the guest's stack, which is a call that the host made, if the
/// store knows it.
pub(super) fn running_task(mut store: impl AsContextMut) -> Option<GuestTaskId> {
    store.as_context_mut().async_call_stack().ok()?.last()
}

/// A store that is held to its bounds: memory and tables by its limiter, what one
/// call of the host takes from the guest by wasmtime's own measure, its time by charging
/// it at every epoch. A guest that has used up its slice leaves its thread; an aborted task
/// ends there, too. The store has to run by `stint`.
pub(super) fn bounded_store(engine: &Engine, ctx: Ctx, stint: Arc<Stint>) -> Store<Ctx> {
    let mut store = Store::new(engine, ctx);
    store.limiter(|ctx| &mut ctx.bounds);
    // A guest may hand over in one call what it can hold, and no less than the
    // engine lets it by default: many small values are larger here than there.
    let memory = usize::try_from(store.data().bounds.memory_limit()).unwrap_or(usize::MAX);
    store.set_hostcall_fuel(memory.max(store.hostcall_fuel()));
    if let Some(table) = store.concurrent_resource_table() {
        table.set_max_capacity(MAX_HANDLES);
    }
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| {
        let Some(ran) = stint.charge() else {
            return Ok(UpdateDeadline::Continue(1));
        };
        let task = running_task(&mut store);
        store.data_mut().charge(task, ran, stint.now())?;
        if !stint.is_used_up() {
            return Ok(UpdateDeadline::Continue(1));
        }
        // tokio's own yield lets the scheduler look at its timers and sockets.
        Ok(UpdateDeadline::YieldCustom(
            1,
            Box::pin(tokio::task::yield_now()),
        ))
    });
    store
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Ctx {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.outgoing,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// Bytes of documents that one call gives to a guest with this much memory: half of
/// it, because what the guest is given has to fit beside what it holds.
pub(super) fn column_limit(memory: u64) -> u64 {
    memory / 2
}

/// Bounds on what an instance may grow to, over all its memories and tables.
pub(super) struct Bounds {
    memory: u64,
    memory_used: u64,
    /// The size that was last refused, unless some growth was granted since. A
    /// refusal is not a trap: a guest that can do with less goes on.
    pub(super) memory_denied: Option<u64>,
    table_elements: usize,
}

impl Bounds {
    /// Bytes that the instance may have.
    pub(super) fn memory_limit(&self) -> u64 {
        self.memory
    }

    /// Bytes of documents that one call gives.
    pub(super) fn column_limit(&self) -> u64 {
        column_limit(self.memory)
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let added = desired.saturating_sub(current) as u64;
        let wanted = self.memory_used.saturating_add(added);
        if wanted > self.memory {
            self.memory_denied = Some(wanted);
            return Ok(false);
        }
        // wasmtime refuses growth beyond the memory type's own maximum after
        // this, so it does not count.
        if maximum.is_none_or(|maximum| desired <= maximum) {
            self.memory_used = wanted;
            self.memory_denied = None;
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if wanted > MAX_TABLE_ELEMENTS {
            return Ok(false);
        }
        self.table_elements = wanted;
        Ok(true)
    }
}

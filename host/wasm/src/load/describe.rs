//! Asking a component what it is.

use std::sync::Arc;

use wasm_flow_contract::grants::Allow;
use wasm_flow_contract::limits::Limits;
use wasm_flow_contract::sharding::Group;
use wasm_flow_contract::units::Size;
use wasmtime::Store;

use crate::abort::AbortOnDrop;
use crate::bindings::{BareIndices, BarePre, guest};
use crate::bounds::{DESCRIBE_BYTES, DESCRIBE_MEMORY, DESCRIBE_TIMEOUT};
use crate::grants::{self, GrantError};
use crate::http::OutgoingHttp;
use crate::line_stream::{CurrentCall, LineStream};
use crate::output::{Discard, Printer, Stream};
use crate::runtime::Runtime;
use crate::store::{self, Ctx};
use crate::text::cut_printable;
use crate::trap::{chain, hands_over_too_much, reason};

/// Why a component's `describe` gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum DescribeError {
    /// A function that an executor exports has another type.
    #[error("{0}")]
    Types(String),
    #[error("{0}")]
    Grant(#[from] GrantError),
    #[error("it panicked: {message} ({location})")]
    Panicked { message: String, location: String },
    #[error("{0}")]
    Trapped(String),
    #[error("{reason}; its last words: {last_words}")]
    TrappedWithWords { reason: String, last_words: String },
    #[error("`describe` needs {0} of memory, and may have {most}", most = Size(DESCRIBE_MEMORY))]
    OutOfMemory(Size),
    #[error(
        "`describe` gives more than {}; it has names, schemas and documentation",
        Size(DESCRIBE_BYTES as u64)
    )]
    TooMuch,
    #[error("`describe` took longer than {DESCRIBE_TIMEOUT:?}")]
    TimedOut,
    #[error("wasm-flow itself failed: {0}")]
    Broken(tokio::task::JoinError),
}

/// Runs `describe` in an instance of its own, without any grant.
pub(super) async fn describe(
    runtime: &Runtime,
    pre: &BarePre<Ctx>,
) -> Result<guest::Description, DescribeError> {
    let printer = Printer {
        executor: "describe".into(),
        group: Group::Whole,
        replica: 0,
    };
    let (writer, output) = (CurrentCall::default(), Arc::new(Discard));
    let stderr = LineStream::new(
        printer.clone(),
        Stream::Stderr,
        writer.clone(),
        output.clone(),
    );
    let nothing = Allow::default();
    let wasi = grants::wasi(&nothing, None, &stderr, &stderr)?;
    let http = OutgoingHttp::none();
    let limits = Limits {
        memory: DESCRIBE_MEMORY,
        ..Limits::default()
    };
    let ctx = Ctx::new(wasi, http, &limits, writer, printer, output);
    let stint = runtime.stint(runtime.share());
    let mut store = store::bounded_store(runtime.engine(), ctx, stint.clone());
    // The rest of what it is asked for is checked when the host has it.
    store.set_hostcall_fuel(DESCRIBE_BYTES);
    let pre = pre.clone();
    // On a task of its own, which ends at the next epoch when it is aborted.
    let task = tokio::spawn(async move {
        match stint.run(described(&pre, &mut store)).await {
            Ok(description) => description,
            Err(error) => Err(trapped(&mut store, &error, &stderr)),
        }
    });
    let _abort = AbortOnDrop::new(task.abort_handle());
    match tokio::time::timeout(DESCRIBE_TIMEOUT, task).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => Err(DescribeError::Broken(error)),
        Err(_) => Err(DescribeError::TimedOut),
    }
}

/// The outer error is a trap.
async fn described(
    pre: &BarePre<Ctx>,
    store: &mut Store<Ctx>,
) -> wasmtime::Result<Result<guest::Description, DescribeError>> {
    let instance = pre.instance_pre().instantiate_async(&mut *store).await?;
    // Only here are the types of what it exports looked at.
    let types = BareIndices::new(pre.instance_pre())
        .and_then(|indices| indices.load(&mut *store, &instance));
    let bindings = match types {
        Ok(bindings) => bindings,
        Err(error) => {
            let reason = format!("its exports: {}", chain(&error));
            let reason = cut_printable(&reason);
            return Ok(Err(DescribeError::Types(reason)));
        }
    };
    let guest = bindings.wasm_flow_executor_executor();
    let description = store
        .run_concurrent(async |accessor| guest.call_describe(accessor).await)
        .await??;
    Ok(Ok(description))
}

fn trapped(store: &mut Store<Ctx>, error: &wasmtime::Error, stderr: &LineStream) -> DescribeError {
    if let Some(panic) = store.data_mut().panic.take() {
        return DescribeError::Panicked {
            message: panic.message,
            location: panic.location,
        };
    }
    if let Some(wanted) = store.data().bounds.memory_denied {
        return DescribeError::OutOfMemory(Size(wanted));
    }
    if hands_over_too_much(error) {
        return DescribeError::TooMuch;
    }
    let reason = reason(error);
    match stderr.last_lines_of(None).pop() {
        Some(last_words) => DescribeError::TrappedWithWords { reason, last_words },
        None => DescribeError::Trapped(reason),
    }
}

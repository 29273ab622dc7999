//! Who prints: guests' writes to their streams, with the call that wrote.
//!
//! WASI's streams do not say which of an instance's calls writes, but the store
//! knows which call is running. The two functions of WASI 0.2 that all toolchains
//! print with are therefore linked once more, over WASI's own, and note the call
//! for as long as they write. What is written in any other way, by WASI 0.3 for
//! instance, belongs to no call.

use std::future::poll_fn;
use std::pin::pin;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::io::streams::{Host, HostOutputStream, StreamError};
use wasmtime_wasi::p2::{DynOutputStream, StreamResult};

use super::progress::CallId;
use super::store::{Ctx, Origin, running_task};

/// The version that wasmtime-wasi links. Another name would link these functions
/// beside WASI's own instead of over them.
const STREAMS: &str = "wasi:io/streams@0.2.12";

type Stream = Resource<DynOutputStream>;
type Written = Result<(), StreamError>;

/// Links the functions over those of WASI, which have to be there already.
pub(super) fn add_to_linker(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut streams = linker.instance(STREAMS)?;
    streams.func_wrap(
        "[method]output-stream.write",
        |mut store: StoreContextMut<'_, Ctx>, (stream, bytes): (Stream, Vec<u8>)| {
            let call = running_call(&mut store);
            let ctx = store.data_mut();
            let writer = ctx.writer.clone();
            let written = writer.during(call, || ctx.table.write(stream, bytes));
            Ok((answer(ctx, written)?,))
        },
    )?;
    streams.func_wrap_async(
        "[method]output-stream.blocking-write-and-flush",
        |mut store: StoreContextMut<'_, Ctx>, (stream, bytes): (Stream, Vec<u8>)| {
            let call = running_call(&mut store);
            Box::new(async move {
                let ctx = store.data_mut();
                let writer = ctx.writer.clone();
                let written = {
                    let mut write = pin!(ctx.table.blocking_write_and_flush(stream, bytes));
                    // Others may write while this one waits.
                    poll_fn(|task| writer.during(call, || write.as_mut().poll(task))).await
                };
                Ok((answer(ctx, written)?,))
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The call in flight that the guest is running, if it is running one.
fn running_call(store: &mut StoreContextMut<'_, Ctx>) -> Option<CallId> {
    // The oldest task of the stack is the call that the host made.
    let task = running_task(&mut *store);
    match store.data().origin(task) {
        Origin::Call(call) => Some(call),
        Origin::NoCall | Origin::Unknown => None,
    }
}

/// What the guest is told of a write.
fn answer(ctx: &mut Ctx, written: StreamResult<()>) -> wasmtime::Result<Written> {
    match written {
        Ok(()) => Ok(Ok(())),
        Err(error) => Ok(Err(ctx.table.convert_stream_error(error)?)),
    }
}

//! What ended an instance: from the engine's error to what a person is told.

use std::collections::HashSet;

use wasmtime::{AsContextMut as _, Store};

use super::super::call::CallErrorKind;
use super::super::output::{LineStream, cut_printable};
use super::store::{CallId, Ctx, Origin};

/// Lines of a guest's traceback that are passed on.
const MAX_TRACE: usize = 64;

/// Frames of one function on top of each other that are taken for an endless
/// recursion. The engine keeps no more than a few hundred frames.
const RECURSION: usize = 16;

/// What ended an instance that did not end by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    pub(crate) kind: CallErrorKind,
    /// The call at fault, if that is known.
    pub(crate) call: Option<CallId>,
    pub(crate) trace: Vec<String>,
}

impl std::fmt::Display for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            CallErrorKind::Panicked { .. } => write!(f, "it panicked: {}", self.kind),
            kind => write!(f, "{kind}"),
        }
    }
}

impl Trap {
    /// Looks at a store that an error has ended.
    pub(super) fn of(store: &mut Store<Ctx>, error: &wasmtime::Error, stderr: &LineStream) -> Trap {
        // The task that ran last, if the store still knows.
        let task = store
            .as_context_mut()
            .async_call_stack()
            .ok()
            .and_then(|stack| stack.last());
        let ctx = store.data_mut();
        let panic = ctx.panic.take();
        let origin = match panic.as_ref().map(|panic| panic.origin) {
            None | Some(Origin::Unknown) => ctx.origin(task),
            Some(origin) => origin,
        };
        let mut in_flight = ctx.tasks.values();
        let call = match (origin, in_flight.next(), in_flight.next()) {
            (Origin::Call(call), ..) => Some(call),
            // The only one there is.
            (Origin::Unknown, Some(call), None) => Some(*call),
            (Origin::Unknown | Origin::NoCall, ..) => None,
        };
        let kind = match (panic, ctx.bounds.memory_denied) {
            (Some(panic), _) => CallErrorKind::Panicked {
                message: panic.message,
                location: panic.location,
            },
            // A guest that cannot go on without the memory aborts.
            (None, Some(wanted)) => CallErrorKind::OutOfMemory {
                wanted,
                limit: ctx.bounds.memory_limit(),
            },
            (None, None) => CallErrorKind::Trapped {
                reason: reason(error),
            },
        };
        let mut trace = frames(error);
        if matches!(kind, CallErrorKind::OutOfMemory { .. }) {
            trace.insert(0, reason(error));
        }
        trace.extend(
            stderr
                .tail()
                .into_iter()
                .map(|line| format!("stderr: {line}")),
        );
        Trap { kind, call, trace }
    }
}

/// A traceback as the guest gives it, held to its bound.
pub(super) fn traceback(lines: Vec<String>) -> Vec<String> {
    lines
        .iter()
        .take(MAX_TRACE)
        .map(|line| cut_printable(line))
        .collect()
}

/// The guest's stack, innermost first. A function that calls itself is shown
/// once, with a count.
pub(super) fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else {
        return Vec::new();
    };
    let names = backtrace
        .frames()
        .iter()
        .map(|frame| match frame.func_name() {
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("function {}", frame.func_index()),
        });
    let mut runs: Vec<(String, usize)> = Vec::new();
    for name in names {
        match runs.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => runs.push((name, 1)),
        }
    }
    runs.into_iter()
        .take(MAX_TRACE)
        .map(|(name, count)| match count {
            1 => format!("at {}", cut_printable(&name)),
            count => format!("at {} ({count} times)", cut_printable(&name)),
        })
        .collect()
}

/// Whether the innermost function called itself again and again.
fn recursion(error: &wasmtime::Error) -> bool {
    error
        .downcast_ref::<wasmtime::WasmBacktrace>()
        .is_some_and(|backtrace| {
            let mut calls = backtrace
                .frames()
                .iter()
                .map(wasmtime::FrameInfo::func_index);
            let innermost = calls.next();
            calls
                .take(RECURSION)
                .filter(|call| Some(*call) == innermost)
                .count()
                == RECURSION
        })
}

fn reason(error: &wasmtime::Error) -> String {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        // WASI passes on whether it was a success, and not the number.
        return match exit.0 {
            0 => "it called exit; a method returns instead",
            _ => "it called exit with a failure; a method returns an error instead",
        }
        .to_owned();
    }
    if let Some(trap) = error.downcast_ref::<wasmtime::Trap>() {
        let trap = cut_printable(&trap.to_string());
        // Rust's own stack lies in linear memory, so running off its end shows
        // as an access out of bounds.
        return match recursion(error) {
            true => format!("{trap}, in a recursion that seems to have no end"),
            false => trap,
        };
    }
    cut_printable(&chain(error))
}

/// An error with its causes in one line.
pub(super) fn chain(error: &wasmtime::Error) -> String {
    let mut seen = HashSet::new();
    error
        .chain()
        .map(ToString::to_string)
        .filter(|cause| seen.insert(cause.clone()))
        .collect::<Vec<_>>()
        .join(": ")
}

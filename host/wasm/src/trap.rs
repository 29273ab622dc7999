//! What ended an instance: from the engine's error to what a person is told.

use std::collections::HashSet;
use std::fmt;

use wasmtime::Store;
use wasmtime::component::ResourceTableError;

use super::progress::CallId;
use super::store::{Ctx, Origin, running_task};
use crate::bounds::{MAX_HANDLES, MAX_TRACE};
use crate::computing::Exceeded;
use crate::error::CallErrorKind;
use crate::line_stream::LineStream;
use crate::text::cut_printable;

/// Frames of one function on top of each other that are taken for an endless
/// recursion. The engine keeps no more than a few hundred frames.
const RECURSION: usize = 16;

/// What ended an instance that did not end by itself.
///
/// Its message and what was printed may be about the documents of the call at
/// fault. Only that call's client and the operator see them. Other calls learn the
/// kind of trap and the guest's stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    pub(super) kind: CallErrorKind,
    /// The call at fault, if that is known.
    call: Option<CallId>,
    /// Whether no call was in flight.
    idle: bool,
    /// The guest's stack.
    frames: Vec<String>,
    /// What the call at fault printed to stderr at last.
    stderr: Vec<String>,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            CallErrorKind::Panicked { .. } => write!(f, "it panicked: {}", self.kind),
            kind => write!(f, "{kind}"),
        }
    }
}

impl Trap {
    /// Whether this call is at fault.
    pub(super) fn is_fault_of(&self, call: CallId) -> bool {
        self.call == Some(call)
    }

    /// Whether it happened while no call was in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.idle
    }

    /// What somebody may know of it who is not its cause.
    pub(super) fn reason_for_others(&self) -> String {
        match &self.kind {
            CallErrorKind::Panicked { location, .. } if location.is_empty() => {
                "it panicked".to_owned()
            }
            CallErrorKind::Panicked { location, .. } => format!("it panicked ({location})"),
            CallErrorKind::OverCpu { limit, .. } => {
                format!("another call computed for longer than `limits.cpu` of {limit:?}")
            }
            kind => kind.to_string(),
        }
    }

    /// The guest's stack.
    pub(super) fn frames(&self) -> &[String] {
        &self.frames
    }

    /// The stack and the last lines on stderr, for the one at fault.
    pub(super) fn trace(&self) -> Vec<String> {
        let stderr = self.stderr.iter().map(|line| format!("stderr: {line}"));
        self.frames.iter().cloned().chain(stderr).collect()
    }

    /// Looks at a store that an error has ended, while it was `starting` or later.
    pub(super) fn of(
        store: &mut Store<Ctx>,
        error: &wasmtime::Error,
        stderr: &LineStream,
        starting: bool,
    ) -> Trap {
        // The task that ran last, if the store still knows.
        let task = running_task(&mut *store);
        let ctx = store.data_mut();
        let panic = ctx.panic.take();
        let origin = match panic.as_ref().map(|panic| panic.origin) {
            None | Some(Origin::Unknown) => ctx.origin(task),
            Some(origin) => origin,
        };
        let exceeded = error.downcast_ref::<Exceeded>();
        let origin = match exceeded {
            None => origin,
            Some(Exceeded::Cpu { call, .. }) => Origin::Call(*call),
            Some(Exceeded::Background { .. }) => Origin::NoCall,
        };
        let idle = ctx.tasks.is_empty();
        let mut in_flight = ctx.tasks.values();
        let call = match (origin, in_flight.next(), in_flight.next()) {
            (Origin::Call(call), ..) => Some(call),
            // The only one there is.
            (Origin::Unknown, Some(call), None) => Some(call.id),
            (Origin::Unknown | Origin::NoCall, ..) => None,
        };
        let kind = match (exceeded, panic, ctx.bounds.memory_denied) {
            (Some(Exceeded::Cpu { used, limit, .. }), ..) => CallErrorKind::OverCpu {
                used: *used,
                limit: *limit,
            },
            (Some(Exceeded::Background { .. }), ..) => CallErrorKind::Trapped {
                reason: reason(error),
            },
            (None, Some(panic), _) => CallErrorKind::Panicked {
                message: panic.message,
                location: panic.location,
            },
            // A guest that cannot go on without the memory aborts.
            (None, None, Some(wanted)) => CallErrorKind::OutOfMemory {
                wanted,
                limit: ctx.bounds.memory_limit(),
            },
            (None, None, None) => CallErrorKind::Trapped {
                reason: reason(error),
            },
        };
        let mut frames = frames(error);
        if matches!(kind, CallErrorKind::OutOfMemory { .. }) {
            frames.push(reason(error));
        }
        let stderr = match call {
            Some(_) => stderr.last_lines_of(call),
            // There is nobody yet whose lines these could be.
            None if starting => stderr.last_lines_of(None),
            None => Vec::new(),
        };
        Trap {
            kind,
            call,
            idle,
            frames,
            stderr,
        }
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

/// The guest's stack, innermost first.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else {
        return Vec::new();
    };
    let frames = backtrace.frames().iter();
    fold(frames.map(|frame| match frame.func_name() {
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    }))
}

/// Names of functions as lines of a stack. What the executor's author wrote comes
/// first; of the runtime below and above, only the number is shown. A function
/// that calls itself is shown once, with a count.
fn fold(names: impl Iterator<Item = String>) -> Vec<String> {
    let (runtime, mut shown): (Vec<_>, Vec<_>) = names.partition(|name| is_runtime(name));
    let folded = match shown.is_empty() {
        // Then it is better than nothing.
        true => {
            shown = runtime;
            0
        }
        false => runtime.len(),
    };
    let mut runs: Vec<(String, usize)> = Vec::new();
    for name in shown {
        match runs.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => runs.push((name, 1)),
        }
    }
    let mut lines: Vec<_> = runs
        .into_iter()
        .take(MAX_TRACE)
        .map(|(name, count)| match count {
            1 => format!("at {}", cut_printable(&name)),
            count => format!("at {} ({count} times)", cut_printable(&name)),
        })
        .collect();
    match folded {
        0 => {}
        1 => lines.push("(1 frame of the Rust runtime and the SDK)".to_owned()),
        _ => lines.push(format!("({folded} frames of the Rust runtime and the SDK)")),
    }
    lines
}

/// Whether a function is one of Rust's own, of the SDK's or of what either is
/// built with.
fn is_runtime(name: &str) -> bool {
    const CRATES: [&str; 10] = [
        "alloc",
        "core",
        "dlmalloc",
        "futures_core",
        "futures_util",
        "std",
        "wasi",
        "wasip2",
        "wasm_flow_sdk",
        "wit_bindgen",
    ];
    // The brackets are what a bindings generator names its wrappers of exports.
    const SYMBOLS: [&str; 7] = [
        "__rust",
        "__wasm",
        "_Unwind",
        "rust_",
        "abort",
        "[async-lift]",
        "[callback]",
    ];
    // `<core::option::Option<T> as Trait>::method` is core's.
    let path = name.trim_start_matches(['<', '&', '(']);
    let of_crate = path
        .split_once("::")
        .is_some_and(|(first, _)| CRATES.contains(&first));
    of_crate || SYMBOLS.iter().any(|symbol| path.starts_with(symbol))
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

/// What a person is told of an error that ended a store.
pub(super) fn reason(error: &wasmtime::Error) -> String {
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
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        return exceeded.to_string();
    }
    if hands_over_too_much(error) {
        return "one call handed over more than the host takes at once, which is as much as \
                `limits.memory`, and 128 MiB at least; hand it over in parts, or raise that in the \
                executor's table of flow.toml"
            .to_owned();
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return format!("it holds more than {MAX_HANDLES} handles at once");
    }
    cut_printable(&chain(error))
}

/// Whether a guest gave more in one call than the host takes. The engine has no type for that
/// which can be named.
pub(super) fn hands_over_too_much(error: &wasmtime::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| cause.to_string().contains("fuel allocated for hostcalls"))
}

/// An error with its causes in one line, and without the guest's stack: that is
/// shown elsewhere.
pub(super) fn chain(error: &wasmtime::Error) -> String {
    let stack = error.downcast_ref::<wasmtime::WasmBacktrace>();
    let stack = stack.map(ToString::to_string);
    let mut seen = HashSet::new();
    error
        .chain()
        .map(ToString::to_string)
        .filter(|cause| Some(cause) != stack.as_ref())
        .filter(|cause| seen.insert(cause.clone()))
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(names: &[&str]) -> Vec<String> {
        fold(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn the_authors_functions_come_first_and_the_runtime_is_counted() {
        let stack = [
            "abort",
            "std::sys::pal::wasi::helpers::abort_internal",
            "__rustc::__rust_abort",
            "core::panicking::panic_fmt",
            "embed::Model::pick",
            "<core::slice::iter::Iter<T> as core::iter::Iterator>::fold",
            "<embed::Model as wasm_flow_sdk::Executor>::handle",
            "wit_bindgen::rt::async_support::poll",
            "[async-lift]wasm-flow:executor/executor@0.1.0#handle",
        ];
        assert_eq!(
            folded(&stack),
            [
                "at embed::Model::pick",
                "at <embed::Model as wasm_flow_sdk::Executor>::handle",
                "(7 frames of the Rust runtime and the SDK)"
            ]
        );
    }

    #[test]
    fn a_stack_of_nothing_but_the_runtime_is_shown() {
        assert_eq!(folded(&["core::a", "std::b"]), ["at core::a", "at std::b"]);
        assert_eq!(folded(&[]), [""; 0]);
    }

    #[test]
    fn a_recursion_is_one_line() {
        let mut stack = vec!["mine::deeper"; 100];
        stack.push("mine::top");
        assert_eq!(
            folded(&stack),
            ["at mine::deeper (100 times)", "at mine::top"]
        );
    }
}

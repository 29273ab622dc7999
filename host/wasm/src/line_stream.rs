//! The lines that a guest prints, and which call prints them.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use super::bounds::{KEPT_LINES, MAX_LINE, SHOWN_LINES};
use super::output::{OutputSink, Printer, Stream};
use super::text::printable;

/// The call of an instance that writes at this moment, if one does and it is
/// known. Shared by the instance's streams.
#[derive(Debug, Clone, Default)]
pub(super) struct CurrentCall(Arc<Mutex<Option<u64>>>);

impl CurrentCall {
    /// Does something during which `call` is the one that writes.
    pub(super) fn during<T>(&self, call: Option<u64>, act: impl FnOnce() -> T) -> T {
        self.set(call);
        let result = act();
        self.set(None);
        result
    }

    fn set(&self, call: Option<u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = call;
    }

    fn get(&self) -> Option<u64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of an instance's streams: collects what is written to it into lines.
#[derive(Clone)]
pub(super) struct LineStream {
    shared: Arc<Shared>,
}

struct Shared {
    printer: Printer,
    stream: Stream,
    writer: CurrentCall,
    sink: OutputSink,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A line without its end yet, and the call that began it.
    partial: Vec<u8>,
    begun_by: Option<u64>,
    /// The last lines of stderr, each with the call that wrote it.
    last: VecDeque<(Option<u64>, String)>,
}

impl LineStream {
    pub(super) fn new(
        printer: Printer,
        stream: Stream,
        writer: CurrentCall,
        sink: OutputSink,
    ) -> Self {
        LineStream {
            shared: Arc::new(Shared {
                printer,
                stream,
                writer,
                sink,
                state: Mutex::default(),
            }),
        }
    }

    /// The last lines that this call wrote, including an unfinished one. Without a call:
    /// the last lines that belong to none. No line of another call is among them, so
    /// that a client never sees another's output.
    pub(super) fn last_lines_of(&self, call: Option<u64>) -> Vec<String> {
        let mut state = self.lock();
        self.end_line(&mut state);
        let own = state.last.iter().rev().filter(|(by, _)| *by == call);
        let mut lines: Vec<_> = own
            .map(|(_, line)| line)
            .filter(|line| !is_advice(line))
            .take(SHOWN_LINES)
            .cloned()
            .collect();
        lines.reverse();
        lines
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mut bytes: &[u8]) {
        let call = self.shared.writer.get();
        let mut state = self.lock();
        // What one call left without an end does not become part of another's line.
        if state.begun_by != call {
            self.end_line(&mut state);
            state.begun_by = call;
        }
        while !bytes.is_empty() {
            let room = MAX_LINE.saturating_sub(state.partial.len());
            let (take, ends) = match bytes.iter().take(room).position(|byte| *byte == b'\n') {
                Some(end) => (end, true),
                None => (room.min(bytes.len()), false),
            };
            let (piece, rest) = bytes.split_at(take);
            state.partial.extend_from_slice(piece);
            bytes = rest.get(usize::from(ends)..).unwrap_or_default();
            if ends || state.partial.len() >= MAX_LINE {
                self.emit(&mut state);
            }
        }
    }

    fn end_line(&self, state: &mut State) {
        if !state.partial.is_empty() {
            self.emit(state);
        }
    }

    fn emit(&self, state: &mut State) {
        let line = printable(&String::from_utf8_lossy(&std::mem::take(
            &mut state.partial,
        )));
        self.shared
            .sink
            .line(&self.shared.printer, self.shared.stream, &line);
        if self.shared.stream == Stream::Stderr {
            if state.last.len() == KEPT_LINES {
                state.last.pop_front();
            }
            state.last.push_back((state.begun_by, line));
        }
    }
}

/// Rust's advice on backtraces, which nobody can follow here: the guest has no
/// such variable, and the error shows a backtrace anyway.
fn is_advice(line: &str) -> bool {
    line.starts_with("note: run with `RUST_BACKTRACE=")
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !state.partial.is_empty() {
            let line = printable(&String::from_utf8_lossy(&state.partial));
            self.sink.line(&self.printer, self.stream, &line);
        }
    }
}

impl IsTerminal for LineStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LineStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn wasmtime_wasi::p2::OutputStream> {
        Box::new(self.clone())
    }
}

// Written at once, without a task in between: a line that a guest printed just
// before it trapped is there when the error is made.
#[wasmtime_wasi::async_trait]
impl wasmtime_wasi::p2::Pollable for LineStream {
    async fn ready(&mut self) {}
}

impl wasmtime_wasi::p2::OutputStream for LineStream {
    fn write(&mut self, bytes: bytes::Bytes) -> wasmtime_wasi::p2::StreamResult<()> {
        LineStream::write(self, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> wasmtime_wasi::p2::StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> wasmtime_wasi::p2::StreamResult<usize> {
        Ok(64 * 1024)
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        LineStream::write(&self, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_flow_contract::sharding::Group;

    use crate::output::{Discard, Level, Output, Record};

    #[derive(Default)]
    struct Collect(Mutex<Vec<String>>);

    impl Output for Collect {
        fn line(&self, printer: &Printer, _: Stream, line: &str) {
            let executor = &printer.executor;
            self.0.lock().unwrap().push(format!("{executor}: {line}"));
        }

        fn enabled(&self, _: Level) -> bool {
            false
        }

        fn log(&self, _: &Record<'_>) {}
    }

    fn stderr(sink: OutputSink, writer: &CurrentCall) -> LineStream {
        let printer = Printer {
            executor: "e".into(),
            group: Group::Whole,
            replica: 0,
        };
        LineStream::new(printer, Stream::Stderr, writer.clone(), sink)
    }

    #[test]
    fn a_calls_lines_are_its_own() {
        let sink = Arc::new(Collect::default());
        let writer = CurrentCall::default();
        let stream = stderr(sink.clone(), &writer);
        let write = |call, text: &str| writer.during(call, || stream.write(text.as_bytes()));
        write(Some(1), "secret of 1\nan open line of 1");
        write(Some(2), "2 begins\n");
        write(None, "nobody's\nand an open line");
        write(Some(2), "2 goes on");
        write(Some(2), ", and ends");
        stream.write(b"outside");
        assert_eq!(
            stream.last_lines_of(Some(2)),
            ["2 begins", "2 goes on, and ends"]
        );
        assert_eq!(
            stream.last_lines_of(Some(1)),
            ["secret of 1", "an open line of 1"]
        );
        assert_eq!(
            stream.last_lines_of(None),
            ["nobody's", "and an open line", "outside"]
        );
        assert_eq!(stream.last_lines_of(Some(3)), [""; 0]);
        let lines = sink.0.lock().unwrap();
        assert_eq!(lines[1..3], ["e: an open line of 1", "e: 2 begins"]);
    }

    #[test]
    fn advice_that_cannot_be_followed_is_left_out() {
        let stream = stderr(Arc::new(Discard), &CurrentCall::default());
        stream.write(b"panicked\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n");
        assert_eq!(stream.last_lines_of(None), ["panicked"]);
    }

    #[test]
    fn lines_are_whole_bounded_and_harmless() {
        let sink = Arc::new(Collect::default());
        let stream = stderr(sink.clone(), &CurrentCall::default());
        stream.write(b"a");
        stream.write(b"b\nc\x1b[31m\r\n\n");
        stream.write(&[b'x'; MAX_LINE + 1]);
        stream.write(b"\nend");
        assert_eq!(stream.last_lines_of(None).last().unwrap(), "end");
        drop(stream);
        let lines = sink.0.lock().unwrap();
        assert_eq!(lines[..3], ["e: ab", "e: c\u{fffd}[31m", "e: "]);
        assert_eq!(lines[3].len(), 3 + MAX_LINE);
        assert_eq!(lines[4..], ["e: x", "e: end"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let stream = stderr(Arc::new(Discard), &CurrentCall::default());
        for line in 0..100 {
            stream.write(format!("{line}\n").as_bytes());
        }
        let last = stream.last_lines_of(None);
        assert_eq!(last.len(), SHOWN_LINES);
        assert_eq!(last.last().unwrap(), "99");
    }
}

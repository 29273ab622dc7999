//! What executors print.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// Which of its streams an executor printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// Takes the lines that executors print.
///
/// Called from the executor's own task: it must not block for long.
pub trait Output: Send + Sync + 'static {
    /// One line, without its end and without control characters.
    fn line(&self, executor: &str, stream: Stream, line: &str);
}

/// Where executors' output goes.
pub type OutputSink = Arc<dyn Output>;

/// Passes output over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Discard;

impl Output for Discard {
    fn line(&self, _: &str, _: Stream, _: &str) {}
}

/// A longer line is printed in pieces, so that a guest that never ends a line
/// cannot fill the host's memory.
const MAX_LINE: usize = 8 * 1024;

/// Lines of stderr kept to explain a trap with.
const TAIL_LINES: usize = 12;

/// One of an instance's streams: collects what is written to it into lines.
#[derive(Clone)]
pub(super) struct LineStream {
    shared: Arc<Shared>,
}

struct Shared {
    executor: Arc<str>,
    stream: Stream,
    sink: OutputSink,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    partial: Vec<u8>,
    tail: std::collections::VecDeque<String>,
}

impl LineStream {
    pub(super) fn new(executor: Arc<str>, stream: Stream, sink: OutputSink) -> Self {
        LineStream {
            shared: Arc::new(Shared {
                executor,
                stream,
                sink,
                state: Mutex::default(),
            }),
        }
    }

    /// The last lines, also one that was not ended.
    pub(super) fn tail(&self) -> Vec<String> {
        let mut state = self.lock();
        let partial = std::mem::take(&mut state.partial);
        if !partial.is_empty() {
            self.emit(&mut state, &partial);
        }
        state.tail.iter().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mut bytes: &[u8]) {
        let mut state = self.lock();
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
                let line = std::mem::take(&mut state.partial);
                self.emit(&mut state, &line);
            }
        }
    }

    fn emit(&self, state: &mut State, line: &[u8]) {
        let line = printable(&String::from_utf8_lossy(line));
        self.shared
            .sink
            .line(&self.shared.executor, self.shared.stream, &line);
        if self.shared.stream == Stream::Stderr {
            if state.tail.len() == TAIL_LINES {
                state.tail.pop_front();
            }
            state.tail.push_back(line);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !state.partial.is_empty() {
            let line = printable(&String::from_utf8_lossy(&state.partial));
            self.sink.line(&self.executor, self.stream, &line);
        }
    }
}

/// The text without characters that a terminal would act on: a guest's output
/// must not move the operator's cursor or write over other lines.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\t' => Some(' '),
            '\r' => None,
            c if c.is_control() => Some(char::REPLACEMENT_CHARACTER),
            // What reorders the text around it.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some(char::REPLACEMENT_CHARACTER),
            c => Some(c),
        })
        .collect()
}

/// Text that a guest says of itself is cut here.
const MAX_TEXT: usize = 16 * 1024;

/// At most [`MAX_TEXT`] bytes of what a guest says, and nothing that a terminal
/// would act on.
pub(super) fn cut_printable(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default();
    kept.split('\n')
        .map(printable)
        .collect::<Vec<_>>()
        .join("\n")
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

    #[derive(Default)]
    struct Collect(Mutex<Vec<String>>);

    impl Output for Collect {
        fn line(&self, executor: &str, _: Stream, line: &str) {
            self.0.lock().unwrap().push(format!("{executor}: {line}"));
        }
    }

    #[test]
    fn lines_are_whole_bounded_and_harmless() {
        let sink = Arc::new(Collect::default());
        let stream = LineStream::new("e".into(), Stream::Stderr, sink.clone());
        stream.write(b"a");
        stream.write(b"b\nc\x1b[31m\r\n\n");
        stream.write(&[b'x'; MAX_LINE + 1]);
        stream.write(b"\nend");
        assert_eq!(stream.tail().last().unwrap(), "end");
        drop(stream);
        let lines = sink.0.lock().unwrap();
        assert_eq!(lines[..3], ["e: ab", "e: c\u{fffd}[31m", "e: "]);
        assert_eq!(lines[3].len(), 3 + MAX_LINE);
        assert_eq!(lines[4..], ["e: x", "e: end"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let stream = LineStream::new("e".into(), Stream::Stderr, Arc::new(Discard));
        for line in 0..100 {
            stream.write(format!("{line}\n").as_bytes());
        }
        assert_eq!(stream.tail().len(), TAIL_LINES);
        assert_eq!(stream.tail().last().unwrap(), "99");
    }
}

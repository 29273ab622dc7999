//! A stream of output that nobody waits for.
//!
//! What executors print, and what a server says of itself, leaves through a
//! [`Writer`]: a queue and a thread that empties it. Handing over a line never
//! blocks, so a reader that does not read, or that went away, costs lines and
//! never a request.
//!
//! Lines come out in the order in which they were handed over. Each source (an
//! executor) is bounded by itself, in lines and bytes that wait and in bytes a
//! second, so one that floods cannot crowd out another. What goes over a bound
//! is dropped and counted, and one line says how many there were as soon as the
//! source's earlier lines are written.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use wasm_flow_contract::units::Size;

use crate::bounds::{
    PRINT_BURST, PRINT_RATE, WAITING_BYTES, WAITING_LINES, WRITE_CHUNK, WRITE_RETRY,
};

/// Why lines were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// As many lines as may wait were waiting.
    SlowReader,
    /// The source wrote more than it may in a second.
    Rate,
    /// A single line was longer than all lines together that may wait.
    LongLine,
}

impl Reason {
    /// For a person.
    pub(super) fn text(self) -> String {
        match self {
            Reason::SlowReader => "the reader of this output is too slow".to_owned(),
            Reason::Rate => format!("more than {} a second", Size(PRINT_RATE)),
            Reason::LongLine => format!("longer than {}", Size(WAITING_BYTES as u64)),
        }
    }
}

/// Lines of a source that were dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) source: Arc<str>,
    pub(super) lines: u64,
    pub(super) reason: Reason,
}

/// Something that a [`Writer`] has to say of itself.
pub(super) trait Notices: Send + 'static {
    /// The line that stands in place of dropped ones.
    fn dropped(&self, dropped: &Dropped) -> String;

    /// The stream failed and is going to be tried again; or, with a broken pipe,
    /// its reader is gone for good. Told once until a write succeeds.
    fn failed(&self, error: &io::Error);
}

/// A handle to a stream's queue. Cheap to clone; the thread ends with
/// [`finish`](Writer::finish) or with the process.
#[derive(Clone)]
pub(super) struct Writer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is there for the thread to do.
    work: Condvar,
    /// The thread has written something, or given up.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Arc<str>, Line)>,
    sources: HashMap<Arc<str>, Source>,
    /// Lines are with the stream at this moment.
    writing: bool,
    /// How the last write failed, if it did.
    failure: Option<(io::ErrorKind, String)>,
    closing: bool,
    ended: bool,
}

/// A line that waits.
enum Line {
    Text(String),
    /// A line that could never wait, and of which is only told.
    TooLong,
}

impl Line {
    fn new(text: String) -> Line {
        match text.len() < WAITING_BYTES {
            true => Line::Text(text),
            false => Line::TooLong,
        }
    }

    /// The bytes that wait, with the line's end.
    fn len(&self) -> usize {
        match self {
            Line::Text(text) => text.len() + 1,
            Line::TooLong => 0,
        }
    }
}

/// What is known of one source.
struct Source {
    lines: usize,
    bytes: usize,
    allowance: Allowance,
    over: Option<Over>,
}

/// A source that is over a bound: its lines are dropped until this ends.
struct Over {
    lines: u64,
    reason: Reason,
    /// Not to end before. Without this, a source over its rate would be told of
    /// with every other line.
    until: Instant,
}

/// A token bucket, in bytes.
struct Allowance {
    bytes: u64,
    at: Instant,
}

impl Allowance {
    fn take(&mut self, bytes: u64, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at);
        let earned = (elapsed.as_micros() as u64).saturating_mul(PRINT_RATE) / 1_000_000;
        if earned > 0 {
            self.bytes = self.bytes.saturating_add(earned).min(PRINT_BURST);
            self.at = now;
        }
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                true
            }
            None => false,
        }
    }
}

impl Source {
    fn new(now: Instant) -> Source {
        Source {
            lines: 0,
            bytes: 0,
            allowance: Allowance {
                bytes: PRINT_BURST,
                at: now,
            },
            over: None,
        }
    }

    /// Whether a line may go into the queue: of so many bytes that were printed, so
    /// many of which wait. Counts it either way.
    fn admit(&mut self, printed: usize, waiting: usize, now: Instant) -> bool {
        if let Some(over) = &mut self.over {
            over.lines += 1;
            return false;
        }
        let reason =
            if self.lines >= WAITING_LINES || self.bytes.saturating_add(waiting) > WAITING_BYTES {
                Reason::SlowReader
            } else if !self.allowance.take(printed as u64, now) {
                Reason::Rate
            } else {
                self.lines += 1;
                self.bytes += waiting;
                return true;
            };
        let pause = match reason {
            Reason::SlowReader | Reason::LongLine => Duration::ZERO,
            Reason::Rate => Duration::from_secs(1),
        };
        self.over = Some(Over {
            lines: 1,
            reason,
            until: now + pause,
        });
        false
    }
}

/// What the thread does next.
enum Job {
    /// Write this. Lines that were dropped before are told of in it.
    Write(String),
    /// All is written, and nothing more will come.
    End,
}

impl Writer {
    /// Starts a thread that writes to `out`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(
        name: &str,
        mut out: impl Write + Send + 'static,
        notices: impl Notices,
    ) -> io::Result<Writer> {
        let shared = Arc::new(Shared::default());
        let thread = Arc::clone(&shared);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || thread.run(&mut out, &notices))?;
        Ok(Writer { shared })
    }

    /// Hands over a line, without its end. It is dropped if its source is over a
    /// bound. Never blocks.
    pub(super) fn line(&self, source: &str, line: String) {
        let mut state = self.shared.lock();
        if state.ended {
            return;
        }
        let now = Instant::now();
        let name = match state.sources.get_key_value(source) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(source),
        };
        let source = state
            .sources
            .entry(Arc::clone(&name))
            .or_insert_with(|| Source::new(now));
        let printed = line.len() + 1;
        let line = Line::new(line);
        if source.admit(printed, line.len(), now) {
            state.queue.push_back((name, line));
        }
        drop(state);
        self.shared.work.notify_one();
    }

    /// Waits until all that was handed over is written, for so long at most.
    ///
    /// # Errors
    /// If the last write failed. A reader that is slow, or gone, is no error.
    pub(super) fn flush(&self, patience: Duration) -> io::Result<()> {
        let until = Instant::now() + patience;
        let mut state = self.shared.lock();
        while !state.is_idle() && !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = match self.shared.progress.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        match &state.failure {
            Some((kind, _)) if *kind == io::ErrorKind::BrokenPipe => Ok(()),
            Some((kind, text)) => Err(io::Error::new(*kind, text.clone())),
            None => Ok(()),
        }
    }

    /// Ends the thread once all is written, and waits so long for that. After
    /// that the thread is left to itself: it may hang in a write for ever.
    pub(super) fn finish(&self, patience: Duration) {
        self.shared.lock().closing = true;
        self.shared.work.notify_one();
        let until = Instant::now() + patience;
        let mut state = self.shared.lock();
        while !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Nobody is going to write what comes now.
                state.ended = true;
                return;
            }
            state = match self.shared.progress.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.writing
    }

    /// The lines that are next, and those that say what was dropped.
    fn chunk(&mut self, notices: &impl Notices, now: Instant) -> String {
        let mut chunk = String::new();
        while chunk.len() < WRITE_CHUNK {
            let Some((name, line)) = self.queue.pop_front() else {
                break;
            };
            if let Some(source) = self.sources.get_mut(&name) {
                source.lines -= 1;
                source.bytes -= line.len();
            }
            chunk += &match line {
                Line::Text(text) => text,
                Line::TooLong => notices.dropped(&Dropped {
                    source: name,
                    lines: 1,
                    reason: Reason::LongLine,
                }),
            };
            chunk.push('\n');
            self.recover(&mut chunk, notices, now);
        }
        self.recover(&mut chunk, notices, now);
        chunk
    }

    /// Ends what can be ended of sources that are over a bound.
    fn recover(&mut self, chunk: &mut String, notices: &impl Notices, now: Instant) {
        let closing = self.closing;
        for (name, source) in &mut self.sources {
            let Some(over) = &source.over else { continue };
            if source.lines == 0 && (now >= over.until || closing) {
                *chunk += &notices.dropped(&Dropped {
                    source: Arc::clone(name),
                    lines: over.lines,
                    reason: over.reason,
                });
                chunk.push('\n');
                source.over = None;
            }
        }
    }

    /// When the next source that is over its rate may be told of.
    fn next_recovery(&self) -> Option<Instant> {
        let over = self
            .sources
            .values()
            .filter_map(|source| source.over.as_ref());
        over.map(|over| over.until).min()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, out: &mut impl Write, notices: &impl Notices) {
        let mut gone = false;
        while let Job::Write(text) = self.next(notices) {
            // What nobody can read any more is taken from the queue all the same.
            let failed = match gone {
                true => None,
                false => write_all(out, text.as_bytes()).err(),
            };
            let mut state = self.lock();
            state.writing = false;
            if gone {
                drop(state);
                self.progress.notify_all();
                continue;
            }
            let news = failed.is_some() && state.failure.is_none();
            state.failure = failed
                .as_ref()
                .map(|error| (error.kind(), error.to_string()));
            drop(state);
            self.progress.notify_all();
            if let Some(error) = failed {
                gone = error.kind() == io::ErrorKind::BrokenPipe;
                if news {
                    notices.failed(&error);
                }
            }
        }
        self.lock().ended = true;
        self.progress.notify_all();
    }

    /// Waits for something to do.
    fn next(&self, notices: &impl Notices) -> Job {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let text = state.chunk(notices, now);
            if !text.is_empty() {
                state.writing = true;
                return Job::Write(text);
            }
            if state.closing {
                return Job::End;
            }
            state = match state.next_recovery() {
                Some(until) => {
                    let pause = until.saturating_duration_since(now);
                    match self.work.wait_timeout(state, pause) {
                        Ok((state, _)) => state,
                        Err(poisoned) => poisoned.into_inner().0,
                    }
                }
                None => self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// Writes and flushes, also to a stream that is not ready all the time.
fn write_all(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    loop {
        let result = match bytes.is_empty() {
            true => out.flush().map(|()| 0),
            false => out.write(bytes),
        };
        match result {
            Ok(0) if bytes.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(WRITE_RETRY),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A stream whose reader lets it write when it is told to.
    struct Gate {
        open: mpsc::Receiver<io::Result<()>>,
        written: Arc<Mutex<String>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Open for ever once the test let go of the other end.
            self.open.recv().unwrap_or(Ok(()))?;
            let text = std::str::from_utf8(bytes).unwrap();
            self.written.lock().unwrap().push_str(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<io::ErrorKind>>>);

    impl Notices for Said {
        fn dropped(&self, dropped: &Dropped) -> String {
            let Dropped {
                source,
                lines,
                reason,
            } = dropped;
            format!("{source}: {lines} dropped, {reason:?}")
        }

        fn failed(&self, error: &io::Error) {
            self.0.lock().unwrap().push(error.kind());
        }
    }

    struct Setup {
        writer: Writer,
        gate: Option<mpsc::Sender<io::Result<()>>>,
        written: Arc<Mutex<String>>,
        said: Said,
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    impl Setup {
        fn new() -> Setup {
            let (gate, open) = mpsc::channel();
            let written = Arc::default();
            let said = Said::default();
            let out = Gate {
                open,
                written: Arc::clone(&written),
            };
            Setup {
                writer: Writer::start("test", out, said.clone()).unwrap(),
                gate: Some(gate),
                written,
                said,
            }
        }

        /// The stream's thread hangs in a write of this line from now on.
        fn hang(&self, line: &str) {
            self.writer.line("hang", line.to_owned());
            while !self.writer.shared.lock().writing {
                thread::yield_now();
            }
        }

        fn let_all_through(&mut self) -> Vec<String> {
            self.gate = None;
            self.writer.finish(PATIENCE);
            let written = self.written.lock().unwrap();
            written.lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn a_flood_is_cut_and_nobody_else_loses_a_line() {
        let mut setup = Setup::new();
        setup.hang("first");
        setup.writer.line("quiet", "before".to_owned());
        for number in 0..5000 {
            setup.writer.line("flood", number.to_string());
        }
        setup.writer.line("quiet", "after".to_owned());
        let lines = setup.let_all_through();
        assert_eq!(lines.len(), 1 + 1 + WAITING_LINES + 1 + 1, "{lines:?}");
        assert_eq!(lines[..4], ["first", "before", "0", "1"]);
        assert_eq!(
            lines[2 + WAITING_LINES - 1],
            (WAITING_LINES - 1).to_string()
        );
        let end = &lines[2 + WAITING_LINES..];
        assert!(end.contains(&"after".to_owned()), "{end:?}");
        assert!(
            end.contains(&"flood: 4000 dropped, SlowReader".to_owned()),
            "{end:?}"
        );
    }

    #[test]
    fn bytes_that_wait_are_bounded_too() {
        let mut setup = Setup::new();
        setup.hang("first");
        let long = "x".repeat(WAITING_BYTES / 4);
        for _ in 0..10 {
            setup.writer.line("a", long.clone());
        }
        let lines = setup.let_all_through();
        assert_eq!(lines.len(), 1 + 3 + 1);
        assert_eq!(lines[4], "a: 7 dropped, SlowReader");
    }

    /// However quick the reader is.
    #[test]
    fn a_line_that_could_never_wait_is_dropped_for_its_length() {
        let mut setup = Setup::new();
        setup.writer.line("a", "x".repeat(WAITING_BYTES));
        setup.writer.line("a", "y".repeat(WAITING_BYTES - 1));
        setup.writer.line("a", "after".to_owned());
        let lines = setup.let_all_through();
        assert_eq!(lines[0], "a: 1 dropped, LongLine");
        assert_eq!(lines[1].len(), WAITING_BYTES - 1);
        // The third may find the second still waiting, which fills the room.
        assert!(lines[2] == "after" || lines[2] == "a: 1 dropped, SlowReader");
    }

    #[test]
    fn reasons_are_derived_from_the_bounds() {
        assert_eq!(Reason::Rate.text(), "more than 1 MiB a second");
        assert_eq!(Reason::LongLine.text(), "longer than 1 MiB");
    }

    #[test]
    fn what_is_dropped_is_told_before_what_comes_after() {
        let mut setup = Setup::new();
        setup.hang("first");
        for number in 0..=WAITING_LINES {
            setup.writer.line("a", number.to_string());
        }
        // Time for some chunks, and then a line that finds room again.
        let gate = setup.gate.take().unwrap();
        for _ in 0..100 {
            let _ = gate.send(Ok(()));
        }
        setup.writer.flush(PATIENCE).unwrap();
        setup.writer.line("a", "room".to_owned());
        drop(gate);
        let lines = setup.let_all_through();
        assert_eq!(
            lines[1 + WAITING_LINES..],
            ["a: 1 dropped, SlowReader", "room"]
        );
    }

    #[test]
    fn a_source_has_a_rate() {
        let now = Instant::now();
        let mut source = Source::new(now);
        let line = 64 << 10;
        let mut admitted = 0;
        for _ in 0..1000 {
            if source.admit(line, line, now) {
                admitted += line;
            }
            // A quick reader: nothing waits.
            (source.lines, source.bytes) = (0, 0);
        }
        assert_eq!(admitted as u64, PRINT_BURST);
        let over = source.over.take().unwrap();
        assert_eq!(over.reason, Reason::Rate);
        assert_eq!(over.lines, 1000 - PRINT_BURST / line as u64);
        // After a second it has a second's worth.
        let now = now + Duration::from_secs(1);
        let admitted = (0..1000)
            .take_while(|_| {
                (source.lines, source.bytes) = (0, 0);
                source.admit(line, line, now)
            })
            .count();
        assert_eq!((admitted * line) as u64, PRINT_RATE);
    }

    #[test]
    fn a_rate_that_was_passed_is_told_without_another_line() {
        let mut setup = Setup::new();
        setup.gate = None;
        let long = "x".repeat(WAITING_BYTES / 2);
        for _ in 0..40 {
            setup.writer.line("a", long.clone());
            setup.writer.flush(PATIENCE).unwrap();
        }
        let until = Instant::now() + PATIENCE;
        let told = |written: &str| written.contains(" dropped, Rate");
        while !told(&setup.written.lock().unwrap()) && Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(told(&setup.written.lock().unwrap()));
    }

    #[test]
    fn a_stream_that_fails_is_tried_again_and_a_broken_one_is_not() {
        let mut setup = Setup::new();
        let gate = setup.gate.take().unwrap();
        let send = |answer: io::Result<()>, line: &str| {
            gate.send(answer).unwrap();
            setup.writer.line("a", line.to_owned());
            setup.writer.flush(PATIENCE)
        };
        let full = || Err(io::ErrorKind::StorageFull.into());
        assert!(send(full(), "lost").is_err());
        assert!(send(full(), "lost").is_err());
        assert!(send(Ok(()), "written").is_ok());
        assert!(send(Err(io::ErrorKind::BrokenPipe.into()), "lost").is_ok());
        // The stream is not asked any more: this answer is never taken.
        assert!(send(Ok(()), "lost").is_ok());
        assert_eq!(*setup.written.lock().unwrap(), "written\n");
        assert_eq!(
            *setup.said.0.lock().unwrap(),
            [io::ErrorKind::StorageFull, io::ErrorKind::BrokenPipe]
        );
    }

    #[test]
    fn a_reader_that_does_not_read_keeps_nobody() {
        let setup = Setup::new();
        setup.hang("first");
        let begun = Instant::now();
        assert!(setup.writer.flush(Duration::from_millis(50)).is_ok());
        setup.writer.finish(Duration::from_millis(50));
        assert!(begun.elapsed() < PATIENCE / 2);
        setup.writer.line("a", "too late".to_owned());
        assert!(setup.writer.shared.lock().queue.is_empty());
    }
}

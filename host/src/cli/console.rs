//! Where a running flow's lines go: what its executors print, and what the
//! program says while it serves. Nothing here waits for a reader.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use wasm_flow_manifest::Report;
use wasm_flow_wasm::{Level, Output, OutputSink, Printer, Record, Stream, printable};

use super::Format;
use super::guest_log::GuestLine;
use super::terminal::{self, OutputError, json_text, lines};
use super::writer::{Dropped, Notices, Writer};
use crate::Log;
use crate::bounds::FLUSH_TIMEOUT;

/// The source of the program's own lines. No executor has this name.
const PROGRAM: &str = "";

/// Both streams of a flow that runs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Console {
    format: Format,
    stderr: Writer,
    /// Executors' lines and events on standard output. None: that is for results
    /// only, and executors' lines go to standard error.
    stdout: Option<Writer>,
    ready: Arc<AtomicBool>,
}

impl Console {
    /// For a flow that is served: what executors print goes to the stream that
    /// they print it to, or as events to standard output with `--format json`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn of_server(format: Format) -> io::Result<Console> {
        let mut console = Console::new(format)?;
        let notices = StdoutNotices {
            format,
            stderr: console.stderr.clone(),
            ready: Arc::clone(&console.ready),
        };
        console.stdout = Some(Writer::start("stdout", io::stdout(), notices)?);
        Ok(console)
    }

    /// For a flow whose results go to standard output: all else goes to standard
    /// error.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn of_batch(format: Format) -> io::Result<Console> {
        Console::new(format)
    }

    fn new(format: Format) -> io::Result<Console> {
        Ok(Console {
            format,
            stderr: Writer::start("stderr", io::stderr(), StderrNotices { format })?,
            stdout: None,
            ready: Arc::default(),
        })
    }

    /// Takes what executors print.
    pub(super) fn sink(&self) -> OutputSink {
        Arc::new(self.clone())
    }

    /// Says that a server is ready. Executors' later lines come after this.
    ///
    /// # Errors
    /// If standard output cannot be written: whoever waits for this would wait
    /// for ever. A reader that is gone, or does not read, is no error.
    pub(super) fn ready(&self, text: String) -> Result<(), OutputError> {
        let Some(stdout) = &self.stdout else {
            return Ok(());
        };
        stdout.line(PROGRAM, text);
        stdout.flush(FLUSH_TIMEOUT)?;
        self.ready.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Text on standard error, with a line end.
    pub(super) fn note(&self, text: &str) {
        self.stderr.line(PROGRAM, lines(text));
    }

    /// A report on standard error. Its colours are kept: its renderer takes out of the rest
    /// what a terminal would act on.
    pub(super) fn report(&self, report: &Report) {
        self.stderr.line(PROGRAM, terminal::rendered(report));
    }

    /// Something has happened to the server: text on standard error, and with `--format
    /// json` an event on standard output instead.
    pub(super) fn event(&self, text: &str, event: impl FnOnce() -> Value) {
        match (self.format, &self.stdout) {
            (Format::Json, Some(stdout)) => stdout.line(PROGRAM, json_text(&event())),
            _ => self.note(text),
        }
    }

    /// Gives the last lines a moment to leave.
    pub(super) fn finish(&self) {
        if let Some(stdout) = &self.stdout {
            stdout.finish(FLUSH_TIMEOUT);
        }
        self.stderr.finish(FLUSH_TIMEOUT);
    }
}

impl Output for Console {
    fn line(&self, printer: &Printer, stream: Stream, text: &str) {
        Log.line(printer, stream, text);
    }

    fn enabled(&self, level: Level) -> bool {
        Log.enabled(level)
    }

    fn log(&self, record: &Record<'_>) {
        Log.log(record);
    }
}

impl Console {
    /// Prints what an executor printed or logged.
    pub(super) fn guest_line(&self, line: &GuestLine) {
        let printer = line.printer();
        let text = match (self.format, line.stream) {
            (Format::Json, Some(stream)) => json_text(&json!({
                "event": "output",
                "executor": printer,
                "stream": match stream {
                    Stream::Stdout => "stdout",
                    Stream::Stderr => "stderr",
                },
                "line": line.text,
            })),
            (Format::Json, None) => json_text(&json!({
                "event": "log",
                "executor": printer,
                "level": line.level.as_str().to_lowercase(),
                "message": line.text,
                "request": line.request,
                "fields": serde_json::from_str::<Value>(&line.fields).ok(),
            })),
            (Format::Text, Some(_)) => {
                format!("{} | {}", printable(&printer), printable(&line.text))
            }
            (Format::Text, None) => {
                let mut text = format!("{} | {} {}", printer, line.level, line.text);
                for (name, value) in [("fields", &line.fields), ("request", &line.request)] {
                    if !value.is_empty() {
                        text.push_str(&format!(" {name}={value}"));
                    }
                }
                printable(&text.replace('\n', " "))
            }
        };
        let writer = match (&self.stdout, self.format, line.stream) {
            (Some(stdout), Format::Json, _) => stdout,
            (Some(stdout), Format::Text, Some(Stream::Stdout)) => stdout,
            _ => &self.stderr,
        };
        // An executor's replicas share what it may print.
        writer.line(&line.executor, text);
    }
}

fn dropped_line(format: Format, dropped: &Dropped) -> String {
    let Dropped {
        source,
        lines,
        reason,
    } = dropped;
    let reason = reason.text();
    let plural = if *lines == 1 { "" } else { "s" };
    let text = format!("... {lines} line{plural} dropped: {reason}");
    match (format, &**source) {
        (Format::Json, PROGRAM) => json_text(&json!({
            "event": "dropped", "lines": lines, "reason": reason,
        })),
        (Format::Json, executor) => json_text(&json!({
            "event": "dropped", "executor": executor, "lines": lines, "reason": reason,
        })),
        (Format::Text, PROGRAM) => text,
        (Format::Text, executor) => format!("{} | {text}", printable(executor)),
    }
}

struct StdoutNotices {
    format: Format,
    stderr: Writer,
    /// Before a server is ready, a failure is the command's own error.
    ready: Arc<AtomicBool>,
}

impl Notices for StdoutNotices {
    fn dropped(&self, dropped: &Dropped) -> String {
        dropped_line(self.format, dropped)
    }

    fn failed(&self, error: &io::Error) {
        let text = match error.kind() {
            io::ErrorKind::BrokenPipe => {
                "the reader of standard output is gone; the flow is served on without it".to_owned()
            }
            _ if !self.ready.load(Ordering::Relaxed) => return,
            _ => format!(
                "cannot write to standard output: {error}; lines are lost until that is possible \
                 again"
            ),
        };
        self.stderr.line(PROGRAM, format!("warning: {text}"));
    }
}

/// There is no place to say that standard error cannot be written.
struct StderrNotices {
    format: Format,
}

impl Notices for StderrNotices {
    fn dropped(&self, dropped: &Dropped) -> String {
        dropped_line(self.format, dropped)
    }

    fn failed(&self, _: &io::Error) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::writer::Reason;

    #[test]
    fn dropped_lines_are_told_as_lines_of_their_executor() {
        let dropped = |source: &str, lines| Dropped {
            source: source.into(),
            lines,
            reason: Reason::SlowReader,
        };
        assert_eq!(
            dropped_line(Format::Text, &dropped("a", 1)),
            "a | ... 1 line dropped: the reader of this output is too slow"
        );
        assert_eq!(
            dropped_line(Format::Json, &dropped("a", 20)),
            r#"{"event":"dropped","executor":"a","lines":20,"reason":"the reader of this output is too slow"}"#
        );
        assert_eq!(
            dropped_line(Format::Text, &dropped(PROGRAM, 2)),
            "... 2 lines dropped: the reader of this output is too slow"
        );
    }
}

//! Where what executors print and log goes.

use std::io::Write;

use wasm_flow_contract::reply::Origin;
use wasm_flow_wasm::{Level, Output, Printer, Record, Stream, printable};

/// The target of the log's events for what executors print and log.
pub(crate) const GUEST: &str = "guest";

/// Passes on what executors print and log to the log of `tracing`, with the target
/// `guest`: printed lines at the level of information, messages at their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

impl Output for Log {
    fn line(&self, printer: &Printer, stream: Stream, line: &str) {
        tracing::info!(
            target: GUEST,
            executor = &*printer.executor,
            replica = printer.replica,
            instance = printer.instance(),
            stream = match stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
            },
            "{line}"
        );
    }

    fn enabled(&self, level: Level) -> bool {
        match level {
            Level::Trace => tracing::enabled!(target: GUEST, tracing::Level::TRACE),
            Level::Debug => tracing::enabled!(target: GUEST, tracing::Level::DEBUG),
            Level::Info => tracing::enabled!(target: GUEST, tracing::Level::INFO),
            Level::Warn => tracing::enabled!(target: GUEST, tracing::Level::WARN),
            Level::Error => tracing::enabled!(target: GUEST, tracing::Level::ERROR),
        }
    }

    fn log(&self, record: &Record<'_>) {
        let printer = record.printer;
        let fields = match record.fields.is_empty() {
            true => None,
            false => serde_json::to_string(record.fields).ok(),
        };
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(
                    target: GUEST,
                    executor = &*printer.executor,
                    replica = printer.replica,
                    instance = printer.instance(),
                    request = record.request,
                    fields,
                    "{}",
                    record.message
                )
            };
        }
        match record.level {
            Level::Trace => event!(trace),
            Level::Debug => event!(debug),
            Level::Info => event!(info),
            Level::Warn => event!(warn),
            Level::Error => event!(error),
        }
    }
}

/// Prints what executors print to this process's own streams, a line at a time, as if
/// they were part of the program, and what they log to standard error from the level of
/// information on.
///
/// An executor waits for a reader that is slow. So this is for programs at a terminal,
/// and for executors that are trusted with that; a server takes [`Log`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Stdio;

impl Output for Stdio {
    fn line(&self, _: &Printer, stream: Stream, line: &str) {
        // If they cannot be written, there is no place left to say so.
        let _ = match stream {
            Stream::Stdout => writeln!(std::io::stdout().lock(), "{line}"),
            Stream::Stderr => writeln!(std::io::stderr().lock(), "{line}"),
        };
    }

    fn enabled(&self, level: Level) -> bool {
        matches!(level, Level::Info | Level::Warn | Level::Error)
    }

    fn log(&self, record: &Record<'_>) {
        let printer = record.printer;
        let level = match record.level {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        };
        let message = printable(&record.message.replace('\n', " "));
        let Printer {
            executor,
            group,
            replica,
        } = printer;
        let origin = Origin::replica_of(*group, *replica);
        let _ = writeln!(
            std::io::stderr().lock(),
            "{executor}/{origin} {level} {message}"
        );
    }
}

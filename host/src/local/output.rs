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
        let fields = fields(record);
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
        let _ = writeln!(std::io::stderr().lock(), "{}", Stdio::message(record));
    }
}

impl Stdio {
    /// A message in one line.
    fn message(record: &Record<'_>) -> String {
        let level = match record.level {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        };
        let message = printable(&record.message.replace('\n', " "));
        let fields = fields(record).map(|fields| format!(" fields={}", printable(&fields)));
        let fields = fields.unwrap_or_default();
        let Printer {
            executor,
            group,
            replica,
        } = record.printer;
        let origin = Origin::replica_of(*group, *replica);
        format!("{executor}/{origin} {level} {message}{fields}")
    }
}

/// What an executor says beside a message, as JSON. None if it says nothing.
fn fields(record: &Record<'_>) -> Option<String> {
    match record.fields.is_empty() {
        true => None,
        false => serde_json::to_string(record.fields).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Map, Value, json};
    use wasm_flow_contract::sharding::Group;

    use super::*;

    #[test]
    fn a_message_is_a_line_with_what_is_said_beside_it() {
        let printer = Printer {
            executor: Arc::from("index"),
            group: Group::Whole,
            replica: 1,
        };
        let mut fields: Map<String, Value> = Map::new();
        let line = |fields: &Map<String, Value>| {
            Stdio::message(&Record {
                printer: &printer,
                request: None,
                level: Level::Warn,
                message: "a\nb",
                fields,
            })
        };
        assert_eq!(line(&fields), "index/rep-1 WARN a b");
        fields.insert("count".to_owned(), json!(3));
        fields.insert("text".to_owned(), json!("\u{9b}2J"));
        assert_eq!(
            line(&fields),
            "index/rep-1 WARN a b fields={\"count\":3,\"text\":\"\u{fffd}2J\"}"
        );
    }
}

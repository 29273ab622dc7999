//! What executors print and log, as events of `tracing`, and back.

use std::fmt;

use tracing::Event;
use tracing::field::{Field, Visit};
use wasm_flow_wasm::{Level, Printer, Record, Stream};

/// The target of what executors print.
pub(super) const GUEST: &str = "guest";

/// Whether messages of executors are kept at this level.
pub(super) fn enabled(level: Level) -> bool {
    match level {
        Level::Trace => tracing::enabled!(target: GUEST, tracing::Level::TRACE),
        Level::Debug => tracing::enabled!(target: GUEST, tracing::Level::DEBUG),
        Level::Info => tracing::enabled!(target: GUEST, tracing::Level::INFO),
        Level::Warn => tracing::enabled!(target: GUEST, tracing::Level::WARN),
        Level::Error => tracing::enabled!(target: GUEST, tracing::Level::ERROR),
    }
}

/// An event for what an executor logged.
pub(super) fn record(record: &Record<'_>) {
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

/// An event for what an executor printed.
pub(super) fn line(printer: &Printer, stream: Stream, line: &str) {
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

/// The fields of the events that [`line`] and [`record`] make.
pub(super) struct GuestLine {
    pub(super) executor: String,
    pub(super) replica: u64,
    /// `shard-1/rep-0`. Empty if the executor has nothing but replicas.
    pub(super) instance: String,
    /// None: it was logged.
    pub(super) stream: Option<Stream>,
    pub(super) level: tracing::Level,
    pub(super) text: String,
    pub(super) request: String,
    /// A JSON object, or empty.
    pub(super) fields: String,
}

impl Default for GuestLine {
    fn default() -> Self {
        GuestLine {
            executor: String::new(),
            replica: 0,
            instance: String::new(),
            stream: None,
            level: tracing::Level::INFO,
            text: String::new(),
            request: String::new(),
            fields: String::new(),
        }
    }
}

impl GuestLine {
    /// Which instance it is of: `index/rep-0`, `index/shard-1/rep-0`.
    pub(super) fn printer(&self) -> String {
        match self.instance.as_str() {
            "" => format!("{}/rep-{}", self.executor, self.replica),
            instance => format!("{}/{instance}", self.executor),
        }
    }

    /// What an event with the target [`GUEST`] says.
    pub(super) fn of(event: &Event<'_>) -> GuestLine {
        let mut line = GuestLine {
            level: *event.metadata().level(),
            ..GuestLine::default()
        };
        event.record(&mut line);
        line
    }
}

impl Visit for GuestLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.text = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "executor" => value.clone_into(&mut self.executor),
            "instance" => value.clone_into(&mut self.instance),
            "stream" => {
                self.stream = Some(match value {
                    "stderr" => Stream::Stderr,
                    _ => Stream::Stdout,
                });
            }
            "request" => value.clone_into(&mut self.request),
            "fields" => value.clone_into(&mut self.fields),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "replica" {
            self.replica = value;
        }
    }
}

//! What executors print and log, back from the events of `tracing` that it came as.

use std::fmt;

use tracing::Event;
use tracing::field::{Field, Visit};
use wasm_flow_wasm::Stream;

pub(super) use crate::local::GUEST;

/// The fields of the events that [`Log`](crate::Log) makes.
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

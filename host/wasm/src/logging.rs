//! The host's side of the WIT interface `logging`.

use serde_json::{Map, Value, json};
use wasmtime::component::Access;

use super::bindings::{HasCtx, logging};
use super::store::{Ctx, running_task};
use crate::bounds::MAX_FIELDS;
use crate::output::{Level, Record};
use crate::text::cut_printable;

impl logging::Host for Ctx {
    fn enabled(&mut self, level: logging::Level) -> wasmtime::Result<bool> {
        Ok(self.output.enabled(level.into()))
    }
}

impl<T> logging::HostWithStore<T> for HasCtx {
    fn log(
        mut host: Access<'_, T, Self>,
        level: logging::Level,
        message: String,
        fields: String,
    ) -> wasmtime::Result<()> {
        let level = level.into();
        if !host.get().output.enabled(level) {
            return Ok(());
        }
        let task = running_task(&mut host);
        let ctx = host.get();
        let request = task.and_then(|task| ctx.tasks.get(&task));
        ctx.output.log(&Record {
            printer: &ctx.printer,
            request: request.map(|call| &*call.request),
            level,
            message: &cut_printable(&message),
            fields: &read_fields(&fields),
        });
        Ok(())
    }
}

/// The fields of a message. What is not a JSON object is kept as text, so that
/// nothing that a guest says is lost.
fn read_fields(text: &str) -> Map<String, Value> {
    let as_text = |text: &str| Map::from_iter([("fields".to_owned(), json!(cut_printable(text)))]);
    match text {
        "" => Map::new(),
        text if text.len() > MAX_FIELDS => as_text(text),
        text => serde_json::from_str(text).unwrap_or_else(|_| as_text(text)),
    }
}

impl From<logging::Level> for Level {
    fn from(level: logging::Level) -> Self {
        match level {
            logging::Level::Trace => Level::Trace,
            logging::Level::Debug => Level::Debug,
            logging::Level::Info => Level::Info,
            logging::Level::Warn => Level::Warn,
            logging::Level::Error => Level::Error,
        }
    }
}

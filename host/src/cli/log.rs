//! The log: what the program says of itself, and what executors print.
//!
//! Everything is an event of `tracing`. What executors print has the target
//! [`GUEST`], so that it can be filtered as the rest is. As text, such a line is
//! printed as the executor's own, by the [`Console`]; as JSON it is an event like
//! all others.

use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::format::{Writer, format};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::console::Console;
use super::guest_log::{GUEST, GuestLine};
use super::terminal::lines;

/// The variable that says what is logged, if `--log-level` does not.
const VARIABLE: &str = "WASM_FLOW_LOG";

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Args {
    /// How the log, on standard error, is written.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace; or by part, as in
    /// `info,wasm_flow_wasm=debug,guest=off`. Without it, WASM_FLOW_LOG says so;
    /// else a server logs from info on, any other command errors.
    #[arg(long, global = true, value_name = "LEVEL", value_parser = directives)]
    log_level: Option<String>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum LogFormat {
    /// A line an event, for people.
    #[default]
    Text,
    /// A JSON object an event, for programs.
    Json,
}

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
#[error(
    "the variable {VARIABLE} is `{value}`, which says no level: {reason}; write error, warn, info, \
     debug or trace, or by part, as in `info,wasm_flow_wasm=debug`"
)]
pub(super) struct LevelError {
    value: String,
    reason: String,
}

/// Checks a level on the command line.
fn directives(text: &str) -> Result<String, String> {
    match filter(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(reason) => Err(format!(
            "{reason}; write error, warn, info, debug or trace, or by part, as in \
             `info,wasm_flow_wasm=debug`"
        )),
    }
}

fn filter(text: &str) -> Result<EnvFilter, String> {
    // The parser takes a word that is not a level for the name of a part.
    let is_level = |text: &str| {
        let text = text.trim();
        !text.is_empty() && text.parse::<LevelFilter>().is_ok()
    };
    let wrong = text.split(',').find(|part| match part.split_once('=') {
        None => !is_level(part),
        Some((name, level)) => name.trim().is_empty() || !is_level(level),
    });
    if let Some(wrong) = wrong {
        return Err(format!("`{wrong}` is not a level"));
    }
    EnvFilter::builder()
        .parse(text)
        .map_err(|error| error.to_string())
}

/// Where events go once a flow runs. Before that, standard error is written
/// directly.
static CONSOLE: OnceLock<Console> = OnceLock::new();

/// Sends the log through a console from now on, which waits for no reader.
pub(super) fn attach(console: &Console) {
    // A process runs one flow.
    let _ = CONSOLE.set(console.clone());
}

impl Args {
    /// Starts the log. `serves`: the command is a server.
    ///
    /// # Errors
    /// When the variable says no level.
    pub(super) fn start(&self, serves: bool) -> Result<(), LevelError> {
        let variable = std::env::var(VARIABLE).ok();
        let variable = variable.filter(|value| !value.trim().is_empty());
        let filter = match (&self.log_level, variable) {
            (Some(level), _) => filter(level).map_err(|reason| LevelError {
                value: level.clone(),
                reason,
            })?,
            (None, Some(value)) => filter(&value).map_err(|reason| LevelError { value, reason })?,
            (None, None) if serves => EnvFilter::new("info"),
            (None, None) => EnvFilter::new("error,guest=info"),
        };
        let started = match self.log_format {
            LogFormat::Text => text(filter).try_init(),
            LogFormat::Json => json(filter).try_init(),
        };
        // A program that embeds the command line may have a log of its own.
        drop(started);
        Ok(())
    }
}

// No layer has a filter of its own: with one, the level that is asked for is no
// longer the first thing that an event or a span is compared with, and each that is
// not logged costs tens of nanoseconds instead of one.

fn text(filter: EnvFilter) -> impl Subscriber + Send + Sync {
    let own = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .event_format(OwnEvents(format().with_target(false)))
        .with_writer(Lines);
    tracing_subscriber::registry()
        .with(filter)
        .with(own)
        .with(GuestLines)
}

fn json(filter: EnvFilter) -> impl Subscriber + Send + Sync {
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(Lines);
    tracing_subscriber::registry().with(filter).with(json)
}

/// Formats what the program says of itself, and nothing that executors print.
struct OwnEvents<F>(F);

impl<S, N, F> FormatEvent<S, N> for OwnEvents<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match event.metadata().target() {
            GUEST => Ok(()),
            _ => self.0.format_event(context, writer, event),
        }
    }
}

/// Writes each event as a line of standard error, whatever it holds. An event that
/// was formatted to nothing is left out.
struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(Vec::new())
    }
}

/// One event. It leaves when this is dropped.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.0.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&self.0);
        // An event that has several lines is still seen to be one: an executor
        // that fails with such a message cannot write lines of the log.
        let text = text.trim_end().replace('\n', "\n    ");
        match CONSOLE.get() {
            Some(console) => console.note(&text),
            None => {
                // Nobody is left to tell if standard error cannot be written.
                let _ = writeln!(io::stderr().lock(), "{}", lines(&text));
            }
        }
    }
}

/// Prints what executors print.
struct GuestLines;

impl<S: Subscriber> Layer<S> for GuestLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != GUEST {
            return;
        }
        if let Some(console) = CONSOLE.get() {
            console.guest_line(&GuestLine::of(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_logged_is_left_out_by_its_level_alone() {
        for (level, expected) in [
            ("info", LevelFilter::INFO),
            ("warn,wasm_flow_wasm=debug", LevelFilter::DEBUG),
        ] {
            let hint = text(filter(level).unwrap()).max_level_hint();
            assert_eq!(hint, Some(expected), "{level}");
            let hint = json(filter(level).unwrap()).max_level_hint();
            assert_eq!(hint, Some(expected), "{level}");
        }
    }

    #[test]
    fn levels() {
        for text in [
            "info",
            "WARN",
            "off",
            "info,guest=off",
            "wasm_flow_wasm=debug",
        ] {
            assert!(directives(text).is_ok(), "{text}");
        }
        for text in ["loud", "", "info,=", "guest=loud"] {
            assert!(directives(text).is_err(), "{text}");
        }
    }
}

//! Messages for the host's log, with a level and fields.
//!
//! The host adds the executor, the replica and the request that is being handled.
//!
//! ```
//! use wasm_flow_sdk::log;
//! # let (documents, name) = (3, "a.jpg");
//!
//! log::info!("started");
//! log::info!(documents, "indexed");
//! log::warn!(file = name, attempts = 2 + 1, "no answer from {}", "example.com");
//! ```
//!
//! Fields come before the message: `name = value`, or a variable by its name alone.
//! A value is anything that serde can write. The message is formatted as by
//! [`format!`].
//!
//! The operator decides which levels are kept. A message of another level is not
//! made at all.
//!
//! In a unit test, messages go to standard error, and
//! [`testing::logged`](crate::testing::logged) gives those of the test's thread.

use serde::Serialize;
use serde_json::{Map, Value};

#[doc(inline)]
pub use crate::__warn as warn;
pub use crate::{__debug as debug, __error as error, __info as info, __trace as trace};

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Of use to who follows each step.
    Trace,
    /// Of use to who looks for a fault.
    Debug,
    /// What a person should know.
    Info,
    /// Something may be wrong.
    Warn,
    /// Something is wrong.
    Error,
}

/// Whether the host keeps messages of this level. The macros ask it.
pub fn enabled(level: Level) -> bool {
    platform::enabled(level)
}

/// Logs a message with these fields.
pub fn log(level: Level, message: &str, fields: &Map<String, Value>) {
    platform::log(level, message, fields);
}

/// A field's value. What serde cannot write is logged as the error that it gives.
#[doc(hidden)]
pub fn value(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_else(|error| Value::String(error.to_string()))
}

#[cfg(target_family = "wasm")]
mod platform {
    use serde_json::{Map, Value};

    use super::Level;
    use crate::bindings::wasm_flow::executor::logging;

    impl From<Level> for logging::Level {
        fn from(level: Level) -> Self {
            match level {
                Level::Trace => logging::Level::Trace,
                Level::Debug => logging::Level::Debug,
                Level::Info => logging::Level::Info,
                Level::Warn => logging::Level::Warn,
                Level::Error => logging::Level::Error,
            }
        }
    }

    pub(super) fn enabled(level: Level) -> bool {
        logging::enabled(level.into())
    }

    pub(super) fn log(level: Level, message: &str, fields: &Map<String, Value>) {
        let fields = match fields.is_empty() {
            true => String::new(),
            false => serde_json::to_string(fields).unwrap_or_default(),
        };
        logging::log(level.into(), message, &fields);
    }
}

#[cfg(not(target_family = "wasm"))]
mod platform {
    use serde_json::{Map, Value};

    use super::Level;
    use crate::testing::{self, Logged};

    pub(super) fn enabled(_: Level) -> bool {
        true
    }

    pub(super) fn log(level: Level, message: &str, fields: &Map<String, Value>) {
        testing::record(Logged {
            level,
            message: message.to_owned(),
            fields: fields.clone(),
        });
    }
}

/// Logs with a level: what the macros of the levels come to.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    // A field with a value.
    (@ $level:expr, [$($fields:tt)*] $name:ident = $value:expr, $($rest:tt)+) => {
        $crate::__log!(@ $level, [$($fields)* ($name, $value)] $($rest)+)
    };
    // A field that is a variable.
    (@ $level:expr, [$($fields:tt)*] $name:ident, $($rest:tt)+) => {
        $crate::__log!(@ $level, [$($fields)* ($name, $name)] $($rest)+)
    };
    // The message.
    (@ $level:expr, [$(($name:ident, $value:expr))*] $($message:tt)+) => {{
        let level = $level;
        if $crate::log::enabled(level) {
            #[allow(unused_mut, reason = "there may be no field")]
            let mut fields = $crate::Map::new();
            $(fields.insert(
                ::std::borrow::ToOwned::to_owned(::core::stringify!($name)),
                $crate::log::value(&$value),
            );)*
            $crate::log::log(level, &::std::format!($($message)+), &fields);
        }
    }};
    ($level:expr, $($rest:tt)+) => {
        $crate::__log!(@ $level, [] $($rest)+)
    };
}

/// Logs a message at the level [`Trace`](crate::log::Level::Trace).
#[macro_export]
#[doc(hidden)]
macro_rules! __trace {
    ($($arguments:tt)+) => { $crate::__log!($crate::log::Level::Trace, $($arguments)+) };
}

/// Logs a message at the level [`Debug`](crate::log::Level::Debug).
#[macro_export]
#[doc(hidden)]
macro_rules! __debug {
    ($($arguments:tt)+) => { $crate::__log!($crate::log::Level::Debug, $($arguments)+) };
}

/// Logs a message at the level [`Info`](crate::log::Level::Info).
#[macro_export]
#[doc(hidden)]
macro_rules! __info {
    ($($arguments:tt)+) => { $crate::__log!($crate::log::Level::Info, $($arguments)+) };
}

/// Logs a message at the level [`Warn`](crate::log::Level::Warn).
#[macro_export]
#[doc(hidden)]
macro_rules! __warn {
    ($($arguments:tt)+) => { $crate::__log!($crate::log::Level::Warn, $($arguments)+) };
}

/// Logs a message at the level [`Error`](crate::log::Level::Error).
#[macro_export]
#[doc(hidden)]
macro_rules! __error {
    ($($arguments:tt)+) => { $crate::__log!($crate::log::Level::Error, $($arguments)+) };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Level;
    use crate::{log, testing};

    #[test]
    fn fields_come_before_the_message() {
        let documents = 3;
        log::info!("started");
        log::info!(documents, "indexed");
        log::warn!(file = "a", attempts = 1 + 1, "no answer from {}", "b");
        let logged: Vec<_> = testing::logged()
            .into_iter()
            .map(|logged| (logged.level, logged.message, json!(logged.fields)))
            .collect();
        assert_eq!(
            logged,
            [
                (Level::Info, "started".to_owned(), json!({})),
                (Level::Info, "indexed".to_owned(), json!({ "documents": 3 })),
                (
                    Level::Warn,
                    "no answer from b".to_owned(),
                    json!({ "file": "a", "attempts": 2 })
                ),
            ]
        );
        assert!(testing::logged().is_empty(), "they are given once");
    }
}

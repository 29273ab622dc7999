//! The errors of executors.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

#[cfg(any(target_family = "wasm", test))]
use serde_json::{Map, Value};

use crate::future::Retry;
use crate::http::HttpError;

/// How many documents an error can name. The host is not told of more.
#[cfg(any(target_family = "wasm", test))]
const MOST_DOCUMENTS: usize = 16;

/// The longest id, in bytes, that the host is told.
#[cfg(any(target_family = "wasm", test))]
const LONGEST_ID: usize = 256;

/// An executor's `Result`, with [`Error`] unless another error type is given.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, with what the client sees of it.
///
/// `?` converts every [`std::error::Error`]. The client sees, in Jina's form, the
/// error's [`name`](Error::name) (its type, such as `ParseIntError`), its
/// [`message`](Error::message) and the messages of its sources. An [`HttpError`]
/// is named by its kind, such as `HttpTimeout`, and says by itself whether to
/// [`retry`](Error::retry): not if the request might then be made twice and this
/// could do harm.
///
/// Like `anyhow::Error`, this type does not implement [`std::error::Error`]
/// itself, so that `?` can convert all types that do.
pub struct Error(Box<Inner>);

struct Inner {
    name: String,
    message: String,
    trace: Vec<String>,
    source: Option<Box<dyn StdError + 'static>>,
    retry: bool,
    retry_after: Option<Duration>,
    documents: Vec<String>,
}

impl Error {
    /// An error with this message, named `Error`.
    ///
    /// [`bail!`](crate::bail) and [`ensure!`](crate::ensure) are shorter.
    pub fn msg(message: impl fmt::Display) -> Self {
        Error::named("Error", message)
    }

    /// An error with this message and a name of its own, for clients that
    /// distinguish errors by name: `Error::named("ValueError", "...")`.
    pub fn named(name: impl Into<String>, message: impl fmt::Display) -> Self {
        Error(Box::new(Inner {
            name: name.into(),
            message: message.to_string(),
            trace: Vec::new(),
            source: None,
            retry: false,
            retry_after: None,
            documents: Vec::new(),
        }))
    }

    /// Wraps an error, with its type's name, its message and its sources.
    pub fn new<E: StdError + 'static>(error: E) -> Self {
        let mut trace = Vec::new();
        let mut source = error.source();
        while let Some(error) = source {
            trace.push(error.to_string());
            source = error.source();
        }
        let http = (&error as &dyn Any).downcast_ref::<HttpError>();
        let name = match http {
            Some(http) => http.kind().name(),
            None => short_name(std::any::type_name::<E>()),
        };
        let passing = http.filter(|http| http.may_be_repeated());
        Error(Box::new(Inner {
            name: name.to_owned(),
            message: error.to_string(),
            trace,
            retry: passing.is_some(),
            retry_after: passing.and_then(HttpError::retry_after),
            source: Some(Box::new(error)),
            documents: Vec::new(),
        }))
    }

    /// Adds what was being done: the message becomes `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Tells the host that the call may succeed on another replica, or later. The
    /// flow may then repeat the call.
    #[must_use]
    pub fn retry(mut self) -> Self {
        self.0.retry = true;
        self
    }

    /// Tells the host that the call may succeed in this time.
    #[must_use]
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.0.retry_after = Some(time);
        self.retry()
    }

    /// Tells the host that the document with this id is at fault. It is told of at
    /// most 16, and not of ids that are longer than 256 bytes.
    #[must_use]
    pub fn at_document(mut self, id: impl Into<String>) -> Self {
        self.0.documents.push(id.into());
        self
    }

    /// Whether it helps to try again.
    pub(crate) fn advice(&self) -> Retry {
        match self.0.retry_after {
            Some(wait) => Retry::After(wait),
            None if self.0.retry => Retry::Later,
            None => Retry::Never,
        }
    }

    /// What the host is told beside the error's words: a JSON object, or empty.
    #[cfg(any(target_family = "wasm", test))]
    pub(crate) fn details(&self) -> String {
        let Inner {
            retry,
            retry_after,
            documents,
            ..
        } = &*self.0;
        let mut details = Map::new();
        if *retry {
            details.insert("retry".to_owned(), true.into());
        }
        if let Some(time) = retry_after {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            details.insert("retry-after".to_owned(), millis.into());
        }
        let documents: Vec<&str> = documents
            .iter()
            .map(String::as_str)
            .filter(|id| id.len() <= LONGEST_ID)
            .take(MOST_DOCUMENTS)
            .collect();
        if !documents.is_empty() {
            details.insert("documents".to_owned(), documents.into());
        }
        match details.is_empty() {
            true => String::new(),
            false => Value::Object(details).to_string(),
        }
    }

    /// The kind of error: the type's name without its path, an [`HttpError`]'s kind,
    /// or the name given to [`Error::named`].
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What went wrong, for people to read.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The messages of the error's causes, outermost first.
    pub fn trace(&self) -> &[String] {
        &self.0.trace
    }

    /// The wrapped error, if it is an `E`.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.source.as_deref()?.downcast_ref()
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> (String, String, Vec<String>) {
        let Inner {
            name,
            message,
            trace,
            ..
        } = *self.0;
        (name, message, trace)
    }
}

/// `ParseIntError` for `core::num::error::ParseIntError`. For a generic type, the
/// outer name: `Wrapped` for `a::Wrapped<b::Inner>`.
fn short_name(full: &str) -> &str {
    let outer = full.split('<').next().unwrap_or(full);
    outer.rsplit("::").next().unwrap_or(outer)
}

impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Error::new(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.name, self.0.message)?;
        for cause in &self.0.trace {
            write!(f, "\n    caused by: {cause}")?;
        }
        Ok(())
    }
}

/// `.context("what was being done")` on a `Result`, or on an `Option` that should
/// be `Some`.
pub trait ErrorContext<T> {
    /// Puts `context` in front of the error's message.
    ///
    /// # Errors
    /// If the value is an error or `None`.
    fn context(self, context: impl fmt::Display) -> Result<T>;

    /// The same, but computes the context only if it is needed.
    ///
    /// # Errors
    /// If the value is an error or `None`.
    fn with_context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T>;
}

impl<T, E: Into<Error>> ErrorContext<T> for std::result::Result<T, E> {
    fn context(self, context: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(context))
    }

    fn with_context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| error.into().context(context()))
    }
}

impl<T> ErrorContext<T> for Option<T> {
    fn context(self, context: impl fmt::Display) -> Result<T> {
        self.ok_or_else(|| Error::msg(context))
    }

    fn with_context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.ok_or_else(|| Error::msg(context()))
    }
}

/// Returns an [`Error`](crate::Error) with a formatted message:
/// `bail!("{n} is too many")`.
#[macro_export]
macro_rules! bail {
    ($($message:tt)+) => {
        return ::core::result::Result::Err($crate::Error::msg(::core::format_args!($($message)+)))
    };
}

/// Returns an [`Error`](crate::Error) unless the condition holds:
/// `ensure!(n < 10, "{n} is too many")`.
#[macro_export]
macro_rules! ensure {
    ($condition:expr $(,)?) => {
        if !$condition {
            $crate::bail!("{} does not hold", ::core::stringify!($condition));
        }
    };
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            $crate::bail!($($message)+);
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no number")
        }
    }

    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn the_type_names_the_error() {
        let error = Error::from("x".parse::<u32>().unwrap_err());
        assert_eq!(error.name(), "ParseIntError");
        assert_eq!(error.message(), "invalid digit found in string");
        assert!(error.trace().is_empty());
        assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
        assert_eq!(short_name("a::Wrapped<b::Inner>"), "Wrapped");
    }

    #[test]
    fn sources_are_the_trace_and_context_goes_in_front() {
        let result: Result<(), _> = Err(Outer("x".parse::<u32>().unwrap_err()));
        let error = result.context("reading top_k").unwrap_err();
        assert_eq!(error.name(), "Outer");
        assert_eq!(error.message(), "reading top_k: no number");
        assert_eq!(error.trace(), ["invalid digit found in string"]);
        assert_eq!(
            format!("{error:?}"),
            "Outer: reading top_k: no number\n    caused by: invalid digit found in string"
        );
    }

    #[test]
    fn the_host_is_told_what_to_do_about_it() {
        assert_eq!(Error::msg("a").details(), "");
        let error = Error::msg("a").retry_after(Duration::from_millis(1500));
        assert_eq!(error.details(), r#"{"retry":true,"retry-after":1500}"#);
        let error = Error::msg("a").at_document("x").at_document("y");
        assert_eq!(error.details(), r#"{"documents":["x","y"]}"#);
    }

    #[test]
    fn the_host_is_told_of_few_documents() {
        let error = Error::msg("a").at_document("x".repeat(257));
        assert_eq!(error.details(), "");
        let error = (0..20).fold(error, |error, id| error.at_document(id.to_string()));
        let details: Value = serde_json::from_str(&error.details()).unwrap();
        let ids = details["documents"].as_array().unwrap();
        assert_eq!(ids.len(), 16);
        assert_eq!(ids[15], "15");
    }

    #[test]
    fn macros_return() {
        fn check(n: u32) -> Result<u32> {
            ensure!(n < 10, "{n} is too many");
            ensure!(n != 5);
            Ok(n)
        }
        assert_eq!(check(3).unwrap(), 3);
        assert_eq!(check(11).unwrap_err().message(), "11 is too many");
        assert_eq!(check(5).unwrap_err().message(), "n != 5 does not hold");
        let none: Option<u32> = None;
        assert_eq!(none.context("no value").unwrap_err().message(), "no value");
    }
}

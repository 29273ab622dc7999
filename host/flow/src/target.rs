//! `target_executor`: which executors a request is for.

use regex::{Regex, RegexBuilder};

use crate::bounds::{MAX_COMPILED_PATTERN, MAX_PATTERN};

/// A pattern that is matched at the start of executors' names, as Python's
/// `re.match` does: `enc` is for `encode` and `encode2`.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A name, or the beginning of one.
    Prefix(String),
    /// A regular expression.
    Pattern(Box<Regex>),
}

/// A `target_executor` that is not a regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("target_executor is not a regular expression this gateway knows: {0}")]
pub(crate) struct TargetError(String);

impl Target {
    /// Reads a pattern. Rust's dialect of regular expressions is Python's
    /// without look-around and back-references.
    ///
    /// # Errors
    /// When it is not one.
    pub(crate) fn parse(pattern: &str) -> Result<Target, TargetError> {
        // A regular expression is parsed whole before its size is looked at, at
        // about 100 times its own.
        if pattern.len() > MAX_PATTERN {
            return Err(TargetError(format!(
                "it is {} bytes long, and the limit is {MAX_PATTERN}",
                pattern.len()
            )));
        }
        // Nearly always a name is given; compiling costs more than the rest of
        // a request.
        if pattern
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/'))
        {
            return Ok(Target::Prefix(pattern.to_owned()));
        }
        RegexBuilder::new(pattern)
            // The client writes it: what it compiles to is bounded.
            .size_limit(MAX_COMPILED_PATTERN)
            .build()
            .map(|regex| Target::Pattern(Box::new(regex)))
            .map_err(|error| TargetError(error.to_string()))
    }

    /// Whether the executor of this name is meant.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Target::Prefix(prefix) => name.starts_with(prefix.as_str()),
            // If there is a match at the start, it is the leftmost one.
            Target::Pattern(regex) => regex.find(name).is_some_and(|found| found.start() == 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_matches() {
        for (pattern, name, expected) in [
            ("enc", "encode", true),
            ("code", "encode", false),
            ("encode", "enc", false),
            ("enc.*", "encode", true),
            ("(a|enc)", "encode", true),
            (".*code", "encode", true),
            ("^enc$", "encode", false),
            ("a|code", "encode", false),
            ("(?i)ENC", "encode", true),
            ("x*", "encode", true),
        ] {
            assert_eq!(
                Target::parse(pattern).unwrap().matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn refused() {
        for pattern in ["(", "[", "(?=x)", r"(a)\1", "((((a{100}){100}){100}){100})"] {
            assert!(Target::parse(pattern).is_err(), "{pattern}");
        }
        let error = Target::parse(&".".repeat(5000)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "target_executor is not a regular expression this gateway knows: it is 5000 bytes \
             long, and the limit is 4096"
        );
    }
}

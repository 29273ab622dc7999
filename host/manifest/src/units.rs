//! Sizes and durations, as JSON Schema.
//!
//! The patterns allow more than `wasm_flow_contract::units` does (`1.2.3MiB`), and
//! never less: an editor must not mark a file that is right.

/// A size.
pub(crate) const SIZE_PATTERN: &str = r"^\s*[0-9._]*[0-9][0-9._]*\s*([KkMmGg][Ii]?)?[Bb]\s*$";

/// A duration.
pub(crate) const DURATION_PATTERN: &str = r"^\s*[0-9._]*[0-9][0-9._]*\s*(ms|s|m|h)\s*$";

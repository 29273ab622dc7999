//! Numbers and words as all forms show them.

use std::fmt;
use std::time::Duration;

use wasm_flow_contract::graph::{Join, Node};
use wasm_flow_contract::text::printable;

use crate::card::{Badge, Card};

/// A time for people: three digits, and a unit that suits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let (number, unit) = match seconds {
            // What would be rounded up to 1,000 of a unit is one of the next.
            seconds if seconds < 0.000_999_5 => (seconds * 1e6, "µs"),
            seconds if seconds < 0.999_5 => (seconds * 1e3, "ms"),
            seconds => (seconds, "s"),
        };
        let digits = match number {
            number if number < 9.995 => 2,
            number if number < 99.95 => 1,
            _ => 0,
        };
        // No clock is as fine as a part of a microsecond.
        let digits = if unit == "µs" { 0 } else { digits };
        write!(f, "{number:.digits$} {unit}")
    }
}

/// A part of a whole, of which 1 is all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(pub f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", self.0 * 100.0)
    }
}

/// Which of five colours stands for a share, from the least to the most.
pub(crate) fn heat(share: f64) -> usize {
    [0.02, 0.1, 0.25, 0.5]
        .iter()
        .filter(|&&from| share >= from)
        .count()
}

/// A number of things: `1 request`, `2 requests`.
pub(crate) fn count(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// The condition of a node, as a formula.
pub(crate) fn condition(node: &Node<Card>) -> Option<String> {
    let when = node.options.when.as_ref()?;
    Some(printable(&when.to_string()))
}

/// What a node's place in the graph says beyond its needs, and its options: everything
/// that is drawn as a badge.
pub(crate) fn badges(node: &Node<Card>) -> impl Iterator<Item = (&str, &str)> {
    let of_graph = [
        (node.options.floating).then_some((
            "floating",
            "nobody waits for it, and its documents go nowhere",
        )),
        (joins(node) && node.options.join == Join::Concat).then_some((
            "no_reduce",
            "it gets all documents, one need's after the other's, and puts them together itself",
        )),
    ];
    let options = node.value.badges.iter();
    let options = options.map(|Badge { text, title, .. }| (text.as_str(), title.as_str()));
    of_graph.into_iter().flatten().chain(options)
}

/// Whether documents come together at a node.
pub(crate) fn joins(node: &Node<Card>) -> bool {
    node.needs.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        for (nanos, shown) in [
            (0, "0 µs"),
            (1_499, "1 µs"),
            (850_000, "850 µs"),
            (999_600, "1.00 ms"),
            (12_340_000, "12.3 ms"),
            (99_960_000, "100 ms"),
            (999_600_000, "1.00 s"),
            (75_000_000_000, "75.0 s"),
            (750_000_000_000, "750 s"),
        ] {
            assert_eq!(Time(Duration::from_nanos(nanos)).to_string(), shown);
        }
        assert_eq!(Percent(0.123_45).to_string(), "12.3 %");
    }
}

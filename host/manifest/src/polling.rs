//! `polling`: which shards a request goes to.

use std::collections::HashMap;
use std::ops::Range;

use wasm_flow_contract::request::DEFAULT_ENDPOINT;
use wasm_flow_contract::sharding::{Poll, Polling, REST};

use crate::entry::Entry;
use crate::kinds::OneOrByKey;
use crate::problems::Problems;
use crate::report::Problem;

/// Which shards a request goes to, and where each endpoint is in the file.
pub(crate) fn read(
    problems: &mut Problems,
    entry: Option<Entry<OneOrByKey<Poll>>>,
) -> (Polling, HashMap<String, Range<usize>>) {
    let table = match entry.map(|entry| entry.value) {
        None => return (Polling::default(), HashMap::new()),
        Some(OneOrByKey::One(poll)) => return (poll.into(), HashMap::new()),
        Some(OneOrByKey::ByKey(table)) => table,
    };
    let mut polling = Polling::default();
    let mut spans = HashMap::new();
    for (endpoint, poll) in table {
        let (span, poll) = (poll.span(), poll.into_inner());
        match endpoint.as_str() {
            REST => polling.rest = Some(poll),
            DEFAULT_ENDPOINT => {
                let title = format!("`polling` has no endpoint `{DEFAULT_ENDPOINT}`");
                let help = format!("`{REST}` stands for every endpoint that is not named");
                problems.report(Problem::new(span.clone(), title).help(help));
            }
            _ => {
                polling.named.insert(endpoint.clone(), poll);
            }
        }
        spans.insert(endpoint, span);
    }
    (polling, spans)
}

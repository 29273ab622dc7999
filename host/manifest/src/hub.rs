//! The `[hub]` table: which registries executors may come from, and whose signatures are
//! wanted.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use wasm_flow_contract::hub::{HubConfig, Signers, Trust};

use crate::entry::{Entry, value_or};
use crate::kinds::Items;
use crate::problems::Problems;
use crate::report::Problem;
use crate::tables::{HubTable, TrustTable};

/// Where the keys' files stand in `[[hub.trust]]`, one list for each table.
pub(crate) type KeySpans = Vec<Vec<Range<usize>>>;

/// What the table says, and where the files of keys are. Paths are relative to `folder`.
pub(crate) fn config(
    problems: &mut Problems,
    table: Option<Entry<HubTable>>,
    folder: &Path,
) -> (HubConfig, KeySpans) {
    let Some(table) = table else {
        return (HubConfig::default(), Vec::new());
    };
    let HubTable {
        registries,
        plain_http,
        trust,
    } = table.value;
    let mut config = HubConfig {
        registries: items(registries),
        plain_http: items(plain_http),
        trust: Vec::new(),
    };
    let mut spans = Vec::new();
    for table in trust.into_iter().flat_map(|tables| tables.value) {
        let span = table.span();
        let Some((rule, keys)) = read_trust(problems, table, folder) else {
            continue;
        };
        if config.trust.iter().any(|other| other.of == rule.of) {
            let title = "two [[hub.trust]] tables have the same `of`";
            let problem = Problem::new(span, title).help("write their keys into one");
            problems.report(problem);
            continue;
        }
        config.trust.push(rule);
        spans.push(keys);
    }
    (config, spans)
}

/// `None` if a part of it was refused.
fn read_trust(
    problems: &mut Problems,
    table: Spanned<TrustTable>,
    folder: &Path,
) -> Option<(Trust, Vec<Range<usize>>)> {
    let span = table.span();
    let TrustTable { of, keys, unsigned } = table.into_inner();
    let (signers, spans) = match (keys.map(|keys| keys.value), value_or(unsigned, false)) {
        (Some(keys), false) => {
            // What is wrong with them has been reported.
            let keys = keys.complete.then_some(keys.items)?;
            let spans = keys.iter().map(Spanned::span).collect();
            let paths = keys.into_iter().map(|key| folder.join(key.into_inner()));
            (Signers::Keys(paths.collect()), spans)
        }
        (None, true) => (Signers::Nobody, Vec::new()),
        (None, false) => {
            let problem =
                Problem::new(span, "[[hub.trust]] does not say whose signature is wanted");
            problems.report(problem.help(
                "`keys = [\"team.pub\"]` names the public keys, and `unsigned = true` says that none is needed",
            ));
            return None;
        }
        (Some(_), true) => {
            let title = "[[hub.trust]] names keys, and says that no signature is needed";
            let problem = Problem::new(span, title).help("leave out `keys` or `unsigned`");
            problems.report(problem);
            return None;
        }
    };
    let rule = Trust {
        of: of?.value,
        signers,
    };
    Some((rule, spans))
}

fn items<T>(entry: Option<Entry<Items<T>>>) -> Vec<T> {
    let items = entry.map_or_else(Vec::new, |entry| entry.value.items);
    items.into_iter().map(Spanned::into_inner).collect()
}

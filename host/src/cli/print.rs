//! Documents and executors for people and for programs.

use std::time::Duration;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value, json};
use wasm_flow_contract::parameters::RESULTS;
use wasm_flow_contract::sharding::Poll;
use wasm_flow_contract::{Graph, StageInfo};
use wasm_flow_document::{Content, Document, DocumentArray};
use wasm_flow_wasm::printable;

use super::Format;
use super::terminal::Page;

/// How documents are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Print {
    /// Texts, as a tree if documents have chunks or matches; JSON lines with
    /// `--format json`.
    #[default]
    Auto,
    /// Each document's text, a line each.
    Text,
    /// Each document with its chunks and matches below it.
    Tree,
    /// What each document has, in columns.
    Table,
    /// Each document as a JSON object, a line each.
    Jsonl,
}

/// A table in the program's style.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().copied());
    table
}

impl Print {
    /// Prints documents.
    pub(super) fn documents(self, docs: &DocumentArray, format: Format, page: &mut Page) {
        let nested = docs.depth() > 1;
        match (self, format) {
            (Print::Auto, Format::Json) | (Print::Jsonl, _) => {
                docs.iter().for_each(|doc| page.json(&doc.to_json()));
            }
            (Print::Auto, _) if nested => tree(docs, 0, page),
            (Print::Tree, _) => tree(docs, 0, page),
            (Print::Auto | Print::Text, _) => {
                docs.iter().for_each(|doc| page.line(&one_line(doc)));
            }
            (Print::Table, _) => page.line(&documents_table(docs)),
        }
    }
}

/// A document in one line: its text, or what it holds instead.
fn one_line(doc: &Document) -> String {
    match &doc.content {
        Content::Text(text) => printable(&text.replace('\n', " ")),
        Content::Blob(blob) => format!("({} bytes)", blob.len()),
        Content::Tensor(tensor) => match tensor.dense() {
            Some(dense) => format!("(tensor {} {:?})", dense.dtype(), dense.shape()),
            None => "(sparse tensor)".to_owned(),
        },
        Content::None => match doc.uri.is_empty() {
            true => format!("(document {})", printable(&doc.id)),
            false => printable(&doc.uri),
        },
    }
}

fn tree(docs: &DocumentArray, depth: usize, page: &mut Page) {
    for doc in docs.iter() {
        branch(doc, depth, "", page);
    }
}

fn branch(doc: &Document, depth: usize, mark: &str, page: &mut Page) {
    let indent = "  ".repeat(depth);
    let scores: String = match mark {
        "≈ " => doc
            .scores
            .iter()
            .map(|(name, score)| format!("  ({} {:.3})", printable(name), score.value))
            .collect(),
        _ => String::new(),
    };
    page.line(&format!("{indent}{mark}{}{scores}", one_line(doc)));
    for chunk in doc.chunks.iter() {
        branch(chunk, depth + 1, "· ", page);
    }
    for found in doc.matches.iter() {
        branch(found, depth + 1, "≈ ", page);
    }
}

fn documents_table(docs: &DocumentArray) -> String {
    let mut table = table(&["id", "content", "chunks", "matches", "embedding", "tags"]);
    for doc in docs.iter() {
        let embedding =
            doc.embedding
                .as_ref()
                .map_or_else(String::new, |array| match array.dense() {
                    Some(dense) => format!("{} {:?}", dense.dtype(), dense.shape()),
                    None => "sparse".to_owned(),
                });
        let tags = doc
            .tags
            .as_ref()
            .map_or_else(String::new, |tags| tags.to_json());
        let count = |docs: &DocumentArray| match docs.len() {
            0 => String::new(),
            len => len.to_string(),
        };
        let short = |text: String, most: usize| match text.chars().count() > most {
            true => text.chars().take(most).chain(['…']).collect(),
            false => text,
        };
        table.add_row([
            short(printable(&doc.id), 8),
            short(one_line(doc), 60),
            count(&doc.chunks),
            count(&doc.matches),
            embedding,
            short(printable(&tags), 40),
        ]);
    }
    table.to_string()
}

/// Prints why a request failed, with where that came from.
pub(super) fn failure(description: &str, stacks: &[String], page: &mut Page) {
    page.error(description);
    for line in stacks.iter().flat_map(|stack| stack.lines()) {
        page.note(&format!("  {line}"));
    }
}

/// Prints that a request that failed may succeed if it is sent again.
pub(super) fn may_succeed(after: Option<Duration>, page: &mut Page) {
    let when = after.map_or_else(String::new, |after| format!(", in {after:?} or later"));
    page.note(&format!(
        "note: the request may succeed if it is sent again{when}"
    ));
}

/// Prints what executors returned beside documents.
pub(super) fn results(results: &Map<String, Value>, page: &mut Page) {
    if !results.is_empty() {
        page.json(&json!({ RESULTS: results }));
    }
}

/// What a flow serves.
pub(super) struct Executors(Vec<Row>);

struct Row {
    name: String,
    class: String,
    endpoints: Vec<(String, String)>,
    needs: Vec<String>,
    replicas: u32,
    remote: bool,
    shards: u32,
    /// Where requests to each endpoint go, if there are several shards.
    polls: Vec<(String, Poll)>,
    /// What is before and after the shards, by the key of its table.
    heads: Vec<(&'static str, StageInfo)>,
}

impl Executors {
    /// The executors of a flow, in the order of its file. `info` tells what
    /// stands at a node.
    pub(super) fn new<N>(graph: &Graph<N>, info: impl Fn(&N) -> StageInfo) -> Self {
        let rows = graph.iter().map(|(_, node)| {
            let StageInfo {
                class,
                endpoints,
                replicas,
                remote,
                shards,
                polling,
                uses_before,
                uses_after,
            } = info(&node.value);
            let heads = [("uses_before", uses_before), ("uses_after", uses_after)];
            let heads = heads.map(|(key, head)| head.map(|head| (key, *head)));
            let needs = node.needs.iter();
            let polled = endpoints.iter().filter(|_| shards > 1);
            let polls = polled.map(|(endpoint, _)| (endpoint.clone(), polling.of(endpoint)));
            Row {
                name: node.name.to_string(),
                class,
                polls: polls.collect(),
                endpoints,
                needs: needs
                    .map(|edge| graph.upstream_name(edge.from).to_owned())
                    .collect(),
                replicas,
                remote,
                shards,
                heads: heads.into_iter().flatten().collect(),
            }
        });
        Executors(rows.collect())
    }

    pub(super) fn table(&self) -> String {
        let mut table = table(&["executor", "type", "endpoints", "needs", "replicas"]);
        for row in &self.0 {
            let replicas = match row.shards {
                0 | 1 => row.replicas.to_string(),
                shards => format!("{} in each of {shards} shards", row.replicas),
            };
            table.add_row([
                row.name.as_str(),
                &row.class,
                &listed(&row.endpoints, &row.polls, row.remote),
                &row.needs.join(", "),
                &replicas,
            ]);
            for (key, head) in &row.heads {
                table.add_row([
                    &format!("{}/{key}", row.name),
                    &head.class,
                    &listed(&head.endpoints, &[], head.remote),
                    "",
                    &head.replicas.to_string(),
                ]);
            }
        }
        table.to_string()
    }

    pub(super) fn json(&self) -> Value {
        let rows = self.0.iter().map(|row| {
            let mut json = json!({
                "name": row.name,
                "type": row.class,
                "endpoints": by_endpoint(&row.endpoints),
                "needs": row.needs,
                "replicas": row.replicas,
                "shards": row.shards.max(1),
                "remote": row.remote,
            });
            let heads = row.heads.iter().map(|(key, head)| {
                let head = json!({
                    "type": head.class,
                    "endpoints": by_endpoint(&head.endpoints),
                    "replicas": head.replicas,
                    "remote": head.remote,
                });
                ((*key).to_owned(), head)
            });
            let polls = row.polls.iter();
            let polls: Map<_, _> = polls
                .map(|(endpoint, poll)| (endpoint.clone(), poll.as_str().into()))
                .collect();
            if let Value::Object(row) = &mut json {
                row.extend(heads);
                if !polls.is_empty() {
                    row.insert("polling".to_owned(), polls.into());
                }
            }
            json
        });
        rows.collect()
    }
}

fn listed(endpoints: &[(String, String)], polls: &[(String, Poll)], remote: bool) -> String {
    let lines = endpoints.iter().map(|(endpoint, method)| {
        let bound = match method.is_empty() {
            true => endpoint.clone(),
            false => format!("{endpoint} → {method}"),
        };
        match polls.iter().find(|(polled, _)| polled == endpoint) {
            Some((_, poll)) => format!("{bound} ({})", poll.as_str()),
            None => bound,
        }
    });
    match endpoints.is_empty() {
        true if remote => "(not known: requests are sent)".to_owned(),
        true => "(none: requests pass)".to_owned(),
        false => lines.collect::<Vec<_>>().join("\n"),
    }
}

fn by_endpoint(endpoints: &[(String, String)]) -> Map<String, Value> {
    let methods = endpoints.iter();
    methods
        .map(|(endpoint, method)| (endpoint.clone(), Value::from(method.as_str())))
        .collect()
}

#[cfg(test)]
mod tests {
    use wasm_flow_contract::outline::{self, NodeSpec};

    use super::*;

    #[test]
    fn programs_are_told_what_runs_elsewhere() {
        let far = StageInfo {
            remote: true,
            ..StageInfo::default()
        };
        let near = StageInfo {
            uses_after: Some(Box::new(far.clone())),
            ..StageInfo::default()
        };
        let spec = |name: &str| NodeSpec {
            name: Some(name.to_owned()),
            ..NodeSpec::default()
        };
        let graph = outline::graph([(spec("far"), far), (spec("near"), near)]).unwrap();
        let json = Executors::new(&graph, StageInfo::clone).json();
        let is_remote = |pointer: &str| json.pointer(pointer).and_then(Value::as_bool);
        assert_eq!(is_remote("/0/remote"), Some(true));
        assert_eq!(is_remote("/1/remote"), Some(false));
        assert_eq!(is_remote("/1/uses_after/remote"), Some(true));
    }
}

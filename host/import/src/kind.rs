//! What a file is, before it is read as a Flow: so that another one is refused for
//! what it is.

use wasm_flow_manifest::Problem;

use crate::yaml::{Content, Node};

/// What holds a Flow's executors: in Jina 3, in its first releases, and in Jina 2.
pub(crate) const EXECUTORS: [&str; 3] = ["executors", "deployments", "pods"];

/// Whether a text is a flow.toml already.
pub(crate) fn is_flow_toml(text: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| line.trim_end() == "[[executors]]")
}

/// Refuses what is not a Flow.
///
/// # Errors
/// With what the file is instead.
pub(crate) fn check(root: &Node) -> Result<(), Problem> {
    let refused = |node: &Node, title: String| Problem::new(node.span.clone(), title);
    if !matches!(root.content, Content::Map(_)) {
        return Err(refused(root, "this is not a Flow of Jina".to_owned())
            .label(format!("found {}", root.kind()))
            .help("a Flow is a table with `jtype: Flow` and `executors`"));
    }
    let key = |name: &str| {
        let mut entries = root.entries().iter();
        entries.find(|(key, _)| key.text() == Some(name))
    };
    let list = EXECUTORS.iter().find_map(|name| key(name));
    let jtype = root.get("jtype");
    let kind = jtype.and_then(Node::text).or(root.tag.as_deref());
    match (kind, list) {
        (Some("Flow" | "AsyncFlow"), _) | (None, Some(_)) => Ok(()),
        (Some(kind), Some((key, _))) => {
            let names = key.text().unwrap_or_default();
            let place = jtype.unwrap_or(root);
            Err(refused(
                place,
                format!("`jtype` is `{kind}`, and a Flow's is `Flow`"),
            )
            .context(key.span.clone(), format!("a Flow has `{names}`"))
            .help("if it is a Flow, write `jtype: Flow`"))
        }
        (Some("Deployment"), None) => {
            let place = jtype.unwrap_or(root);
            Err(refused(place, "this is a Deployment of Jina: one executor, served alone".to_owned())
                .help(
                    "an executor in Python is served as before, and a flow.toml names it as \
                     `uses = \"grpc://HOST:PORT\"`; `wasm-flow serve` serves a WebAssembly one alone",
                ))
        }
        (Some("Gateway"), None) => {
            let place = jtype.unwrap_or(root);
            Err(refused(
                place,
                "this is a gateway's configuration, not a Flow".to_owned(),
            )
            .help("name the file of the Flow; a gateway of one's own has no counterpart"))
        }
        (Some(kind), None) => {
            let place = jtype.unwrap_or(root);
            let title = format!("this is the configuration of the executor `{kind}`, not a Flow");
            Err(refused(place, title).help(
                "name the file of the Flow, which has it as the `uses` of one of its `executors`",
            ))
        }
        (None, None) => {
            let has = |names: &[&str]| names.iter().all(|name| key(name).is_some());
            let (what, help) = if has(&["apiVersion", "kind"]) {
                (
                    "this is a Kubernetes manifest, not a Flow of Jina",
                    "name the Flow that it was made from",
                )
            } else if has(&["services"]) {
                (
                    "this is a file of docker compose, not a Flow of Jina",
                    "name the Flow that it was made from",
                )
            } else if has(&["metas"]) || has(&["py_modules"]) || has(&["requests"]) {
                (
                    "this is the configuration of an executor, not a Flow",
                    "name the file of the Flow, which has it as the `uses` of one of its `executors`",
                )
            } else {
                (
                    "this is not a Flow of Jina: it has no `executors`",
                    "a Flow is a table with `jtype: Flow` and `executors`",
                )
            };
            let first = root.entries().first().map_or(root, |(key, _)| key);
            Err(refused(first, what.to_owned()).help(help))
        }
    }
}

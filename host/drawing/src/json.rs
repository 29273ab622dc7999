//! A drawing for programs.

use serde_json::{Map, Value, json};
use wasm_flow_contract::graph::{GATEWAY, Join, Upstream};

use crate::Drawing;
use crate::times::{ExecutorTimes, Times};

/// Times are in seconds, and shares are parts of 1.
pub(crate) fn draw(drawing: &Drawing) -> Value {
    let graph = &drawing.graph;
    let nodes = graph.iter().map(|(id, node)| {
        let options = node.value.badges.iter();
        let options = options.map(|badge| (badge.key.to_owned(), badge.value.clone()));
        let mut value = json!({
            "name": &*node.name,
            "uses": node.value.source.as_str(),
            "remote": node.value.source.is_elsewhere(),
            "needs": drawing.needs(node).collect::<Vec<_>>(),
            "when": node.options.when.as_ref().map(|when| when.source()),
            "no_reduce": node.options.join == Join::Concat,
            "floating": node.options.floating,
            "options": options.collect::<Map<_, _>>(),
        });
        if let (Some(times), Some(value)) = (&drawing.times, value.as_object_mut()) {
            value.insert("times".to_owned(), executor(&times.executors[id]));
        }
        value
    });
    let into = graph.iter().flat_map(|(_, node)| {
        let needs = drawing.needs(node);
        needs.map(
            |need| json!({ "from": need, "to": &*node.name, "floating": node.options.floating }),
        )
    });
    let answer = drawing.answer().into_iter().map(|from: Upstream| {
        json!({ "from": graph.upstream_name(from), "to": GATEWAY, "floating": false })
    });
    let mut value = json!({
        "flow": drawing.name,
        "nodes": nodes.collect::<Vec<_>>(),
        "edges": into.chain(answer).collect::<Vec<_>>(),
    });
    if let (Some(times), Some(value)) = (&drawing.times, value.as_object_mut()) {
        let Times {
            requests,
            mean,
            p95,
            own,
            executors: _,
        } = times;
        value.insert(
            "times".to_owned(),
            json!({
                "requests": requests,
                "mean": mean.as_secs_f64(),
                "p95": p95.as_secs_f64(),
                "own_share": own,
            }),
        );
    }
    value
}

fn executor(times: &ExecutorTimes) -> Value {
    let ExecutorTimes {
        calls,
        mean,
        p95,
        share,
    } = times;
    json!({
        "calls": calls,
        "mean": mean.as_secs_f64(),
        "p95": p95.as_secs_f64(),
        "share": share,
    })
}

//! The drawing as a flowchart in Mermaid, for documents that show one.

use wasm_flow_contract::graph::{GATEWAY, Node, Upstream};
use wasm_flow_contract::text::printable;

use crate::Drawing;
use crate::card::Card;
use crate::measure::{Cut, columns, fitted_columns};
use crate::shown::{Percent, Time, badges, condition, count};
use crate::times::ExecutorTimes;

/// The most columns of a line in a box: Mermaid breaks longer ones wherever it likes.
const LINE: usize = 48;

/// Colours that can be read on a light and on a dark page, because Mermaid's own do not
/// follow what a class sets. The five are for shares, from the least to the most.
const CLASSES: &str = "
    classDef gateway fill:#e8eaf2,stroke:#7a8399,color:#1c2130
    classDef here fill:#ffffff,stroke:#8b93a7,color:#1c2130
    classDef elsewhere fill:#e6f6f8,stroke:#0b7285,color:#1c2130
    classDef floating stroke-dasharray:5 4
";
const HEAT: [&str; 5] = ["#ffffff", "#fff6e6", "#ffe9c7", "#ffd79c", "#ffc894"];

pub(crate) fn draw(drawing: &Drawing) -> String {
    let graph = &drawing.graph;
    let mut text = format!(
        "---\ntitle: \"{}\"\n---\nflowchart LR\n",
        quoted(&drawing.name)
    );
    text += &format!("    in([\"{GATEWAY}\"]):::gateway\n");
    for (id, node) in graph.iter() {
        let times = drawing.times.as_ref().map(|times| &times.executors[id]);
        let label = label(node, times);
        // Its form says whether it runs here.
        let (open, close, class) = match node.value.source.is_elsewhere() {
            true => ("{{", "}}", "elsewhere"),
            false => ("[", "]", "here"),
        };
        text += &format!("    n{}{open}\"{label}\"{close}:::{class}\n", id.index());
    }
    text += &format!("    out([\"{GATEWAY}\"]):::gateway\n");
    let name = |from: Upstream| match from {
        Upstream::Gateway => "in".to_owned(),
        Upstream::Node(id) => format!("n{}", id.index()),
    };
    for (id, node) in graph.iter() {
        let arrow = match node.options.floating {
            true => "-.->",
            false => "-->",
        };
        for edge in &node.needs {
            text += &format!("    {} {arrow} n{}\n", name(edge.from), id.index());
        }
    }
    for from in drawing.answer() {
        text += &format!("    {} --> out\n", name(from));
    }
    text += CLASSES.trim_start_matches('\n');
    let floating = graph.iter().filter(|(_, node)| node.options.floating);
    for (id, _) in floating {
        text += &format!("    class n{} floating\n", id.index());
    }
    if let Some(times) = &drawing.times {
        for (id, _) in graph.iter() {
            let heat = HEAT.get(crate::shown::heat(times.executors[id].share));
            if let Some(colour) = heat {
                text += &format!("    style n{} fill:{colour}\n", id.index());
            }
        }
    }
    text
}

fn label(node: &Node<Card>, times: Option<&ExecutorTimes>) -> String {
    let mut lines = Vec::new();
    if let Some(when) = condition(node) {
        lines.push(line(&format!("when {when}"), Cut::End));
    }
    lines.push(format!("<b>{}</b>", line(&node.name, Cut::End)));
    lines.push(line(node.value.source.as_str(), Cut::Beginning));
    // In rows, so that none is cut off for the others.
    let mut rows: Vec<String> = Vec::new();
    for (badge, _) in badges(node) {
        match rows.last_mut() {
            Some(row) if columns(row) + 3 + columns(badge) <= LINE => {
                *row += &format!(" · {badge}");
            }
            _ => rows.push(badge.to_owned()),
        }
    }
    lines.extend(rows.iter().map(|row| line(row, Cut::End)));
    if let Some(ExecutorTimes {
        calls,
        mean,
        p95,
        share,
    }) = times
        && *calls > 0
    {
        let calls = count(*calls, "call");
        for text in [
            format!("{} · {calls}", Percent(*share)),
            format!("mean {} · p95 {}", Time(*mean), Time(*p95)),
        ] {
            lines.push(line(&text, Cut::End));
        }
    }
    lines.join("<br/>")
}

fn line(text: &str, cut: Cut) -> String {
    escaped(&fitted_columns(&printable(text), LINE, cut))
}

/// Text within the quotes of a string in YAML. Mermaid looks for its own directives here,
/// too.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            c if c.is_ascii() && !c.is_ascii_alphanumeric() && !" -_.".contains(c) => {
                quoted += &format!("\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted
}

/// Text within the quotes of a label. Mermaid reads it four times: for its own grammar,
/// in which a quote ends the label, a `#` begins a character and a `:` may begin the
/// values of a style; as Markdown; for names of icons; and as HTML. So whatever means
/// something to any of them is written as its number.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let in_word = before.is_alphanumeric() && rest.peek().is_some_and(|c| c.is_alphanumeric());
        let is_plain = match c {
            // In Markdown, it is emphasis only at a word's side.
            '_' => in_word,
            c if c.is_ascii() => c.is_ascii_alphanumeric() || " -./,()=+%".contains(c),
            _ => true,
        };
        match is_plain {
            true => escaped.push(c),
            false => escaped += &format!("#{};", u32::from(c)),
        }
        before = c;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_to_mermaid_is_a_number() {
        assert_eq!(escaped("encode_text"), "encode_text");
        assert_eq!(escaped("_a_ *b*"), "#95;a#95; #42;b#42;");
        assert_eq!(
            escaped("tags.kind == \"text\""),
            "tags.kind == #34;text#34;"
        );
        assert_eq!(
            escaped("<b>&amp;#quot;`:fa;{}[]|~"),
            "#60;b#62;#38;amp#59;#35;quot#59;#96;#58;fa#59;#123;#125;#91;#93;#124;#126;"
        );
        assert_eq!(escaped("größe ×2"), "größe ×2");
        assert_eq!(
            quoted("a-b \"%%{x}\\"),
            "a-b \\u0022\\u0025\\u0025\\u007bx\\u007d\\u005c"
        );
    }
}

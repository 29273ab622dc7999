//! The drawing as text for a terminal.

use std::collections::BTreeSet;

use wasm_flow_contract::graph::{GATEWAY, Node, Upstream};
use wasm_flow_contract::text::printable;

use crate::Drawing;
use crate::card::Card;
use crate::lanes::{self, Drawn, Row};
use crate::measure::{Cut, columns, fitted_columns};
use crate::shown::{Percent, badges, condition, count, joins};

/// The most columns that the names take, and what executors are made from.
const NAMES: usize = 32;
const SOURCES: usize = 40;
/// The least columns for a text that is cut or broken.
const LEAST: usize = 8;
/// The most lines of one condition, or of a list of needs.
const LINES: usize = 4;
/// The least columns for what is written beside the lanes. If the terminal has no room
/// for them, there are no lanes, and each node says what it needs.
const BESIDE: usize = 40;

/// A line of the list, before it is laid out.
struct Entry {
    name: String,
    source: String,
    share: String,
    /// What else there is to say of it, each a few words.
    notes: Vec<String>,
}

pub(crate) fn draw(drawing: &Drawing, width: Option<usize>) -> String {
    let graph = &drawing.graph;
    // Their places in the list, which begins with the gateway.
    let mut places = graph.values(|_| 0);
    for (place, &id) in graph.order().iter().enumerate() {
        places[id] = place + 1;
    }
    let place = |upstream: Upstream| match upstream {
        Upstream::Gateway => 0,
        Upstream::Node(id) => places[id],
    };
    let gateway = |needs: BTreeSet<usize>| Row {
        needs,
        mark: '○',
        floating: false,
    };
    let mut rows = vec![gateway(BTreeSet::new())];
    let mut entries = vec![Entry::gateway()];
    for &id in graph.order() {
        let node = &graph[id];
        rows.push(Row {
            needs: node.needs.iter().map(|edge| place(edge.from)).collect(),
            mark: mark(node),
            floating: node.options.floating,
        });
        entries.push(Entry::of(drawing, node));
    }
    rows.push(gateway(drawing.answer().into_iter().map(place).collect()));
    entries.push(Entry::gateway());
    if let Some(times) = &drawing.times {
        for &id in graph.order() {
            if let Some(entry) = entries.get_mut(places[id]) {
                entry.share = Percent(times.executors[id].share).to_string();
            }
        }
    }

    let mut drawn = lanes::draw(&rows);
    let lanes = drawn
        .iter()
        .map(|row| columns(&row.line))
        .max()
        .unwrap_or(0);
    if width.is_some_and(|width| lanes + 2 + BESIDE > width) {
        drawn = rows.iter().map(without_lanes).collect();
        for (entry, &id) in entries.iter_mut().skip(1).zip(graph.order()) {
            let node = &graph[id];
            if !joins(node) {
                entry.notes.insert(0, needs(drawing, node));
            }
        }
    }
    let mut text = heading(drawing, width);
    text += &table(&drawn, &entries, width);
    text
}

/// The flow's name, and how many executors it has.
fn heading(drawing: &Drawing, width: Option<usize>) -> String {
    let executors = format!(": {}", count(drawing.graph.len() as u64, "executor"));
    let name = printable(&drawing.name);
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(executors.len()));
    let name = fitted_columns(&name, room.max(LEAST), Cut::End);
    format!("{name}{executors}\n\n")
}

fn mark(node: &Node<Card>) -> char {
    match (node.options.floating, node.value.source.is_elsewhere()) {
        (true, _) => '◌',
        (false, true) => '◆',
        (false, false) => '●',
    }
}

fn without_lanes(row: &Row) -> Drawn {
    Drawn {
        before: None,
        line: row.mark.to_string(),
        below: String::new(),
    }
}

fn needs(drawing: &Drawing, node: &Node<Card>) -> String {
    let needs: Vec<String> = drawing.needs(node).map(printable).collect();
    format!("needs {}", needs.join(", "))
}

impl Entry {
    fn gateway() -> Entry {
        Entry {
            name: GATEWAY.to_owned(),
            source: String::new(),
            share: String::new(),
            notes: Vec::new(),
        }
    }

    fn of(drawing: &Drawing, node: &Node<Card>) -> Entry {
        let mut notes = Vec::new();
        if joins(node) {
            notes.push(needs(drawing, node));
        }
        notes.extend(condition(node).map(|when| format!("when {when}")));
        notes.extend(badges(node).map(|(text, _)| printable(text)));
        Entry {
            name: printable(&node.name),
            source: printable(node.value.source.as_str()),
            share: String::new(),
            notes,
        }
    }
}

/// The entries in columns, each beside its lanes. What has no room beside them goes below.
fn table(drawn: &[Drawn], entries: &[Entry], width: Option<usize>) -> String {
    let widest = |part: fn(&Entry) -> &str, most: usize| {
        let widths = entries.iter().map(|entry| columns(part(entry)));
        widths.max().unwrap_or(0).min(most)
    };
    let lanes = drawn
        .iter()
        .map(|row| columns(&row.line))
        .max()
        .unwrap_or(0)
        + 2;
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(lanes).max(BESIDE));
    let names = widest(|entry| &entry.name, NAMES.min(room / 2));
    let shares = widest(|entry| &entry.share, usize::MAX);
    let left = room - names - 2 - if shares > 0 { shares + 2 } else { 0 };
    let sources = widest(|entry| &entry.source, SOURCES.min(left));

    let mut text = String::new();
    let mut push = |lane: &str, beside: &str| {
        let line = format!("{}{beside}", padded(lane, lanes));
        text += line.trim_end();
        text.push('\n');
    };
    for (row, entry) in drawn.iter().zip(entries) {
        if let Some(before) = &row.before {
            push(before, "");
        }
        let mut line = padded(&fitted_columns(&entry.name, names, Cut::End), names + 2);
        if shares > 0 {
            let space = " ".repeat(shares - columns(&entry.share));
            line += &format!("{space}{}  ", entry.share);
        }
        let source = fitted_columns(&entry.source, sources, Cut::Beginning);
        line += &padded(&source, sources + 2);
        let beside = columns(&line);
        let notes = entry.notes.join(" · ");
        if beside + columns(&notes) <= room {
            line += &notes;
            push(&row.line, &line);
            continue;
        }
        push(&row.line, &line);
        let indent = names + 2;
        for below in wrapped(&entry.notes, (room - indent).max(LEAST)) {
            push(&row.below, &format!("{}{below}", " ".repeat(indent)));
        }
    }
    text
}

/// Notes in lines: as many in one as there is room for, and long ones in several.
fn wrapped(notes: &[String], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut is_whole = false;
    for note in notes {
        if columns(note) <= room {
            match lines.last_mut() {
                Some(last) if is_whole && columns(last) + 3 + columns(note) <= room => {
                    *last += &format!(" · {note}");
                }
                _ => lines.push(note.clone()),
            }
            is_whole = true;
            continue;
        }
        is_whole = false;
        let mut own: Vec<String> = Vec::new();
        for word in note.split(' ') {
            match own.last_mut() {
                Some(last) if columns(last) + 1 + columns(word) <= room => {
                    *last += &format!(" {word}");
                }
                _ => own.push(word.to_owned()),
            }
        }
        if own.len() > LINES {
            own.truncate(LINES);
            if let Some(last) = own.last_mut() {
                *last += " …";
            }
        }
        let own = own.iter();
        lines.extend(own.map(|line| fitted_columns(line, room, Cut::End).into_owned()));
    }
    lines
}

/// The text with spaces behind it, so that it takes so many columns.
fn padded(text: &str, width: usize) -> String {
    let space = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(space))
}

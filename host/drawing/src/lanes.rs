//! The lines beside a list of nodes, as a version control system draws its history: a
//! lane for the documents of each node that somebody below it takes.
//!
//! ```text
//! ○    gateway
//! ├─╮
//! ● │  left
//! │ ●  right
//! ├─╯
//! ●    join
//! ```

use std::collections::{BTreeMap, BTreeSet};

/// A node of the list, by its place.
#[derive(Debug)]
pub(crate) struct Row {
    /// The nodes above that it takes documents from.
    pub(crate) needs: BTreeSet<usize>,
    /// What stands for it.
    pub(crate) mark: char,
    /// Its lines are broken.
    pub(crate) floating: bool,
}

/// What stands beside one node.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// A line that joins its needs to it, if it needs more than a lane that goes on
    /// straight.
    pub(crate) before: Option<String>,
    /// Its own line.
    pub(crate) line: String,
    /// The line for what is written below it.
    pub(crate) below: String,
}

/// A lane: whose documents it has, and how many rows below still take them.
#[derive(Debug, Clone, Copy)]
struct Lane {
    from: usize,
    takers: usize,
}

/// What goes through one place of a line.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    up: bool,
    down: bool,
    left: bool,
    right: bool,
}

impl Cell {
    fn drawn(self) -> char {
        match (self.up, self.down, self.left, self.right) {
            (true, true, true, true) => '┼',
            (true, true, true, false) => '┤',
            (true, true, false, true) => '├',
            (true, false, true, true) => '┴',
            (true, false, true, false) => '╯',
            (true, false, false, true) => '╰',
            (false, true, true, true) => '┬',
            (false, true, true, false) => '╮',
            (false, true, false, true) => '╭',
            // Each that is drawn like this has a side, and a lane.
            _ => ' ',
        }
    }
}

/// The lines of these rows.
pub(crate) fn draw(rows: &[Row]) -> Vec<Drawn> {
    let mut takers = vec![0; rows.len()];
    for row in rows {
        for &need in &row.needs {
            if let Some(count) = takers.get_mut(need) {
                *count += 1;
            }
        }
    }
    let mut lanes: Vec<Option<Lane>> = Vec::new();
    rows.iter()
        .zip(takers)
        .enumerate()
        .map(|(index, (row, takers))| {
            let own = Lane {
                from: index,
                takers,
            };
            step(&mut lanes, row, own)
        })
        .collect()
}

fn step(lanes: &mut Vec<Option<Lane>>, row: &Row, own: Lane) -> Drawn {
    // The lanes that it takes from, and whether each ends here.
    let mut needed: BTreeMap<usize, bool> = BTreeMap::new();
    for (column, slot) in lanes.iter_mut().enumerate() {
        if let Some(lane) = slot
            && row.needs.contains(&lane.from)
        {
            lane.takers = lane.takers.saturating_sub(1);
            needed.insert(column, lane.takers == 0);
        }
    }
    let column = column(lanes, &needed);
    let before = joined(lanes, &needed, column, row.floating);
    for (column, ends) in needed {
        if ends && let Some(lane) = lanes.get_mut(column) {
            *lane = None;
        }
    }
    if column >= lanes.len() {
        lanes.resize(column + 1, None);
    }
    let line = spaced(
        lanes.iter().enumerate().map(|(place, lane)| match lane {
            _ if place == column => row.mark,
            Some(_) => '│',
            None => ' ',
        }),
        |_| ' ',
    );
    if let Some(lane) = lanes.get_mut(column) {
        *lane = (own.takers > 0).then_some(own);
    }
    let below = lanes.iter().map(|lane| match lane {
        Some(_) => '│',
        None => ' ',
    });
    let below = spaced(below, |_| ' ');
    while matches!(lanes.last(), Some(None)) {
        lanes.pop();
    }
    Drawn {
        before,
        line,
        below,
    }
}

/// Where a node stands: in the first lane that ends there, or else in a free place.
fn column(lanes: &[Option<Lane>], needed: &BTreeMap<usize, bool>) -> usize {
    if let Some((column, _)) = needed.iter().find(|(_, ends)| **ends) {
        return *column;
    }
    let first = needed.keys().next().copied().unwrap_or(0);
    let mut behind = lanes.iter().enumerate().skip(first);
    let free = behind.find(|(_, lane)| lane.is_none());
    free.map_or(lanes.len(), |(column, _)| column)
}

/// The line from the needed lanes to a column. None if the one lane leads there.
fn joined(
    lanes: &[Option<Lane>],
    needed: &BTreeMap<usize, bool>,
    column: usize,
    broken: bool,
) -> Option<String> {
    let first = *needed.keys().next()?.min(&column);
    let last = *needed.keys().next_back()?.max(&column);
    if first == last {
        return None;
    }
    let aside = if broken { '╌' } else { '─' };
    let is_lane = |place: usize| matches!(lanes.get(place), Some(Some(_)));
    let cells = (0..lanes.len().max(last + 1)).map(|place| {
        let need = needed.get(&place);
        let inside = (first..=last).contains(&place);
        if need.is_some() || place == column {
            let cell = Cell {
                up: is_lane(place),
                down: place == column || need == Some(&false),
                left: place > first,
                right: place < last,
            };
            return cell.drawn();
        }
        match (is_lane(place), inside) {
            // It has nothing to do with the line, and passes before it.
            (true, _) => '│',
            (false, true) => aside,
            (false, false) => ' ',
        }
    });
    Some(spaced(cells, |place| {
        match (first..last).contains(&place) {
            true => aside,
            false => ' ',
        }
    }))
}

/// Cells with one place between each two.
fn spaced(cells: impl Iterator<Item = char>, between: impl Fn(usize) -> char) -> String {
    let mut line = String::new();
    for (place, cell) in cells.enumerate() {
        if let Some(before) = place.checked_sub(1) {
            line.push(between(before));
        }
        line.push(cell);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn drawn(rows: &[&[usize]], floating: &[usize], expected: &str) {
        let rows: Vec<Row> = rows
            .iter()
            .enumerate()
            .map(|(index, needs)| Row {
                needs: needs.iter().copied().collect(),
                mark: char::from_digit(index as u32, 36).unwrap(),
                floating: floating.contains(&index),
            })
            .collect();
        let mut text = String::new();
        for Drawn { before, line, .. } in draw(&rows) {
            if let Some(before) = before {
                text += &format!("{}\n", before.trim_end());
            }
            text += &format!("{}\n", line.trim_end());
        }
        let expected: Vec<&str> = expected
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let text: Vec<&str> = text.lines().collect();
        assert_eq!(text, expected, "\n{}", text.join("\n"));
    }

    #[test]
    fn a_chain_is_one_lane() {
        drawn(&[&[], &[0], &[1]], &[], "0\n1\n2");
    }

    #[test]
    fn a_diamond_opens_and_closes() {
        drawn(
            &[&[], &[0], &[1], &[1], &[2, 3], &[4]],
            &[],
            "
            0
            1
            ├─╮
            │ 2
            3 │
            ├─╯
            4
            5
            ",
        );
    }

    #[test]
    fn lanes_that_have_nothing_to_do_with_it_pass() {
        drawn(
            &[&[], &[0], &[0], &[0], &[1, 3], &[2, 4]],
            &[],
            "
            0
            ├─╮
            │ 1
            ├─│─╮
            │ │ 2
            3 │ │
            ├─╯ │
            4   │
            ├───╯
            5
            ",
        );
    }

    #[test]
    fn what_floats_has_broken_lines_and_no_lane() {
        drawn(
            &[&[], &[0], &[1], &[1], &[3]],
            &[2],
            "
            0
            1
            ├╌╮
            │ 2
            3
            4
            ",
        );
    }

    #[test]
    fn one_whose_documents_are_needed_far_below() {
        drawn(
            &[&[], &[0], &[1], &[2, 0], &[3, 1, 0]],
            &[],
            "
            0
            ├─╮
            │ 1
            │ ├─╮
            │ │ 2
            ├─│─┤
            │ │ 3
            ├─┴─╯
            4
            ",
        );
    }
}

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

/// A node of the list, by its place.
#[derive(Debug)]
pub(crate) struct Row {
    /// The nodes above that it takes documents from.
    pub(crate) needs: Vec<usize>,
    /// What stands for it.
    pub(crate) mark: char,
    /// Its lines are broken, and it takes no lane over.
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
    /// Lines are broken to the sides.
    broken: bool,
}

impl Cell {
    fn drawn(self) -> char {
        match (self.up, self.down, self.left, self.right) {
            (true, true, true, true) => '┼',
            (true, true, true, false) => '┤',
            (true, true, false, true) => '├',
            (true, true, false, false) => '│',
            (true, false, true, true) => '┴',
            (true, false, true, false) => '╯',
            (true, false, false, true) => '╰',
            (false, true, true, true) => '┬',
            (false, true, true, false) => '╮',
            (false, true, false, true) => '╭',
            (false, false, true, true) if self.broken => '╌',
            (false, false, true, true) => '─',
            (true, false, false, false) | (false, true, false, false) => '│',
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
    let mut needed: Vec<(usize, bool)> = Vec::new();
    for (column, slot) in lanes.iter_mut().enumerate() {
        if let Some(lane) = slot
            && row.needs.contains(&lane.from)
        {
            lane.takers = lane.takers.saturating_sub(1);
            needed.push((column, lane.takers == 0));
        }
    }
    let first = needed.first().map_or(0, |(column, _)| *column);
    let taken_over = needed.iter().find(|(_, ends)| *ends);
    let column = taken_over.map_or_else(
        || {
            let mut behind = lanes.iter().enumerate().skip(first);
            let free = behind.find(|(_, lane)| lane.is_none());
            free.map_or(lanes.len(), |(column, _)| column)
        },
        |(column, _)| *column,
    );
    let before = joined(lanes, &needed, column, row.floating);
    for (column, ends) in needed {
        if ends && let Some(lane) = lanes.get_mut(column) {
            *lane = None;
        }
    }
    if column >= lanes.len() {
        lanes.resize(column + 1, None);
    }
    let straight = |mark: Option<char>| {
        let cells = lanes.iter().enumerate().map(|(place, lane)| {
            let cell = Cell {
                up: lane.is_some(),
                down: lane.is_some(),
                ..Cell::default()
            };
            match mark {
                Some(mark) if place == column => mark,
                _ => cell.drawn(),
            }
        });
        spaced(cells, |_| ' ')
    };
    let line = straight(Some(row.mark));
    if let Some(lane) = lanes.get_mut(column) {
        *lane = (own.takers > 0).then_some(own);
    }
    let below = straight_below(lanes);
    while matches!(lanes.last(), Some(None)) {
        lanes.pop();
    }
    Drawn {
        before,
        line,
        below,
    }
}

fn straight_below(lanes: &[Option<Lane>]) -> String {
    let cells = lanes.iter().map(|lane| match lane {
        Some(_) => '│',
        None => ' ',
    });
    spaced(cells, |_| ' ')
}

/// The line from the needed lanes to a column. None if the one lane leads there.
fn joined(
    lanes: &[Option<Lane>],
    needed: &[(usize, bool)],
    column: usize,
    broken: bool,
) -> Option<String> {
    let ends = |place: usize| needed.iter().find(|(needed, _)| *needed == place);
    let sides = needed.iter().map(|(column, _)| *column);
    let first = sides.clone().chain([column]).min()?;
    let last = sides.chain([column]).max()?;
    if first == last {
        return None;
    }
    let count = lanes.len().max(last + 1);
    let is_lane = |place: usize| matches!(lanes.get(place), Some(Some(_)));
    let cells = (0..count).map(|place| {
        let need = ends(place);
        let inside = (first..=last).contains(&place);
        if !inside || (need.is_none() && place != column) {
            // A lane that has nothing to do with it passes before the line.
            return match (is_lane(place), inside) {
                (true, _) => '│',
                (false, true) if broken => '╌',
                (false, true) => '─',
                (false, false) => ' ',
            };
        }
        Cell {
            up: is_lane(place),
            down: place == column || need.is_some_and(|(_, ends)| !ends),
            left: place > first,
            right: place < last,
            broken,
        }
        .drawn()
    });
    Some(spaced(cells, |place| {
        match ((first..last).contains(&place), broken) {
            (true, true) => '╌',
            (true, false) => '─',
            (false, _) => ' ',
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
                needs: needs.to_vec(),
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

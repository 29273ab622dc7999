//! Medians, and ratios pair by pair.

/// The middle value; of no values, none.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (
        values.get(middle),
        middle.checked_sub(1).and_then(|before| values.get(before)),
    ) {
        (Some(middle), Some(before)) if values.len().is_multiple_of(2) => {
            Some((middle + before) / 2.0)
        }
        (middle, _) => middle.copied(),
    }
}

/// Ratios of values that were measured beside each other.
pub(crate) struct Ratios(Vec<f64>);

impl Ratios {
    /// Of each value to the one of the same round.
    pub(crate) fn new(values: &[f64], to: &[f64]) -> Ratios {
        Ratios(
            values
                .iter()
                .zip(to)
                .map(|(value, to)| value / to)
                .collect(),
        )
    }

    /// The median, and in brackets the least and the greatest.
    pub(crate) fn shown(&self) -> String {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match median(self.0.clone()) {
            Some(median) => format!("{median:.2} ({least:.2}..{greatest:.2})"),
            None => "-".to_owned(),
        }
    }
}

/// A table in Markdown that is a table without it too.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|title| (*title).to_owned()).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells =
            row.iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| match column {
                    0 => format!(" {cell:<width$} "),
                    _ => format!(" {cell:>width$} "),
                });
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    let rule: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(column, width)| match column {
            0 => "-".repeat(width + 2),
            _ => format!("{}:", "-".repeat(width + 1)),
        })
        .collect();
    let mut text = line(&head);
    text.push_str(&format!("|{}|\n", rule.join("|")));
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}

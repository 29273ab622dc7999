//! What a person has to know of what became of a file.

use std::collections::HashMap;
use std::fmt;

use crate::bounds::{MAX_NOTES, MAX_PLACES};

/// One thing to know, said once for all places that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether it may be a mistake in the file.
    pub is_warning: bool,
    /// The key of the YAML that it is about.
    pub key: String,
    /// What became of it, and why.
    pub message: String,
    /// Where the key is, first in the file first.
    pub places: Vec<Place>,
    /// How many more places there are.
    pub more: usize,
}

/// A place in a file: line and column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// As in `line 3: {note}`, without its first place.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.key, self.message)?;
        let mut lines: Vec<usize> = self.places.iter().skip(1).map(|at| at.line).collect();
        lines.dedup();
        let first = self.places.first().map(|at| at.line);
        lines.retain(|line| Some(*line) != first);
        let named: Vec<String> = lines.iter().map(usize::to_string).collect();
        match named.as_slice() {
            [] => return Ok(()),
            [line] => write!(f, " (also in line {line}")?,
            [lines @ .., last] => write!(f, " (also in lines {} and {last}", lines.join(", "))?,
        }
        match self.more {
            0 => f.write_str(")"),
            more => write!(f, ", and {more} more)"),
        }
    }
}

/// The notes on one file.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    notes: Vec<Note>,
    /// How many there were beyond the bound.
    more: usize,
    /// By key and message.
    known: HashMap<(String, String), usize>,
}

impl Notes {
    pub(crate) fn add(&mut self, is_warning: bool, key: &str, message: String, place: Place) {
        let known = (key.to_owned(), message);
        if let Some(note) = self
            .known
            .get(&known)
            .and_then(|at| self.notes.get_mut(*at))
        {
            match note.places.len() < MAX_PLACES {
                true if note.places.contains(&place) => {}
                true => note.places.push(place),
                false => note.more += 1,
            }
            return;
        }
        if self.notes.len() >= MAX_NOTES {
            self.more += 1;
            return;
        }
        self.notes.push(Note {
            is_warning,
            key: known.0.clone(),
            message: known.1.clone(),
            places: vec![place],
            more: 0,
        });
        self.known.insert(known, self.notes.len() - 1);
    }

    /// All notes, in the order of the file, and how many more there were.
    pub(crate) fn into_parts(mut self) -> (Vec<Note>, usize) {
        let at = |note: &Note| note.places.first().map(|at| (at.line, at.column));
        self.notes.sort_by_key(at);
        (self.notes, self.more)
    }
}

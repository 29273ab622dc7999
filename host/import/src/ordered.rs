//! Entries in the order in which their names first came, each with its last value: as a
//! table of Python keeps them.

use std::collections::HashMap;

#[derive(Debug)]
pub(crate) struct Ordered<T> {
    entries: Vec<(String, T)>,
    /// Where each name is.
    places: HashMap<String, usize>,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Ordered {
            entries: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T> Ordered<T> {
    pub(crate) fn insert(&mut self, name: &str, value: T) {
        let place = self.places.get(name);
        match place.and_then(|place| self.entries.get_mut(*place)) {
            Some((_, known)) => *known = value,
            None => {
                self.places.insert(name.to_owned(), self.entries.len());
                self.entries.push((name.to_owned(), value));
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(String, T)> {
        self.entries.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn into_vec(self) -> Vec<(String, T)> {
        self.entries
    }
}

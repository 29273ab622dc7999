//! Texts as ids of words: byte-pair encoding, with a `▁` before each word.
//!
//! The ids are those of Hugging Face's tokenizers for the same model. What differs: words
//! such as `</s>`, which only the makers of a model use, are text here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// A word's number.
pub type Id = u16;

/// What comes before each word.
const SPACE: char = '▁';

pub struct Tokenizer {
    characters: HashMap<char, Id>,
    /// The id of the byte 0. A character that is no word is written as its bytes.
    first_byte: Id,
    /// What becomes of two neighbours: the place in the order, and the id.
    merges: HashMap<(Id, Id), (u32, Id)>,
}

/// Part of a text, and its neighbours that are left.
struct Part {
    /// None once its left neighbour has taken it in.
    id: Option<Id>,
    before: Option<usize>,
    after: Option<usize>,
}

impl Tokenizer {
    /// `merges` has the left, the right and the whole, and what is to be done first comes
    /// first.
    pub fn new(characters: HashMap<char, Id>, first_byte: Id, merges: Vec<[Id; 3]>) -> Tokenizer {
        let merges = (0..).zip(merges);
        let merges = merges.map(|(order, [left, right, whole])| ((left, right), (order, whole)));
        Tokenizer {
            characters,
            first_byte,
            merges: merges.collect(),
        }
    }

    /// The ids of a text's words.
    pub fn ids(&self, text: &str) -> impl Iterator<Item = Id> + use<> {
        let mut parts = self.parts(text);
        // The first of the order, and from the left.
        let mut heap: BinaryHeap<_> = (0..parts.len())
            .filter_map(|at| self.merge(&parts, at))
            .collect();
        while let Some(Reverse((_, at, whole, right))) = heap.pop() {
            // Either may have become another since, or been taken in.
            let still = self
                .merge(&parts, at)
                .is_some_and(|Reverse(now)| (now.2, now.3) == (whole, right));
            if !still {
                continue;
            }
            let after = parts[right].after;
            parts[right].id = None;
            parts[at].id = Some(whole);
            parts[at].after = after;
            if let Some(after) = after {
                parts[after].before = Some(at);
            }
            let around = [parts[at].before, Some(at)];
            heap.extend(
                around
                    .into_iter()
                    .flatten()
                    .filter_map(|at| self.merge(&parts, at)),
            );
        }
        parts.into_iter().filter_map(|part| part.id)
    }

    /// What a part and the one after it can become: the place in the order, where, the
    /// whole, and where the right one is.
    fn merge(&self, parts: &[Part], at: usize) -> Option<Reverse<(u32, usize, Id, usize)>> {
        let right = parts[at].after?;
        let pair = (parts[at].id?, parts[right].id?);
        let (order, whole) = *self.merges.get(&pair)?;
        Some(Reverse((order, at, whole, right)))
    }

    /// A text's characters.
    fn parts(&self, text: &str) -> Vec<Part> {
        let begin = (!text.is_empty()).then_some(SPACE);
        let characters = text
            .chars()
            .map(|char| if char == ' ' { SPACE } else { char });
        let mut ids = Vec::with_capacity(text.len() + 1);
        for character in begin.into_iter().chain(characters) {
            match self.characters.get(&character) {
                Some(id) => ids.push(*id),
                None => {
                    let mut bytes = [0; 4];
                    let bytes = character.encode_utf8(&mut bytes).bytes();
                    ids.extend(bytes.map(|byte| self.first_byte + Id::from(byte)));
                }
            }
        }
        let last = ids.len().saturating_sub(1);
        let parts = ids.into_iter().enumerate().map(|(at, id)| Part {
            id: Some(id),
            before: at.checked_sub(1),
            after: (at < last).then_some(at + 1),
        });
        parts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Single characters by their place in `abc▁`, bytes from 100 on.
    fn tokenizer(merges: &[[Id; 3]]) -> Tokenizer {
        let characters = "abc▁".chars().zip(0..).collect();
        Tokenizer::new(characters, 100, merges.to_vec())
    }

    fn ids(merges: &[[Id; 3]], text: &str) -> Vec<Id> {
        tokenizer(merges).ids(text).collect()
    }

    #[test]
    fn merges_are_done_in_their_order() {
        // "bc" before "ab".
        let merges = [[1, 2, 10], [0, 1, 11]];
        assert_eq!(ids(&merges, "abc"), [3, 0, 10]);
        assert_eq!(ids(&merges, "ab c"), [3, 11, 3, 2]);
        // From the left, and what has become another merges on.
        let merges = [[0, 0, 10], [10, 10, 11], [3, 11, 12]];
        assert_eq!(ids(&merges, "aaaa"), [12]);
        assert_eq!(ids(&merges, "aaa"), [3, 10, 0]);
    }

    #[test]
    fn what_is_no_word_is_its_bytes() {
        assert_eq!(ids(&[], "aé"), [3, 0, 100 + 0xc3, 100 + 0xa9]);
        assert!(ids(&[], "").is_empty());
        assert_eq!(ids(&[], " "), [3, 3]);
    }

    #[test]
    fn a_long_text_takes_no_more_than_its_length() {
        // Each merge is of the whole before it and one more character: the heap never
        // holds more than two of a part.
        let merges = [[0, 0, 10], [10, 10, 10]];
        let long = "a".repeat(1 << 17);
        assert!(tokenizer(&merges).ids(&long).count() < 40);
    }
}

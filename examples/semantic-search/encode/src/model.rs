//! The model's file: its words and their weights.

use std::collections::HashMap;

use wasm_flow_sdk::prelude::*;

use crate::tokens::{Id, Tokenizer};

const MAGIC: &[u8] = b"WFSENT1\n";

/// What `model.py` has packed.
pub struct Model {
    tokenizer: Tokenizer,
    /// How many numbers an embedding has.
    dimension: usize,
    /// By id: what the numbers of its row are to be multiplied with.
    scales: Vec<f32>,
    /// The whole file, and where the rows begin. There are 8 MB of them: they stay where
    /// they were read to.
    bytes: Vec<u8>,
    rows: usize,
}

impl Model {
    /// The model that a file holds. All numbers are little endian:
    ///
    /// | what | each |
    /// | --- | --- |
    /// | magic | 8 bytes |
    /// | counts of words, numbers in a row, the id of the byte 0, counts of characters and merges | `u32` |
    /// | characters | `u32` (Unicode), `u16` (id) |
    /// | merges, the first to be done first | `u16` (left), `u16` (right), `u16` (the whole) |
    /// | scales, by id | `f32` |
    /// | rows, by id | so many `i8` |
    pub fn parse(bytes: Vec<u8>) -> Result<Model> {
        let mut rest = Rest(&bytes);
        ensure!(rest.take(MAGIC.len())? == MAGIC, "it begins otherwise");
        let [words, dimension, first_byte, characters, merges] =
            rest.numbers::<5>()?.map(|number| number as usize);
        let id = |id: u16| -> Result<Id> {
            ensure!(
                usize::from(id) < words,
                "it has an id of {id}, and {words} words"
            );
            Ok(id)
        };
        ensure!(
            first_byte.checked_add(256).is_some_and(|end| end <= words) && words <= 1 << 16,
            "it has {words} words, the 256 bytes from {first_byte} on"
        );
        ensure!(dimension > 0, "its rows have no numbers");
        let characters = rest
            .table(characters, 6)?
            .map(|entry| {
                Ok((
                    char::from_u32(u32_of(entry)).context("no character")?,
                    id(u16_at(entry, 4))?,
                ))
            })
            .collect::<Result<HashMap<char, Id>>>()?;
        let merges = rest
            .table(merges, 6)?
            .map(|entry| {
                Ok([
                    id(u16_at(entry, 0))?,
                    id(u16_at(entry, 2))?,
                    id(u16_at(entry, 4))?,
                ])
            })
            .collect::<Result<Vec<[Id; 3]>>>()?;
        let scales = rest
            .table(words, 4)?
            .map(|entry| f32::from_bits(u32_of(entry)));
        let scales: Vec<f32> = scales.collect();
        let rows = bytes.len() - rest.0.len();
        rest.take(words.checked_mul(dimension).context("it ends too early")?)?;
        ensure!(rest.0.is_empty(), "it has {} bytes too many", rest.0.len());
        Ok(Model {
            tokenizer: Tokenizer::new(characters, first_byte as Id, merges),
            dimension,
            scales,
            rows,
            bytes,
        })
    }

    /// The mean of the rows of a text's words, scaled to length 1; zeros if it has none.
    pub fn embedding(&self, text: &str) -> Vec<f32> {
        let mut sum = vec![0.0; self.dimension];
        for id in self.tokenizer.ids(text) {
            let id = usize::from(id);
            let row = &self.bytes[self.rows + id * self.dimension..][..self.dimension];
            for (sum, number) in sum.iter_mut().zip(row) {
                *sum += f32::from(number.cast_signed()) * self.scales[id];
            }
        }
        let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
        if length > 0.0 {
            sum.iter_mut().for_each(|number| *number /= length);
        }
        sum
    }
}

/// What has not been read of a file.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .context("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn numbers<const COUNT: usize>(&mut self) -> Result<[u32; COUNT]> {
        let mut numbers = [0; COUNT];
        for (number, entry) in numbers.iter_mut().zip(self.table(COUNT, 4)?) {
            *number = u32_of(entry);
        }
        Ok(numbers)
    }

    fn table(&mut self, count: usize, size: usize) -> Result<impl Iterator<Item = &'a [u8]>> {
        let length = count.checked_mul(size).context("it ends too early")?;
        Ok(self.take(length)?.chunks_exact(size))
    }
}

fn u16_at(entry: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([entry[at], entry[at + 1]])
}

fn u32_of(entry: &[u8]) -> u32 {
    u32::from(u16_at(entry, 0)) | u32::from(u16_at(entry, 2)) << 16
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The words `a`, `b`, `▁`, `ab`, `▁ab`, and the bytes.
    pub fn small() -> Vec<u8> {
        let words = 5 + 256;
        let mut file = MAGIC.to_vec();
        for number in [words, 2, 5, 3, 2] {
            file.extend((number as u32).to_le_bytes());
        }
        for (character, id) in [('a', 0u16), ('b', 1), ('▁', 2)] {
            file.extend(u32::from(character).to_le_bytes());
            file.extend(id.to_le_bytes());
        }
        for id in [0u16, 1, 3, 2, 3, 4] {
            file.extend(id.to_le_bytes());
        }
        file.extend((0..words).flat_map(|_| 0.5f32.to_le_bytes()));
        let rows = [[127, 0], [0, 0], [0, 0], [0, 127], [0, 127]];
        let bytes = (0..256).map(|_| [0, 1]);
        file.extend(rows.into_iter().chain(bytes).flatten());
        file
    }

    #[test]
    fn a_file_that_is_cut_or_altered_is_refused() {
        let whole = small();
        assert!(Model::parse(whole.clone()).is_ok());
        for length in 0..whole.len() {
            assert!(Model::parse(whole[..length].to_vec()).is_err(), "{length}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(Model::parse(longer).is_err());
        // The words, a row's numbers, the first byte, the counts, an id: all larger.
        for at in [11, 15, 19, 23, 27, 33] {
            let mut altered = whole.clone();
            altered[at] = 0xff;
            assert!(Model::parse(altered).is_err(), "{at}");
        }
    }

    #[test]
    fn no_word_gives_no_direction() {
        let model = Model::parse(small()).unwrap();
        assert_eq!(model.embedding(""), [0.0, 0.0]);
    }
}

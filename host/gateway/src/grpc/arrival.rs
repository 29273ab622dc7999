//! Holds back the beginning of a message until enough of it has arrived.
//!
//! A gRPC message begins with its length, and tonic reserves memory for all of it as
//! soon as it sees that. A client could have `max_message` reserved for five bytes, on
//! each of its streams. So the last byte of a length passes only when a part of the
//! message has come after it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http_body::Frame;

use crate::bounds::{HELD, RESERVED};

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: u8 = 5;

/// A body's frames on their way to what reads messages of them.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    /// How many bytes of a prefix have come.
    prefix: u8,
    /// The length that they say so far.
    len: u32,
    /// Bytes of the current message that have come, and that have not.
    came: u32,
    left: u32,
    /// From the last byte of a prefix on.
    held: BytesMut,
    /// What may pass.
    passed: VecDeque<Frame<Bytes>>,
}

impl Arrival {
    /// Takes the next bytes of the body. They are given back if they may pass at once,
    /// as nearly all do. Otherwise [`next`](Self::next) gives what may pass.
    pub(super) fn add(&mut self, mut bytes: Bytes) -> Option<Bytes> {
        let held_from = self.read(&bytes);
        let waits = self.left > 0 && self.came < (self.len / RESERVED).min(HELD);
        if !waits {
            if self.held.is_empty() && self.passed.is_empty() {
                return Some(bytes);
            }
            self.release();
            self.passed.push_back(Frame::data(bytes));
            return None;
        }
        match held_from {
            // A message begins in these bytes. What is held is of earlier ones.
            Some(at) => {
                self.release();
                let rest = bytes.split_off(at.min(bytes.len()));
                if !bytes.is_empty() {
                    self.passed.push_back(Frame::data(bytes));
                }
                self.held.extend_from_slice(&rest);
            }
            None => self.held.extend_from_slice(&bytes),
        }
        None
    }

    /// Follows the messages through these bytes. Returns where the last byte of the last
    /// prefix is, if one ends in them.
    fn read(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut last = None;
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            if self.left > 0 {
                let step = rest.len().min(self.left as usize);
                self.came += step as u32;
                self.left -= step as u32;
                rest = rest.get(step..).unwrap_or_default();
                continue;
            }
            // The first byte of a prefix does not belong to the length.
            self.len = match self.prefix {
                0 => 0,
                _ => self.len << 8 | u32::from(first),
            };
            self.prefix += 1;
            if self.prefix == PREFIX {
                self.prefix = 0;
                self.came = 0;
                self.left = self.len;
                last = Some(bytes.len() - rest.len());
            }
            rest = after;
        }
        last
    }

    /// Lets all pass that is held back: it is enough now, or there is no more to come.
    pub(super) fn release(&mut self) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.passed.push_back(Frame::data(held.freeze()));
        }
    }

    /// Takes what comes after the body's bytes.
    pub(super) fn end(&mut self, trailers: Frame<Bytes>) {
        self.release();
        self.passed.push_back(trailers);
    }

    /// What may pass next.
    pub(super) fn next(&mut self) -> Option<Frame<Bytes>> {
        self.passed.pop_front()
    }

    /// Whether nothing is left here.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.passed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend((len as u32).to_be_bytes());
        message.extend((0..len).map(|at| at as u8));
        message
    }

    /// What passes when these bytes come.
    fn passed(arrival: &mut Arrival, bytes: &[u8]) -> Vec<u8> {
        let at_once = arrival.add(Bytes::copy_from_slice(bytes));
        let mut passed = at_once.map_or_else(Vec::new, |bytes| bytes.to_vec());
        while let Some(frame) = arrival.next() {
            passed.extend_from_slice(frame.data_ref().unwrap());
        }
        passed
    }

    #[test]
    fn a_length_passes_when_a_part_of_its_message_is_there() {
        let len = 1 << 20;
        let part = 5 + len / RESERVED as usize;
        let message = message(len);
        let mut arrival = Arrival::default();
        assert_eq!(passed(&mut arrival, &message[..5]), message[..4]);
        assert!(passed(&mut arrival, &message[5..part - 1]).is_empty());
        assert_eq!(
            passed(&mut arrival, &message[part - 1..part]),
            message[4..part]
        );
        assert_eq!(passed(&mut arrival, &message[part..]), message[part..]);
        assert!(arrival.is_empty());
    }

    /// One that is too large is soon refused.
    #[test]
    fn of_a_message_of_gibibytes_only_so_much_is_held() {
        let mut arrival = Arrival::default();
        assert_eq!(passed(&mut arrival, &[0, 0xff, 0xff, 0xff, 0xff]).len(), 4);
        let piece = vec![0; 1 << 20];
        let pieces = (1..).find(|_| !passed(&mut arrival, &piece).is_empty());
        assert_eq!(pieces, Some(HELD >> 20));
    }

    #[test]
    fn messages_before_it_are_not_held_back() {
        let (small, large) = (message(100), message(1 << 20));
        let mut arrival = Arrival::default();
        let both = [&small[..], &large[..50]].concat();
        assert_eq!(passed(&mut arrival, &both), both[..small.len() + 4]);
        // It ends there, and is what its reader has to know of it.
        arrival.release();
        assert_eq!(arrival.next().unwrap().into_data().unwrap(), large[4..50]);
        assert!(arrival.is_empty());
    }

    /// Whatever the pieces, all of it passes in its order, and of small messages nothing
    /// waits.
    #[test]
    fn all_bytes_pass_in_any_pieces() {
        let lens = [0, 1, 3, 15, 16, 17, 1000, 0, 70_000, 2, 500];
        let all: Vec<u8> = lens.into_iter().flat_map(message).collect();
        for piece in [1, 2, 3, 5, 7, 64, 1000, 16 << 10, all.len()] {
            let mut arrival = Arrival::default();
            let mut seen = Vec::new();
            for bytes in all.chunks(piece) {
                seen.extend(passed(&mut arrival, bytes));
                assert!(seen.len() <= all.len() && all.starts_with(&seen));
            }
            assert!(arrival.is_empty(), "pieces of {piece}");
            assert_eq!(seen.len(), all.len());
        }
    }

    #[test]
    fn what_passes_at_once_is_not_copied() {
        let bytes = Bytes::from(message(100_000));
        let mut arrival = Arrival::default();
        let first = arrival.add(bytes.slice(..16 << 10)).unwrap();
        assert_eq!(first.as_ptr(), bytes.as_ptr());
        assert!(arrival.add(bytes.slice(16 << 10..)).is_some());
    }
}

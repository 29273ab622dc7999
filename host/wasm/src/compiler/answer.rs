//! What the child writes to its standard output.
//!
//! A mark, the digest of what it compiled, whether it is code or a refusal, the length of
//! that, and that. So nothing that another program prints is taken for code, and nothing that
//! a killed child has begun to write.

use std::io::{self, Read, Write};

use wasm_flow_contract::hub::Digest;

use crate::bounds::{MAX_CODE, MAX_TEXT};

const MARK: &[u8; 16] = b"wasm-flow code 1";
const DIGEST_BYTES: usize = 32;
const CODE: u8 = 1;
const REFUSAL: u8 = 2;

/// What a child has answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Of the component that it compiled.
    pub(super) digest: Digest,
    /// The code, or why the component is not valid.
    pub(super) outcome: Result<Vec<u8>, String>,
}

impl Answer {
    /// What there is to read, if it is a whole answer and nothing else.
    pub(super) fn read(mut input: impl Read) -> Option<Answer> {
        let mut mark = [0; MARK.len()];
        let mut digest = [0; DIGEST_BYTES];
        let mut kind = [0];
        let mut length = [0; 8];
        input.read_exact(&mut mark).ok()?;
        if mark != *MARK {
            return None;
        }
        input.read_exact(&mut digest).ok()?;
        input.read_exact(&mut kind).ok()?;
        input.read_exact(&mut length).ok()?;
        let length = u64::from_le_bytes(length);
        let most = match kind {
            [CODE] => MAX_CODE,
            [REFUSAL] => MAX_TEXT as u64,
            _ => return None,
        };
        if length > most {
            return None;
        }
        let mut content = Vec::with_capacity(usize::try_from(length).ok()?);
        (&mut input).take(length).read_to_end(&mut content).ok()?;
        if content.len() as u64 != length || input.read(&mut [0]).ok()? != 0 {
            return None;
        }
        Some(Answer {
            digest: Digest::new(digest),
            outcome: match kind {
                [CODE] => Ok(content),
                _ => Err(String::from_utf8_lossy(&content).into_owned()),
            },
        })
    }

    pub(super) fn write(&self, mut output: impl Write) -> io::Result<()> {
        let (kind, content) = match &self.outcome {
            Ok(code) => (CODE, code.as_slice()),
            Err(refusal) => (REFUSAL, refusal.as_bytes()),
        };
        output.write_all(MARK)?;
        output.write_all(self.digest.as_bytes())?;
        output.write_all(&[kind])?;
        output.write_all(&(content.len() as u64).to_le_bytes())?;
        output.write_all(content)?;
        output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(outcome: Result<Vec<u8>, String>) -> (Answer, Vec<u8>) {
        let digest = Digest::new([7; DIGEST_BYTES]);
        let answer = Answer { digest, outcome };
        let mut bytes = Vec::new();
        answer.write(&mut bytes).unwrap();
        (answer, bytes)
    }

    #[test]
    fn what_is_written_is_read() {
        for outcome in [Ok(vec![1, 2, 3]), Ok(Vec::new()), Err("why".to_owned())] {
            let (answer, bytes) = written(outcome);
            assert_eq!(Answer::read(bytes.as_slice()), Some(answer));
        }
    }

    #[test]
    fn what_is_cut_short_or_goes_on_is_not_an_answer() {
        let (_, bytes) = written(Ok(vec![1, 2, 3]));
        for length in 0..bytes.len() {
            assert_eq!(Answer::read(&bytes[..length]), None, "{length}");
        }
        assert_eq!(Answer::read([&bytes[..], b"x"].concat().as_slice()), None);
    }

    #[test]
    fn nothing_is_allocated_for_a_length_that_cannot_be() {
        let (_, bytes) = written(Ok(Vec::new()));
        let length = MARK.len() + DIGEST_BYTES + 1;
        for too_long in [MAX_CODE + 1, u64::MAX] {
            let bytes = [&bytes[..length], &too_long.to_le_bytes()].concat();
            assert_eq!(Answer::read(bytes.as_slice()), None);
        }
    }
}

//! The bytes of a file as UTF-8.

use std::io::{self, Read};
use std::rc::Rc;

use super::error::InputError;
use super::format::Syntax;
use super::pending::Pending;
use super::source_info::SourceInfo;
use super::stop::Stop;
use crate::file_kind::FileKind;

/// The bytes of a file as UTF-8: a byte order mark is taken away, and reading
/// ends in front of what is not UTF-8. Before each read, which may block, what
/// was pending is handed on.
pub(super) struct Utf8Reader {
    inner: Box<dyn Read + Send>,
    source: SourceInfo,
    pending: Rc<Pending>,
    /// The beginning of a character, or of a byte order mark.
    carry: Vec<u8>,
    begun: bool,
    /// Bytes that were given out or passed over.
    position: u64,
    /// Line ends among them.
    lines: u64,
    failure: Option<InputError>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Utf8Reader {
    pub(super) fn new(
        inner: Box<dyn Read + Send>,
        source: SourceInfo,
        pending: Rc<Pending>,
    ) -> Utf8Reader {
        Utf8Reader {
            inner,
            source,
            pending,
            carry: Vec::new(),
            begun: false,
            position: 0,
            lines: 0,
            failure: None,
        }
    }

    fn refused(&self, head: &[u8]) -> Option<InputError> {
        let kind = FileKind::of_bytes(head);
        let refused = match kind {
            FileKind::Html => self.source.guessed && self.source.format != Syntax::Text,
            FileKind::LfsPointer => self.source.guessed,
            // A format that was asked for is taken at its word, as long as the
            // file may be text.
            FileKind::CoreModule
            | FileKind::Component
            | FileKind::OtherWasm
            | FileKind::Native(_)
            | FileKind::Packed(..)
            | FileKind::Foreign(_) => {
                self.source.guessed || std::str::from_utf8(head).is_err() || head.contains(&0)
            }
            FileKind::WideText => true,
            FileKind::Folder
            | FileKind::Empty
            | FileKind::Wat
            | FileKind::Text
            | FileKind::Binary
            | FileKind::Stream => false,
        };
        refused.then(|| InputError::Kind {
            file: self.source.file.clone(),
            kind,
        })
    }

    fn not_utf8(&self, bytes: &[u8]) -> InputError {
        InputError::NotUtf8 {
            file: self.source.file.clone(),
            line: self.lines + 1,
            offset: self.position,
            byte: bytes.first().copied().unwrap_or_default(),
        }
    }

    /// Gives out the characters that are whole. The beginning of another one is
    /// kept, and what is not UTF-8 is kept as a failure.
    fn give(&mut self, buffer: &[u8], at_end: bool) -> usize {
        let (valid, failed) = match std::str::from_utf8(buffer) {
            Ok(_) => (buffer.len(), false),
            Err(error) => (error.valid_up_to(), at_end || error.error_len().is_some()),
        };
        let (given, rest) = buffer.split_at(valid);
        self.position += given.len() as u64;
        self.lines += given.iter().filter(|byte| **byte == b'\n').count() as u64;
        match failed {
            true => self.failure = Some(self.not_utf8(rest)),
            false => self.carry.extend_from_slice(rest),
        }
        valid
    }
}

impl Read for Utf8Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(failure) = self.failure.take() {
                return Err(Stop::Failed(failure).into());
            }
            self.pending.hand_on()?;
            let kept = self.carry.len();
            // A `BufReader` calls, with a buffer that has room for more than a
            // character.
            let Some((begin, fresh)) = buffer
                .split_at_mut_checked(kept)
                .filter(|(_, fresh)| fresh.len() >= 4)
            else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            begin.copy_from_slice(&self.carry);
            let count = match self.inner.read(fresh) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.carry.clear();
            let mut length = kept + count;
            if length == 0 {
                return Ok(0);
            }
            let filled = buffer.get(..length).unwrap_or_default();
            if !self.begun {
                if count > 0 && length < 3 && BYTE_ORDER_MARK.starts_with(filled) {
                    self.carry.extend_from_slice(filled);
                    continue;
                }
                self.begun = true;
                self.failure = self.refused(filled);
                if self.failure.is_some() {
                    continue;
                }
                if filled.starts_with(BYTE_ORDER_MARK) {
                    buffer.copy_within(BYTE_ORDER_MARK.len()..length, 0);
                    length -= BYTE_ORDER_MARK.len();
                    self.position = BYTE_ORDER_MARK.len() as u64;
                }
            }
            let filled = buffer.get(..length).unwrap_or_default();
            match self.give(filled, count == 0) {
                0 if count == 0 && self.failure.is_none() => return Ok(0),
                0 => {}
                given => return Ok(given),
            }
        }
    }
}

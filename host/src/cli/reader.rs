//! A file of documents, read on a thread of its own.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;
use std::rc::Rc;
use std::thread;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use wasm_flow_document::Document;

use super::input::{Costed, InputError, InputFormat, Piece, too_long};
use super::terminal;
use crate::bounds::MAX_DOCUMENT;
use crate::file_kind::FileKind;

/// Read at once. What came in one read is handed on before the next one, which
/// may block.
const BUFFER: usize = 64 << 10;

/// Endings of binary files that begin like text or like nothing in particular:
/// docarray's own, among others.
const BINARY_ENDINGS: [&str; 5] = ["bin", "pb", "protobuf", "pickle", "pkl"];

/// A file or pipe of documents.
pub(super) struct Source {
    /// As it is called in messages.
    file: String,
    bytes: Box<dyn Read + Send>,
    length: Option<u64>,
    format: Syntax,
    /// The format was guessed.
    guessed: bool,
}

/// How the bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Text,
    Jsonl,
    Json,
}

impl Source {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// If it cannot be opened, or its name is that of a binary file.
    pub(super) fn open(path: &Path, format: InputFormat) -> Result<Source, InputError> {
        let standard = path == Path::new("-");
        let file = match standard {
            true => "standard input".to_owned(),
            false => path.display().to_string(),
        };
        let ending = match path.extension() {
            Some(ending) if !standard => ending.to_string_lossy().to_ascii_lowercase(),
            _ => String::new(),
        };
        let guessed = format == InputFormat::Auto;
        let format = match (format, ending.as_str()) {
            (InputFormat::Text, _) => Syntax::Text,
            (InputFormat::Jsonl, _) => Syntax::Jsonl,
            (InputFormat::Json, _) => Syntax::Json,
            (InputFormat::Auto, "jsonl" | "ndjson") => Syntax::Jsonl,
            (InputFormat::Auto, "json") => Syntax::Json,
            (InputFormat::Auto, _) => Syntax::Text,
        };
        let unreadable = |source| InputError::Read {
            file: file.clone(),
            source,
        };
        let (bytes, length): (Box<dyn Read + Send>, _) = match standard {
            true => (Box::new(io::stdin()), None),
            false => {
                let opened = File::open(path).map_err(unreadable)?;
                let metadata = opened.metadata().map_err(unreadable)?;
                if metadata.is_dir() {
                    let kind = FileKind::Folder;
                    return Err(InputError::Kind { file, kind });
                }
                let length = metadata.is_file().then_some(metadata.len());
                (Box::new(opened), length)
            }
        };
        if guessed && length != Some(0) && BINARY_ENDINGS.contains(&ending.as_str()) {
            return Err(InputError::BinaryName { file });
        }
        Ok(Source {
            file,
            bytes,
            length,
            format,
            guessed,
        })
    }

    /// The file's length, if it is a regular one.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Begins to read.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn read(self, sender: mpsc::Sender<Piece>) -> Result<(), InputError> {
        let file = self.file.clone();
        let spawned = thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || {
                let failed = self.run(&sender).err();
                if let Some(Stop::Failed(error)) = failed {
                    drop(sender.blocking_send(Err(error)));
                }
            });
        match spawned {
            Ok(_) => Ok(()),
            Err(source) => Err(InputError::Read { file, source }),
        }
    }

    fn run(self, sender: &mpsc::Sender<Piece>) -> Result<(), Stop> {
        let gathered = Rc::new(Gathered {
            docs: RefCell::default(),
            sender: sender.clone(),
        });
        let source = Described {
            file: self.file,
            format: self.format,
            guessed: self.guessed,
        };
        let bytes = Decoded {
            inner: self.bytes,
            source: source.clone(),
            gathered: Rc::clone(&gathered),
            carry: Vec::new(),
            begun: false,
            position: 0,
            lines: 0,
            failure: None,
        };
        let reader = BufReader::with_capacity(BUFFER, bytes);
        let read = match source.format {
            Syntax::Json => read_json(&source, reader, &gathered),
            Syntax::Text | Syntax::Jsonl => read_lines(&source, reader, &gathered),
        };
        // Before an error, too: what was read until then is good.
        gathered.hand_on()?;
        read
    }
}

/// Why reading ends early.
enum Stop {
    Failed(InputError),
    /// Nobody wants more documents.
    Unwanted,
}

impl From<InputError> for Stop {
    fn from(error: InputError) -> Self {
        Stop::Failed(error)
    }
}

#[derive(Clone)]
struct Described {
    file: String,
    format: Syntax,
    guessed: bool,
}

impl Described {
    fn line(&self, at: impl fmt::Display, reason: impl Into<String>) -> Stop {
        Stop::Failed(InputError::Line {
            file: self.file.clone(),
            at: at.to_string(),
            reason: reason.into(),
        })
    }

    /// What went wrong below the parser.
    fn io(&self, error: io::Error) -> Stop {
        match error.downcast::<Failure>() {
            Ok(Failure(Stop::Failed(error))) => Stop::Failed(error),
            Ok(Failure(Stop::Unwanted)) => Stop::Unwanted,
            Err(source) => Stop::Failed(InputError::Read {
                file: self.file.clone(),
                source,
            }),
        }
    }
}

/// Documents that were read and are not handed on yet.
struct Gathered {
    docs: RefCell<Vec<Costed>>,
    sender: mpsc::Sender<Piece>,
}

impl Gathered {
    /// Takes a document, made from `length` bytes, that ends at `position`.
    fn push(&self, doc: Document, length: usize, position: u64) {
        self.docs.borrow_mut().push(Costed {
            doc,
            cost: Costed::OVERHEAD + length,
            position,
        });
    }

    /// Waits until there is room for them.
    fn hand_on(&self) -> Result<(), Stop> {
        let docs = self.docs.take();
        if self.sender.is_closed() {
            return Err(Stop::Unwanted);
        }
        if docs.is_empty() {
            return Ok(());
        }
        self.sender
            .blocking_send(Ok(docs))
            .map_err(|_| Stop::Unwanted)
    }
}

/// A [`Stop`] on its way through `io::Error`.
struct Failure(Stop);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the input cannot be read")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        io::Error::other(Failure(stop))
    }
}

/// The bytes of a file as UTF-8: a byte order mark is taken away, and reading
/// ends in front of what is not UTF-8. Before each read, which may block, what
/// was gathered is handed on.
struct Decoded {
    inner: Box<dyn Read + Send>,
    source: Described,
    gathered: Rc<Gathered>,
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

impl Decoded {
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
    /// kept, and what is none is kept as a failure.
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

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(failure) = self.failure.take() {
                return Err(Stop::Failed(failure).into());
            }
            self.gathered.hand_on()?;
            let kept = self.carry.len();
            // Only this module calls, with a buffer that has room for more than a
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

/// A document a line.
fn read_lines(
    source: &Described,
    mut reader: BufReader<Decoded>,
    gathered: &Gathered,
) -> Result<(), Stop> {
    let mut hint = source.guessed && source.format == Syntax::Text;
    let (mut line, mut number, mut position) = (Vec::new(), 0u64, 0u64);
    loop {
        line.clear();
        let bound = MAX_DOCUMENT as u64 + 1;
        let read = reader.by_ref().take(bound).read_until(b'\n', &mut line);
        let count = read.map_err(|error| source.io(error))?;
        if count == 0 {
            return Ok(());
        }
        number += 1;
        position += count as u64;
        if line.last() != Some(&b'\n') && count as u64 == bound {
            return Err(source.line(number, too_long()));
        }
        let text = std::str::from_utf8(&line).unwrap_or_default();
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if !text.trim().is_empty() {
            if std::mem::take(&mut hint) && looks_like_json(text) {
                terminal::note(&format!(
                    "note: {} looks like JSON and is read as text, a document a line; \
                     --input-format jsonl or json reads its documents",
                    source.file
                ));
            }
            let doc = match source.format {
                Syntax::Jsonl => parse(text).map_err(|(column, reason)| match column {
                    Some(column) => source.line(format_args!("{number}:{column}"), reason),
                    None => source.line(number, reason),
                })?,
                Syntax::Text | Syntax::Json => Document::from_text(text),
            };
            gathered.push(doc, count, position);
        }
        // A long line's memory is not kept for the short ones that follow.
        if line.capacity() > BUFFER {
            line = Vec::new();
        }
    }
}

/// Whether the first line of a text is more likely one of JSON.
fn looks_like_json(line: &str) -> bool {
    match line.trim() {
        "[" | "{" | "[{" => true,
        text if text.starts_with(['{', '[']) => serde_json::from_str::<Value>(text).is_ok(),
        _ => false,
    }
}

/// The document of a line, or the column of what is wrong with it, if one is
/// known, and why.
fn parse(line: &str) -> Result<Document, (Option<usize>, String)> {
    let value = serde_json::from_str(line).map_err(|error| {
        let (column, reason) = placed(&error, line);
        (Some(column), reason)
    })?;
    Document::from_json(&value).map_err(|error| (None, error.to_string()))
}

/// The column of an error in a line, in characters, and the error without the
/// place that it names itself: there the line is always the first.
fn placed(error: &serde_json::Error, line: &str) -> (usize, String) {
    let column = line
        .get(..error.column().saturating_sub(1))
        .map_or(error.column(), |before| before.chars().count() + 1);
    (column, reason(error))
}

/// A JSON error without its place.
fn reason(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    whole.strip_suffix(&place).unwrap_or(&whole).to_owned()
}

/// JSON values, each a document or an array of documents.
fn read_json(
    source: &Described,
    reader: BufReader<Decoded>,
    gathered: &Gathered,
) -> Result<(), Stop> {
    let meter = Rc::new(Meter::default());
    let metered = Metered {
        inner: reader,
        meter: Rc::clone(&meter),
    };
    let mut json = serde_json::Deserializer::from_reader(metered);
    let documents = Documents {
        gathered,
        meter: &meter,
    };
    loop {
        meter.begin_document();
        match json.end() {
            Ok(()) => return Ok(()),
            Err(error) if error.is_io() => return Err(source.io(error.into())),
            // Something else than the end.
            Err(_) => {}
        }
        if let Err(error) = documents.deserialize(&mut json) {
            if error.is_io() {
                return Err(match meter.is_exhausted() {
                    true => source.line(meter.line.get() + 1, too_long()),
                    false => source.io(error.into()),
                });
            }
            let at = match error.is_data() {
                // The parser is behind the document by then.
                true => error.line().to_string(),
                false => format!("{}:{}", error.line(), error.column()),
            };
            return Err(source.line(at, reason(&error)));
        }
    }
}

/// What a document costs to read, while it is being read.
#[derive(Default)]
struct Meter {
    position: Cell<u64>,
    line: Cell<u64>,
    /// Where the present document begins.
    begin: Cell<u64>,
}

impl Meter {
    fn begin_document(&self) {
        self.begin.set(self.position.get());
    }

    fn length(&self) -> u64 {
        self.position.get() - self.begin.get()
    }

    fn is_exhausted(&self) -> bool {
        self.length() > MAX_DOCUMENT as u64
    }
}

/// Counts what the parser takes, and stops it in a document that is too long.
struct Metered<R> {
    inner: R,
    meter: Rc<Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let meter = &self.meter;
        meter.position.set(meter.position.get() + count as u64);
        let taken = buffer.get(..count).unwrap_or_default();
        let ends = taken.iter().filter(|byte| **byte == b'\n').count();
        meter.line.set(meter.line.get() + ends as u64);
        match meter.is_exhausted() {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(count),
        }
    }
}

/// Takes documents out of a JSON value as they are parsed.
#[derive(Clone, Copy)]
struct Documents<'a> {
    gathered: &'a Gathered,
    meter: &'a Meter,
}

impl Documents<'_> {
    fn take<E: serde::de::Error>(&self, value: &Value) -> Result<(), E> {
        let doc = Document::from_json(value).map_err(E::custom)?;
        let length = self.meter.length() as usize;
        self.gathered.push(doc, length, self.meter.position.get());
        self.meter.begin_document();
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Documents<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Documents<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document as an object, or an array of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<Value>()? {
            self.take(&value)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut fields = Map::new();
        while let Some((name, value)) = map.next_entry()? {
            fields.insert(name, value);
        }
        self.take(&Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of a size.
    struct Trickle(Vec<u8>, usize);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            for (to, from) in buffer.iter_mut().zip(self.0.drain(..count)) {
                *to = from;
            }
            Ok(count)
        }
    }

    fn read_in(
        bytes: &[u8],
        format: Syntax,
        guessed: bool,
        step: usize,
    ) -> Result<Vec<Document>, String> {
        let source = Source {
            file: "f".to_owned(),
            bytes: Box::new(Trickle(bytes.to_vec(), step)),
            length: None,
            format,
            guessed,
        };
        let (sender, mut receiver) = mpsc::channel(bytes.len() + 2);
        source.read(sender).map_err(|error| error.to_string())?;
        let mut docs = Vec::new();
        while let Some(piece) = receiver.blocking_recv() {
            let piece = piece.map_err(|error| error.to_string())?;
            docs.extend(piece.into_iter().map(|costed| costed.doc));
        }
        Ok(docs)
    }

    /// However the bytes come, the same is read.
    fn read(bytes: &[u8], format: Syntax) -> Result<Vec<String>, String> {
        let texts = |step| {
            let docs = read_in(bytes, format, false, step)?;
            Ok(docs.iter().map(|doc| doc.text().to_owned()).collect())
        };
        let whole: Result<Vec<String>, String> = texts(usize::MAX);
        for step in [1, 2, 3, 7] {
            assert_eq!(texts(step), whole, "in steps of {step}: {bytes:?}");
        }
        whole
    }

    #[test]
    fn text_is_a_document_a_line() {
        let texts = read(b"a\n\n  b \r\n\xc3\xa4", Syntax::Text).unwrap();
        assert_eq!(texts, ["a", "  b ", "ä"]);
        assert_eq!(read(b"", Syntax::Text).unwrap(), [""; 0]);
    }

    #[test]
    fn json_lines_are_a_document_each_and_bad_ones_are_named() {
        let texts = read(b"{\"text\": \"a\"}\n\n{\"id\": \"x\"}", Syntax::Jsonl).unwrap();
        assert_eq!(texts, ["a", ""]);
        let error = read(b"{}\n{\"txt\": 1}", Syntax::Jsonl).unwrap_err();
        assert!(error.starts_with("f:2: txt: no such field"), "{error}");
        for (text, expected) in [
            ("{}\n\n{\"text\": }", "f:3:10: expected value"),
            ("{\"text\": \"ä🎉\" x}", "f:1:15: expected `,` or `}`"),
            ("{", "f:1:1: EOF while parsing an object"),
            ("[1, 2] 3", "f:1:8: trailing characters"),
        ] {
            assert_eq!(read(text.as_bytes(), Syntax::Jsonl).unwrap_err(), expected);
        }
    }

    #[test]
    fn json_is_a_document_or_an_array_of_them_over_any_lines() {
        for text in [
            "[{\"text\": \"a\"}, {\"text\": \"b\"}]",
            "[\n  {\n    \"text\": \"a\"\n  },\n  {\"text\": \"b\"}\n]\n",
            "{\"text\": \"a\"}\n{\"text\": \"b\"}\n",
            "{\n\"text\": \"a\"\n}\n\n[{\"text\": \"b\"}]",
        ] {
            assert_eq!(read(text.as_bytes(), Syntax::Json).unwrap(), ["a", "b"]);
        }
        assert_eq!(read(b"[]", Syntax::Json).unwrap(), [""; 0]);
        for (text, expected) in [
            (
                "[{\"text\": \"a\"},\n {\"text\": }]",
                "f:2:11: expected value",
            ),
            ("[{}", "f:1:3: EOF while parsing a list"),
            ("[{}] x", "f:1:6: expected value"),
        ] {
            assert_eq!(read(text.as_bytes(), Syntax::Json).unwrap_err(), expected);
        }
        let error = read(b"[{},\n{\"txt\": 1}]", Syntax::Json).unwrap_err();
        assert!(error.starts_with("f:2: txt: no such field"), "{error}");
        let error = read(b"3", Syntax::Json).unwrap_err();
        assert!(error.contains("a document as an object"), "{error}");
    }

    #[test]
    fn a_byte_order_mark_is_taken_away() {
        assert_eq!(read(b"\xef\xbb\xbfa\nb", Syntax::Text).unwrap(), ["a", "b"]);
        assert_eq!(read(b"\xef\xbb\xbf", Syntax::Text).unwrap(), [""; 0]);
        for format in [Syntax::Jsonl, Syntax::Json] {
            let texts = read(b"\xef\xbb\xbf{\"text\": \"a\"}", format).unwrap();
            assert_eq!(texts, ["a"]);
        }
        // In any other place it is a character like others.
        assert_eq!(
            read(b"a\n\xef\xbb\xbfb", Syntax::Text).unwrap(),
            ["a", "\u{feff}b"]
        );
    }

    #[test]
    fn what_is_not_utf8_is_named_by_line_and_byte() {
        let error = read(b"\xef\xbb\xbfgood\nna\xefve\n", Syntax::Text).unwrap_err();
        assert!(
            error.starts_with("f:2: byte 10 of the file (0xef) is not UTF-8"),
            "{error}"
        );
        let error = read(b"[{\"text\":\n\"\xff\"}]", Syntax::Json).unwrap_err();
        assert!(
            error.starts_with("f:2: byte 11 of the file (0xff)"),
            "{error}"
        );
        // Cut off within a character.
        let error = read(b"a\xc3", Syntax::Text).unwrap_err();
        assert!(
            error.starts_with("f:1: byte 1 of the file (0xc3)"),
            "{error}"
        );
    }

    #[test]
    fn what_stands_before_an_error_is_read() {
        for (bytes, format) in [
            (&b"a\nb\n\xff\n"[..], Syntax::Text),
            (b"{}\n{}\n{", Syntax::Jsonl),
            (b"[{},{},3]", Syntax::Json),
            (b"[{},{},\xff]", Syntax::Json),
        ] {
            let source = Source {
                file: "f".to_owned(),
                bytes: Box::new(Trickle(bytes.to_vec(), usize::MAX)),
                length: None,
                format,
                guessed: false,
            };
            let (sender, mut receiver) = mpsc::channel(4);
            source.read(sender).unwrap();
            let docs = receiver.blocking_recv().unwrap().unwrap();
            assert_eq!(docs.len(), 2, "{bytes:?}");
            assert!(receiver.blocking_recv().unwrap().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn other_kinds_of_file_are_refused_with_what_they_are() {
        for (bytes, kind) in [
            (&b"\x1f\x8b\x08\0"[..], "f is a file packed with gzip"),
            (b"%PDF-1.7\n", "f is a PDF document"),
            (b"\x89PNG\r\n\x1a\n", "f is a PNG image"),
            (b"PAR1\x15\x04", "f is a Parquet file"),
            (b"PK\x03\x04", "f is a zip archive"),
            (b"\x80\x05\x95", "f is a Python pickle"),
            (b"\xff\xfea\0", "f is text in UTF-16"),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "f is a git-lfs pointer",
            ),
        ] {
            let error = read_in(bytes, Syntax::Text, true, usize::MAX).unwrap_err();
            assert!(error.starts_with(kind), "{error}");
        }
        // Text that was asked for.
        let docs = read_in(b"%PDF-1.7", Syntax::Text, false, usize::MAX).unwrap();
        assert_eq!(docs[0].text(), "%PDF-1.7");
    }

    #[test]
    fn json_that_is_read_as_text_is_noticed() {
        for (line, expected) in [
            ("{\"text\": 1}", true),
            ("[", true),
            ("[{\"a\": 1}]", true),
            ("{not json}", false),
            ("[1] Smith et al.", false),
            ("plain", false),
        ] {
            assert_eq!(looks_like_json(line), expected, "{line}");
        }
    }
}

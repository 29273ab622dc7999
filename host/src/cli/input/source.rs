//! A file of documents, read on a thread of its own.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;
use std::thread;

use tokio::sync::mpsc;

use super::error::InputError;
use super::format::{InputFormat, Syntax};
use super::pending::{Pending, Piece};
use super::source_info::SourceInfo;
use super::stop::Stop;
use super::utf8::Utf8Reader;
use super::{json, lines};
use crate::bounds::INPUT_BUFFER;
use crate::file_kind::FileKind;

/// Endings of binary files that begin like text or like nothing in particular:
/// docarray's own, among others.
const BINARY_ENDINGS: [&str; 5] = ["bin", "pb", "protobuf", "pickle", "pkl"];

/// A file or pipe of documents.
pub(super) struct Source {
    info: SourceInfo,
    bytes: Box<dyn Read + Send>,
    length: Option<u64>,
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
        let format = format.syntax(&ending);
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
            info: SourceInfo {
                file,
                format,
                guessed,
            },
            bytes,
            length,
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
        let file = self.info.file.clone();
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
        let pending = Rc::new(Pending::new(sender.clone()));
        let source = self.info;
        let bytes = Utf8Reader::new(self.bytes, source.clone(), Rc::clone(&pending));
        let reader = BufReader::with_capacity(INPUT_BUFFER, bytes);
        let read = match source.format {
            Syntax::Json => json::read(&source, reader, &pending),
            Syntax::Text | Syntax::Jsonl => lines::read(&source, reader, &pending),
        };
        // Before an error, too: what was read until then is good.
        pending.hand_on()?;
        read
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_document::Document;

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
            info: SourceInfo {
                file: "f".to_owned(),
                format,
                guessed,
            },
            bytes: Box::new(Trickle(bytes.to_vec(), step)),
            length: None,
        };
        let (sender, mut receiver) = mpsc::channel(bytes.len() + 2);
        source.read(sender).map_err(|error| error.to_string())?;
        let mut docs = Vec::new();
        while let Some(piece) = receiver.blocking_recv() {
            let piece = piece.map_err(|error| error.to_string())?;
            docs.extend(piece.into_iter().map(|read| read.doc));
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
                info: SourceInfo {
                    file: "f".to_owned(),
                    format,
                    guessed: false,
                },
                bytes: Box::new(Trickle(bytes.to_vec(), usize::MAX)),
                length: None,
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
}

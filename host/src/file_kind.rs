//! What a file is, by its first bytes: so that the wrong kind of file is
//! refused for what it is.
//!
//! This recognises what people pass by mistake. It does not check that the rest
//! of the file is what its beginning promises.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::bounds::FILE_HEAD;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A folder.
    Folder,
    /// A file without a byte.
    Empty,
    /// A WebAssembly component.
    Component,
    /// A core WebAssembly module.
    CoreModule,
    /// WebAssembly of another version, or cut short.
    OtherWasm,
    /// WebAssembly's text format.
    Wat,
    /// A program or library for a machine; the name of its format.
    Native(&'static str),
    /// An HTML page, as servers send it in place of a file.
    Html,
    /// What git leaves in place of a file that is kept in git-lfs.
    LfsPointer,
    /// Compressed; the name of the format, and the program that unpacks it.
    Packed(&'static str, &'static str),
    /// Another well-known format that is not text.
    Foreign(&'static str),
    /// Text in UTF-16 or UTF-32.
    WideText,
    /// Anything else that begins like text.
    Text,
    /// Anything else.
    Binary,
    /// A pipe or a device: it cannot be looked at without taking from it.
    Stream,
}

/// Formats by the bytes that they begin with.
const SIGNATURES: &[(&[u8], FileKind)] = &[
    (b"\0asm\x0d\0\x01\0", FileKind::Component),
    (b"\0asm\x01\0\0\0", FileKind::CoreModule),
    (b"\0asm", FileKind::OtherWasm),
    (b"\x7fELF", FileKind::Native("an ELF")),
    (b"\xfe\xed\xfa\xce", FileKind::Native("a Mach-O")),
    (b"\xfe\xed\xfa\xcf", FileKind::Native("a Mach-O")),
    (b"\xce\xfa\xed\xfe", FileKind::Native("a Mach-O")),
    (b"\xcf\xfa\xed\xfe", FileKind::Native("a Mach-O")),
    (b"MZ\x90\0", FileKind::Native("a Windows")),
    (b"\x1f\x8b", FileKind::Packed("gzip", "gunzip")),
    (b"\xfd7zXZ\0", FileKind::Packed("xz", "unxz")),
    (b"\x28\xb5\x2f\xfd", FileKind::Packed("zstd", "unzstd")),
    (b"\x04\x22\x4d\x18", FileKind::Packed("lz4", "unlz4")),
    (b"PK\x03\x04", FileKind::Packed("zip", "unzip")),
    (b"PK\x05\x06", FileKind::Packed("zip", "unzip")),
    (b"7z\xbc\xaf\x27\x1c", FileKind::Packed("7z", "7z x")),
    (b"%PDF-", FileKind::Foreign("a PDF document")),
    (b"\x89PNG\r\n\x1a\n", FileKind::Foreign("a PNG image")),
    (b"\xff\xd8\xff", FileKind::Foreign("a JPEG image")),
    (b"GIF87a", FileKind::Foreign("a GIF image")),
    (b"GIF89a", FileKind::Foreign("a GIF image")),
    (b"PAR1\x15", FileKind::Foreign("a Parquet file")),
    (b"ARROW1\0\0", FileKind::Foreign("an Arrow file")),
    (
        b"SQLite format 3\0",
        FileKind::Foreign("an SQLite database"),
    ),
    (b"\x89HDF\r\n\x1a\n", FileKind::Foreign("an HDF5 file")),
    (b"\x93NUMPY", FileKind::Foreign("a NumPy array")),
    // DocumentArray.save_binary, by default and with pickle or protobuf for each
    // document. Its `protobuf-array` has no signature.
    (b"\x80\x03", FileKind::Foreign("a Python pickle")),
    (b"\x80\x04", FileKind::Foreign("a Python pickle")),
    (b"\x80\x05", FileKind::Foreign("a Python pickle")),
    (
        b"\x01\0\0\0\0",
        FileKind::Foreign("a DocumentArray in docarray's binary form"),
    ),
    (b"\xff\xfe", FileKind::WideText),
    (b"\xfe\xff", FileKind::WideText),
    (b"version https://git-lfs", FileKind::LfsPointer),
];

impl FileKind {
    /// Looks at a file. A pipe or a device is not read.
    ///
    /// # Errors
    /// If it cannot be opened or read.
    pub(crate) fn of(path: impl AsRef<Path>) -> io::Result<FileKind> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Ok(FileKind::Folder);
        }
        if !metadata.is_file() {
            return Ok(FileKind::Stream);
        }
        let mut head = Vec::new();
        File::open(path)?.take(FILE_HEAD).read_to_end(&mut head)?;
        Ok(FileKind::of_bytes(&head))
    }

    /// The kind of a file that begins with these bytes.
    pub(crate) fn of_bytes(bytes: &[u8]) -> FileKind {
        let head = bytes.get(..FILE_HEAD as usize).unwrap_or(bytes);
        if head.is_empty() {
            return FileKind::Empty;
        }
        if let Some((_, kind)) = SIGNATURES
            .iter()
            .find(|(signature, _)| head.starts_with(signature))
        {
            return *kind;
        }
        if matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', ..]) {
            return FileKind::Packed("bzip2", "bunzip2");
        }
        let text = match std::str::from_utf8(head) {
            Ok(text) => text,
            // The head may end within a character.
            Err(error) if error.error_len().is_none() => {
                let whole = head.get(..error.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(whole).unwrap_or_default()
            }
            Err(_) => return FileKind::Binary,
        };
        if text.contains('\0') {
            return FileKind::Binary;
        }
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let begins = text.get(..16).unwrap_or(text).to_ascii_lowercase();
        if begins.starts_with("<!doctype html") || begins.starts_with("<html") {
            return FileKind::Html;
        }
        if begins.starts_with("(module") || begins.starts_with("(component") {
            return FileKind::Wat;
        }
        FileKind::Text
    }

    /// What to do with a file of this kind, if that does not depend on what was
    /// expected in its place.
    pub(crate) fn way_out(self) -> Option<String> {
        Some(match self {
            FileKind::Empty => "the program that wrote it may have been cut short".to_owned(),
            FileKind::Html => {
                "a server sends one in place of a file that it does not have: look at the address \
                 that it was downloaded from"
                    .to_owned()
            }
            FileKind::LfsPointer => "`git lfs pull` fetches the file itself".to_owned(),
            FileKind::Packed(_, program) => format!("unpack it first (`{program}`)"),
            FileKind::WideText => {
                "convert it to UTF-8 first (`iconv -f UTF-16 -t UTF-8`)".to_owned()
            }
            _ => return None,
        })
    }
}

/// As in "`x` is {kind}".
impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Folder => "a folder",
            FileKind::Empty => "an empty file",
            FileKind::Component => "a WebAssembly component",
            FileKind::CoreModule => "a core WebAssembly module",
            FileKind::OtherWasm => "a WebAssembly file of an unknown version, or cut short",
            FileKind::Wat => "WebAssembly in its text format",
            FileKind::Native(format) => {
                return write!(f, "{format} file, a program or library for a machine");
            }
            FileKind::Html => "an HTML page",
            FileKind::LfsPointer => "a git-lfs pointer, not the file that it stands for",
            FileKind::Packed("zip", _) => "a zip archive",
            FileKind::Packed(format, _) => return write!(f, "a file packed with {format}"),
            FileKind::Foreign(name) => name,
            FileKind::WideText => "text in UTF-16 or UTF-32",
            FileKind::Text => "a text file",
            FileKind::Binary => "a binary file",
            FileKind::Stream => "a pipe or a device",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_beginning() {
        for (bytes, kind) in [
            (&b""[..], FileKind::Empty),
            (b"\0asm\x0d\0\x01\0...", FileKind::Component),
            (b"\0asm\x01\0\0\0...", FileKind::CoreModule),
            (b"\0asm", FileKind::OtherWasm),
            (b"\0asm\x0e\0\x01\0", FileKind::OtherWasm),
            (b" (module)", FileKind::Wat),
            (b"(component (import", FileKind::Wat),
            (b"\n<!DOCTYPE html>\n<html>", FileKind::Html),
            (b"<html lang=", FileKind::Html),
            (b"\xef\xbb\xbfplain", FileKind::Text),
            (b"<p>\xc3\xa4</p> is text for an executor", FileKind::Text),
            (b"{}", FileKind::Text),
            ("\u{e4}".as_bytes(), FileKind::Text),
            (b"caf\xe9 au lait", FileKind::Binary),
            (b"a\0b", FileKind::Binary),
            (b"\x1f\x8b\x08\0", FileKind::Packed("gzip", "gunzip")),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                FileKind::LfsPointer,
            ),
            (b"version = 1", FileKind::Text),
            (b"BZhang", FileKind::Text),
            (b"BZh91AY&SY", FileKind::Packed("bzip2", "bunzip2")),
            (b"\xff\xfea\0", FileKind::WideText),
        ] {
            assert_eq!(FileKind::of_bytes(bytes), kind, "{bytes:?}");
        }
    }

    /// The head of a long text ends anywhere.
    #[test]
    fn a_character_may_be_cut_by_the_bound() {
        for shift in 0..4 {
            let text = "x".repeat(FILE_HEAD as usize - shift) + "\u{1f389}";
            assert_eq!(FileKind::of_bytes(text.as_bytes()), FileKind::Text);
        }
    }
}

//! JSON values over any lines, each a document or an array of documents.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use wasm_flow_document::Document;

use super::error::too_long;
use super::pending::Pending;
use super::source_info::SourceInfo;
use super::stop::Stop;
use crate::bounds::MAX_DOCUMENT;

/// Reads documents as they are parsed.
pub(super) fn read(source: &SourceInfo, reader: impl Read, pending: &Pending) -> Result<(), Stop> {
    let meter = Rc::new(Meter::default());
    let metered = Metered {
        inner: reader,
        meter: Rc::clone(&meter),
    };
    let mut json = serde_json::Deserializer::from_reader(metered);
    let documents = Documents {
        pending,
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
    pending: &'a Pending,
    meter: &'a Meter,
}

impl Documents<'_> {
    fn take<E: serde::de::Error>(&self, value: &Value) -> Result<(), E> {
        let doc = Document::from_json(value).map_err(E::custom)?;
        let length = self.meter.length() as usize;
        self.pending.push(doc, length, self.meter.position.get());
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

/// A JSON error without its place.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    whole.strip_suffix(&place).unwrap_or(&whole).to_owned()
}

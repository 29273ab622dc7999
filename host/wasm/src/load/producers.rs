//! The tools that a component was made with, as its `producers` sections say.
//!
//! [The convention](https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md)
//! is for people: nothing here depends on what it says.

use serde::Serialize;
use wasmparser::{KnownCustom, Parser, Payload, ProducersSectionReader};

use crate::bounds::{MAX_NAME, MAX_PRODUCERS};
use crate::text::printable;

/// A language or a tool, as the component has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Such as `rustc`.
    pub name: String,
    /// Its version; empty if it has none.
    pub version: String,
}

/// What a component and the modules inside say. What cannot be read is passed over.
pub(super) fn of(bytes: &[u8]) -> Vec<Producer> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        if found.len() == MAX_PRODUCERS {
            break;
        }
        match payload {
            Ok(Payload::CustomSection(section)) => {
                if let KnownCustom::Producers(section) = section.as_known() {
                    // Up to where it is malformed.
                    let _ = add(section, &mut found);
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    found
}

fn add(section: ProducersSectionReader, found: &mut Vec<Producer>) -> wasmparser::Result<()> {
    for field in section {
        let field = field?;
        for value in field.values {
            let value = value?;
            if value.name.len().max(value.version.len()) > MAX_NAME {
                continue;
            }
            let producer = Producer {
                field: field.name.to_owned(),
                name: printable(value.name),
                version: printable(value.version),
            };
            // Each module of a component says the same again.
            if !found.contains(&producer) {
                found.push(producer);
            }
            if found.len() == MAX_PRODUCERS {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with one section of tools.
    fn made_with(values: &[(&str, &str)]) -> Vec<u8> {
        fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
            let text = text.as_ref();
            let mut length = text.len();
            let mut bytes = Vec::new();
            while length > 0x7f {
                bytes.push(length as u8 | 0x80);
                length >>= 7;
            }
            bytes.push(length as u8);
            bytes.extend(text);
            bytes
        }
        let mut content = text("producers");
        content.push(1);
        content.extend(text("processed-by"));
        content.push(u8::try_from(values.len()).unwrap());
        for (name, version) in values {
            content.extend(text(name));
            content.extend(text(version));
        }
        let mut component = b"\0asm\x0d\0\x01\0\0".to_vec();
        component.extend(text(content));
        component
    }

    fn names(component: &[u8]) -> Vec<String> {
        of(component).into_iter().map(|found| found.name).collect()
    }

    #[test]
    fn tools_are_named_once_and_what_is_too_long_is_passed_over() {
        let long = "x".repeat(MAX_NAME + 1);
        let component = made_with(&[
            ("rustc", "1.95.0"),
            (&long, ""),
            ("rustc", "1.95.0"),
            ("a\u{1b}[31m", ""),
            ("tool", &long),
        ]);
        let found = of(&component);
        let rustc = Producer {
            field: "processed-by".to_owned(),
            name: "rustc".to_owned(),
            version: "1.95.0".to_owned(),
        };
        assert_eq!(found.first(), Some(&rustc));
        assert_eq!(found.len(), 2);
        assert!(!names(&component).concat().contains('\u{1b}'));
    }

    #[test]
    fn there_are_no_more_than_so_many_and_what_is_cut_is_passed_over() {
        let many: Vec<String> = (0..60).map(|number| number.to_string()).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (&**name, "")).collect();
        let component = made_with(&many);
        assert_eq!(of(&component).len(), MAX_PRODUCERS);
        for length in 0..component.len() {
            assert!(of(component.get(..length).unwrap()).len() <= MAX_PRODUCERS);
        }
    }
}

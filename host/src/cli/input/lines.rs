//! A document a line.

use std::io::{BufRead, Read as _};

use serde_json::Value;
use wasm_flow_document::Document;

use super::error::too_long;
use super::format::Syntax;
use super::json::reason;
use super::pending::Pending;
use super::source_info::SourceInfo;
use super::stop::Stop;
use crate::bounds::{INPUT_BUFFER, MAX_DOCUMENT};
use crate::cli::terminal;

/// Reads text, or JSON lines.
pub(super) fn read(
    source: &SourceInfo,
    mut reader: impl BufRead,
    pending: &Pending,
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
            pending.push(doc, count, position);
        }
        // A long line's memory is not kept for the short ones that follow.
        if line.capacity() > INPUT_BUFFER {
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

#[cfg(test)]
mod tests {
    use super::*;

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

//! How much room text takes. Nobody knows which font it will be shown in, so this is
//! what the widest of the usual ones takes, and the rest is cut off.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar as _;

/// A font of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Font {
    /// In pixels.
    pub(crate) size: f64,
    pub(crate) face: Face,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// Letters of different widths, bold or not.
    Sans,
    /// All of one width.
    Mono,
}

impl Font {
    pub(crate) fn width(self, text: &str) -> f64 {
        text.chars().map(|c| self.character(c)).sum()
    }

    /// The text, or as much of it as has so much room.
    pub(crate) fn fitted(self, text: &str, room: f64, cut: Cut) -> Cow<'_, str> {
        fitted(text, room, cut, |part| self.width(part))
    }

    fn character(self, c: char) -> f64 {
        let ems = match (c.width().unwrap_or(0), self.face) {
            (0, _) => 0.0,
            (1, Face::Mono) if c < '\u{500}' => 0.62,
            (1, Face::Sans) if c < '\u{180}' => sans(c),
            // Letters of scripts with wide ones, and emoji.
            _ => 1.4,
        };
        self.size * ems
    }
}

/// Measured in DejaVu Sans Bold, which is wider than Arial, Helvetica, Inter, Roboto and
/// Segoe UI.
fn sans(c: char) -> f64 {
    match c {
        ' ' | '\'' | ',' | '-' | '.' | '/' | ':' | ';' | '\\' | '|' => 0.44,
        'i' | 'j' | 'l' | 'f' | 'I' => 0.44,
        '!' | '"' | '(' | ')' | '*' | '?' | '[' | ']' | '_' | '`' => 0.62,
        'c' | 'r' | 's' | 't' | 'z' | 'J' => 0.62,
        '%' | '&' | '@' | 'M' | 'W' | 'm' | 'w' => 1.11,
        'Æ' | 'æ' | 'Œ' | 'œ' => 1.2,
        'a'..='z' | '0'..='9' | '$' | '{' | '}' | 'E' | 'F' | 'L' | 'T' => 0.72,
        _ => 0.86,
    }
}

/// Which end of a text is left out if there is no room for all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Beginning,
    End,
}

/// The text, or as much of it as there is room for. `width` says how much a part takes.
fn fitted(text: &str, room: f64, cut: Cut, width: impl Fn(&str) -> f64) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let mut room = room - width("…");
    let mut fits = |c: char| {
        room -= width(c.encode_utf8(&mut [0; 4]));
        room >= 0.0
    };
    Cow::Owned(match cut {
        Cut::End => {
            let kept = text.chars().take_while(|&c| fits(c));
            kept.chain(['…']).collect()
        }
        Cut::Beginning => {
            let kept: Vec<char> = text.chars().rev().take_while(|&c| fits(c)).collect();
            std::iter::once('…').chain(kept.into_iter().rev()).collect()
        }
    })
}

/// How many columns of a terminal text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The text, or as much of it as fits in so many columns of a terminal.
pub(crate) fn fitted_columns(text: &str, room: usize, cut: Cut) -> Cow<'_, str> {
    fitted(text, room as f64, cut, |part| columns(part) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_cut() {
        for (text, room, cut, expected) in [
            ("encode", 6, Cut::End, "encode"),
            ("encode", 5, Cut::End, "enco…"),
            ("encode", 5, Cut::Beginning, "…code"),
            ("encode", 1, Cut::End, "…"),
            ("編碼器", 5, Cut::End, "編碼…"),
            ("編碼器", 4, Cut::Beginning, "…器"),
            ("", 0, Cut::End, ""),
        ] {
            assert_eq!(fitted_columns(text, room, cut), expected);
        }
    }

    #[test]
    fn wide_letters_take_more_room() {
        let font = |face| Font { size: 10.0, face };
        let (sans, mono) = (font(Face::Sans), font(Face::Mono));
        assert!(sans.width("mmmm") > 2.0 * sans.width("iiii"));
        assert_eq!(mono.width("mmmm"), mono.width("iiii"));
        assert!(mono.width("編") > 10.0);
        assert!(sans.width("Щ") > 13.0);
    }
}

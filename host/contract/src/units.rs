//! Sizes and durations, as people write and read them.

use std::fmt;
use std::time::Duration;

/// Reads a size: `256MiB`, `1.5 GB`, `64 KiB`, `100 B`.
///
/// `KB`, `MB` and `GB` are powers of 1000, `KiB`, `MiB` and `GiB` of 1024.
///
/// # Errors
/// A sentence for a person, when the text is something else or too large.
pub fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("B", 1),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    let (number, unit) = number_and_unit(text)
        .ok_or_else(|| "expected a number and a unit, as in \"256MiB\"".to_owned())?;
    let factor = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .map(|(_, factor)| *factor)
        .ok_or_else(|| match unit {
            "" => "the unit is missing: B, KB, MB, GB, KiB, MiB or GiB".to_owned(),
            other => format!("unknown unit `{other}`; known: B, KB, MB, GB, KiB, MiB, GiB"),
        })?;
    let bytes = number * factor as f64;
    // Above 2^53 a float no longer holds every whole number, and no machine
    // has that much memory.
    if bytes > 9_007_199_254_740_992.0 {
        return Err("larger than any machine's memory".to_owned());
    }
    Ok(bytes.round() as u64)
}

/// The longest duration that can be read: a year.
pub const MAX_DURATION: Duration = Duration::from_secs(31_536_000);

/// Reads a duration: `500ms`, `10s`, `1.5m`, `2h`.
///
/// # Errors
/// A sentence for a person, when the text is something else, zero, or longer
/// than a year.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (number, unit) = number_and_unit(text)
        .ok_or_else(|| "expected a number and a unit, as in \"10s\"".to_owned())?;
    let factor = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
        .ok_or_else(|| match unit {
            "" => "the unit is missing: ms, s, m or h".to_owned(),
            other => format!("unknown unit `{other}`; known: ms, s, m, h"),
        })?;
    let seconds = number * factor;
    if seconds > MAX_DURATION.as_secs_f64() {
        return Err("longer than a year".to_owned());
    }
    let duration = Duration::from_secs_f64(seconds);
    if duration.is_zero() {
        return Err("must be longer than zero".to_owned());
    }
    Ok(duration)
}

/// Splits `10 ms` into 10.0 and `ms`.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.replace('_', "").parse().ok()?;
    Some((number, unit.trim_start()))
}

/// Bytes for a person: exact in the largest binary unit that leaves no rest, else
/// rounded to one decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match UNITS.iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) if self.0.is_multiple_of(*unit) => {
                write!(f, "{} {name}", self.0 / unit)
            }
            Some((unit, name)) => write!(f, "{:.1} {name}", self.0 as f64 / *unit as f64),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (256 << 20, "256 MiB"),
            (4 << 30, "4 GiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("256MiB", 256 << 20),
            ("1 GiB", 1 << 30),
            ("1.5KiB", 1536),
            ("10MB", 10_000_000),
            ("1_000 B", 1000),
            ("4kib", 4096),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MiB",
            "12",
            "12 apples",
            "-1MiB",
            "1.2.3MiB",
            "9999999999GiB",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("1.5m", 90_000),
            ("2 h", 7_200_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in ["", "s", "10", "0s", "10 sec", "-1s", "1e9h", "99999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}

//! A request's place in a distributed trace.

use std::fmt;

/// The trace that a client's request belongs to: W3C's [`traceparent`], which
/// OpenTelemetry sends.
///
/// [`traceparent`]: https://www.w3.org/TR/trace-context/#traceparent-header
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The whole trace. Never all zeros.
    trace_id: [u8; 16],
    /// The client's span. Never all zeros.
    parent_id: [u8; 8],
    /// Bit 0: the client records this trace.
    flags: u8,
}

/// A `traceparent` that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent, as in 00-<32 hex digits>-<16 hex digits>-01")]
pub struct TraceContextError;

impl TraceContext {
    /// Reads a `traceparent` header. One of a later version than 00 may be
    /// longer; what is known of it is read, as the standard wants it.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<TraceContext, TraceContextError> {
        let mut fields = text.trim().split('-');
        let mut next = || fields.next().ok_or(TraceContextError);
        let [version] = hex::<1>(next()?)?;
        let context = TraceContext {
            trace_id: hex(next()?)?,
            parent_id: hex(next()?)?,
            flags: hex::<1>(next()?).map(|[flags]| flags)?,
        };
        let whole = version != 0 || fields.next().is_none();
        let known = version != 0xff && context.trace_id != [0; 16] && context.parent_id != [0; 8];
        match whole && known {
            true => Ok(context),
            false => Err(TraceContextError),
        }
    }

    /// The trace's id in hexadecimal digits, for logs.
    pub fn trace_id(&self) -> impl fmt::Display + use<> {
        Hex(self.trace_id)
    }
}

impl fmt::Display for TraceContext {
    /// As a `traceparent` of version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{}-{}-{:02x}",
            Hex(self.trace_id),
            Hex(self.parent_id),
            self.flags
        )
    }
}

/// Bytes as hexadecimal digits.
struct Hex<const N: usize>([u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Exactly `N` bytes from lower-case hexadecimal digits, as the standard has it.
fn hex<const N: usize>(text: &str) -> Result<[u8; N], TraceContextError> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(TraceContextError);
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(TraceContextError),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        if let [high, low] = pair {
            *byte = value(*high)? << 4 | value(*low)?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn read_and_written() {
        let context = TraceContext::parse(EXAMPLE).unwrap();
        assert_eq!(context.to_string(), EXAMPLE);
        assert_eq!(
            context.trace_id().to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
    }

    #[test]
    fn a_later_version_may_say_more() {
        let later = EXAMPLE.replacen("00", "01", 1) + "-more";
        assert_eq!(TraceContext::parse(&later).unwrap().to_string(), EXAMPLE);
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(text), Err(TraceContextError), "{text}");
        }
    }
}

//! Protobuf's wire format: fields read without copying them, and fields written.
//!
//! What needs a message read in full and checked field by field has its own
//! reader on top of this one; a generated type is the better choice for
//! everything else.
//!
//! Lengths are `u64` and saturate. A message that is longer than that cannot be
//! written, so whoever writes one compares its length with a bound first, and
//! reserves memory after that.

use std::fmt;

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_varint, encoded_len_varint, skip_field};

/// What is wrong with the bytes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes end in the middle of a value.
    Truncated,
    /// A number has more than 64 bits.
    Varint,
    /// A field has no valid number and wire type.
    Key,
    /// A group is malformed.
    Group,
    /// The field's value has a wire type other than the one that it must have.
    WireType,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Truncated => "the bytes end in the middle of a value",
            Fault::Varint => "a number has more than 64 bits",
            Fault::Key => "a field has no valid number and wire type",
            Fault::Group => "a group of unknown fields is malformed",
            Fault::WireType => "the field has the wrong wire type",
        })
    }
}

impl std::error::Error for Fault {}

/// Some of the bytes of a frame. Reading them copies nothing, and
/// [`share`](Self::share) keeps them by sharing the frame.
#[derive(Debug, Clone, Copy)]
pub struct Slice<'a> {
    frame: &'a Bytes,
    bytes: &'a [u8],
}

impl<'a> Slice<'a> {
    /// Whether this is a message by itself: fields from its first byte to its last.
    ///
    /// # Errors
    /// What is wrong with the first field that cannot be read.
    fn check_whole(self) -> Result<(), Fault> {
        let mut reader = Reader::new(self);
        while reader.field()?.is_some() {}
        Ok(())
    }

    /// The whole frame.
    #[inline]
    pub fn of(frame: &'a Bytes) -> Self {
        Slice {
            frame,
            bytes: frame,
        }
    }

    /// The bytes, to look at.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes, to keep. The whole frame stays in memory as long as they do.
    #[inline]
    pub fn share(self) -> Bytes {
        self.frame.slice_ref(self.bytes)
    }
}

/// The value of one field, as it is on the wire.
#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    /// A whole number, a boolean or an enum.
    Varint(u64),
    /// 8 bytes, a `double` for instance.
    Fixed64(u64),
    /// 4 bytes, a `float` for instance.
    Fixed32(u32),
    /// A string, bytes, a message, or packed numbers.
    Len(Slice<'a>),
    /// The fields between two keys: proto2's form of a nested message, which is
    /// skipped.
    Group,
}

impl<'a> Field<'a> {
    /// The bytes of a string, of bytes or of a message.
    ///
    /// # Errors
    /// If the field has another wire type.
    #[inline]
    pub fn slice(self) -> Result<Slice<'a>, Fault> {
        match self {
            Field::Len(slice) => Ok(slice),
            _ => Err(Fault::WireType),
        }
    }
}

/// Reads the fields of one message, in the order in which they come.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads the message that `slice` holds.
    #[inline]
    pub fn new(slice: Slice<'a>) -> Self {
        Reader {
            frame: slice.frame,
            rest: slice.bytes,
        }
    }

    /// How many bytes are not read yet.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, Fault> {
        decode_varint(&mut self.rest).map_err(|_| {
            if self.rest.len() < 10 {
                Fault::Truncated
            } else {
                Fault::Varint
            }
        })
    }

    /// The number and the value of the next field, or `None` at the message's end.
    ///
    /// # Errors
    /// If the bytes are malformed. There is nothing to read after that.
    // Measured: decoding documents takes a third longer if the compiler decides.
    #[inline(always)]
    pub fn field(&mut self) -> Result<Option<(u32, Field<'a>)>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        // Keys have 32 bits: a field's number is less than 2^29.
        let key = u32::try_from(self.varint()?).map_err(|_| Fault::Key)?;
        let number = key >> 3;
        if number == 0 {
            return Err(Fault::Key);
        }
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 if self.rest.len() >= 8 => Field::Fixed64(self.rest.get_u64_le()),
            5 if self.rest.len() >= 4 => Field::Fixed32(self.rest.get_u32_le()),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Fault::Truncated)?;
                let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Fault::Truncated)?;
                self.rest = rest;
                Field::Len(Slice {
                    frame: self.frame,
                    bytes,
                })
            }
            1 | 5 => return Err(Fault::Truncated),
            3 => {
                skip_field(
                    WireType::StartGroup,
                    number,
                    &mut self.rest,
                    DecodeContext::default(),
                )
                .map_err(|_| Fault::Group)?;
                Field::Group
            }
            _ => return Err(Fault::Key),
        };
        Ok(Some((number, field)))
    }

    /// The same with the field's whole encoding, its key included: what it takes
    /// to write the field again.
    ///
    /// # Errors
    /// As [`field`](Self::field).
    pub fn field_encoded(&mut self) -> Result<Option<(u32, Field<'a>, Slice<'a>)>, Fault> {
        let before = self.rest;
        let Some((number, field)) = self.field()? else {
            return Ok(None);
        };
        let len = before.len().saturating_sub(self.rest.len());
        let (bytes, _) = before.split_at_checked(len).ok_or(Fault::Truncated)?;
        let slice = Slice {
            frame: self.frame,
            bytes,
        };
        Ok(Some((number, field, slice)))
    }
}

/// The occurrences of a message field. Protobuf merges them, and the encoding of
/// the merged message is their encodings one after the other.
///
/// A field that occurs once, as nearly every one does, is not copied. A field
/// that occurs often is copied once in all.
#[derive(Debug, Default)]
pub struct Merging<'a> {
    first: Option<Slice<'a>>,
    several: bool,
    /// All of them, if there are several.
    all: Vec<u8>,
}

impl<'a> Merging<'a> {
    /// A field that has occurred once.
    #[inline]
    pub fn of(first: Slice<'a>) -> Self {
        Merging {
            first: Some(first),
            ..Merging::default()
        }
    }

    /// Takes the next occurrence.
    ///
    /// # Errors
    /// If there are several, and a field begins in one and ends in another: each has
    /// to be a message by itself.
    #[inline]
    pub fn add(&mut self, more: Slice<'a>) -> Result<(), Fault> {
        match self.first {
            None => self.first = Some(more),
            Some(first) => {
                if !self.several {
                    self.several = true;
                    first.check_whole()?;
                    self.all.extend_from_slice(first.bytes);
                }
                more.check_whole()?;
                self.all.extend_from_slice(more.bytes);
            }
        }
        Ok(())
    }

    /// The merged message, or `None` if the field did not occur.
    #[inline]
    pub fn end(self) -> Option<Merged<'a>> {
        let first = self.first?;
        Some(match self.several {
            false => Merged(Inner::One(first)),
            true => Merged(Inner::Many(self.all.into())),
        })
    }
}

/// A message field with all its occurrences merged.
#[derive(Debug)]
pub struct Merged<'a>(Inner<'a>);

#[derive(Debug)]
enum Inner<'a> {
    One(Slice<'a>),
    Many(Bytes),
}

impl Merged<'_> {
    /// The encoded message, to read.
    #[inline]
    pub fn slice(&self) -> Slice<'_> {
        match &self.0 {
            Inner::One(slice) => *slice,
            Inner::Many(bytes) => Slice::of(bytes),
        }
    }

    /// The encoded message, to keep.
    pub fn share(self) -> Bytes {
        match self.0 {
            Inner::One(slice) => slice.share(),
            Inner::Many(bytes) => bytes,
        }
    }
}

// --- lengths and writing ---------------------------------------------------
//
// Proto3 does not write a scalar that has its default value. It does write a
// message or a member of a oneof that is set, even if it is empty.

/// Bytes of a field's key.
#[inline]
fn key_len(number: u32) -> u64 {
    prost::encoding::key_len(number) as u64
}

#[inline]
fn varint_len(value: u64) -> u64 {
    encoded_len_varint(value) as u64
}

/// Bytes of a field of `len` bytes: a message, or a string or bytes that are
/// written even if they are empty.
#[inline]
pub fn message_len(number: u32, len: u64) -> u64 {
    key_len(number)
        .saturating_add(varint_len(len))
        .saturating_add(len)
}

/// Bytes of a string or bytes field, which is left out if it is empty.
#[inline]
pub fn bytes_len(number: u32, value: &[u8]) -> u64 {
    if value.is_empty() {
        0
    } else {
        message_len(number, value.len() as u64)
    }
}

/// Bytes of a `uint32` field, which is left out if it is 0.
#[inline]
pub fn uint32_len(number: u32, value: u32) -> u64 {
    if value == 0 {
        0
    } else {
        key_len(number) + varint_len(u64::from(value))
    }
}

/// Bytes of a `float` field, which is left out if it is 0. The other zero, -0.0,
/// is written.
#[inline]
pub fn float_len(number: u32, value: f32) -> u64 {
    if value.to_bits() == 0 {
        0
    } else {
        key_len(number) + 4
    }
}

/// Bytes of a `repeated uint32` field in packed form.
#[inline]
pub fn uint32s_len(number: u32, values: &[u32]) -> u64 {
    if values.is_empty() {
        0
    } else {
        message_len(number, varints_len(values))
    }
}

/// Bytes of a `repeated float` field in packed form.
#[inline]
pub fn floats_len(number: u32, values: &[f32]) -> u64 {
    if values.is_empty() {
        0
    } else {
        message_len(number, size_of_val(values) as u64)
    }
}

#[inline]
fn varints_len(values: &[u32]) -> u64 {
    values
        .iter()
        .map(|value| varint_len(u64::from(*value)))
        .sum()
}

/// A key.
#[inline]
pub fn put_key(number: u32, wire_type: WireType, out: &mut impl BufMut) {
    prost::encoding::encode_key(number, wire_type, out);
}

/// A varint, without a key.
#[inline]
pub fn put_varint(value: u64, out: &mut impl BufMut) {
    prost::encoding::encode_varint(value, out);
}

/// The key and the length of a field whose `len` bytes are written next.
#[inline]
pub fn put_head(number: u32, len: u64, out: &mut impl BufMut) {
    put_key(number, WireType::LengthDelimited, out);
    put_varint(len, out);
}

/// A message that is encoded already, or a string or bytes that are written even
/// if they are empty.
#[inline]
pub fn put_message(number: u32, value: &[u8], out: &mut impl BufMut) {
    put_head(number, value.len() as u64, out);
    out.put_slice(value);
}

/// A string or bytes field; nothing if it is empty.
#[inline]
pub fn put_bytes(number: u32, value: &[u8], out: &mut impl BufMut) {
    if !value.is_empty() {
        put_message(number, value, out);
    }
}

/// A `uint32` field; nothing if it is 0.
#[inline]
pub fn put_uint32(number: u32, value: u32, out: &mut impl BufMut) {
    if value != 0 {
        put_key(number, WireType::Varint, out);
        put_varint(u64::from(value), out);
    }
}

/// A `float` field; nothing if it is 0. The other zero, -0.0, is written.
#[inline]
pub fn put_float(number: u32, value: f32, out: &mut impl BufMut) {
    if value.to_bits() != 0 {
        put_key(number, WireType::ThirtyTwoBit, out);
        out.put_f32_le(value);
    }
}

/// A `repeated uint32` field in packed form; nothing if it is empty.
#[inline]
pub fn put_uint32s(number: u32, values: &[u32], out: &mut impl BufMut) {
    if !values.is_empty() {
        put_head(number, varints_len(values), out);
        for value in values {
            put_varint(u64::from(*value), out);
        }
    }
}

/// A `repeated float` field in packed form; nothing if it is empty.
#[inline]
pub fn put_floats(number: u32, values: &[f32], out: &mut impl BufMut) {
    if !values.is_empty() {
        put_head(number, size_of_val(values) as u64, out);
        for value in values {
            out.put_f32_le(*value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &'static [u8]) -> Result<Vec<u32>, Fault> {
        let frame = Bytes::from_static(bytes);
        let mut reader = Reader::new(Slice::of(&frame));
        let mut numbers = Vec::new();
        while let Some((number, _)) = reader.field()? {
            numbers.push(number);
        }
        Ok(numbers)
    }

    #[test]
    fn malformed_bytes_are_told_apart() {
        for (bytes, expected) in [
            (&[][..], Ok(vec![])),
            (&[0x08, 1, 0x15, 0, 0, 0, 0], Ok(vec![1, 2])),
            (&[0x08], Err(Fault::Truncated)),
            (&[0x0a, 5, 1], Err(Fault::Truncated)),
            (&[0x0d, 0, 0, 0], Err(Fault::Truncated)),
            (&[0x09, 0, 0, 0, 0, 0, 0, 0], Err(Fault::Truncated)),
            (&[0x08, 0x80], Err(Fault::Truncated)),
            (&[0xff; 20], Err(Fault::Varint)),
            // Number 0, wire type 6, the end of a group that did not begin.
            (&[0x00, 1], Err(Fault::Key)),
            (&[0x0e, 1], Err(Fault::Key)),
            (&[0x0c], Err(Fault::Key)),
            // The largest number that a field can have, and one more.
            (&[0xf8, 0xff, 0xff, 0xff, 0x0f, 1], Ok(vec![(1 << 29) - 1])),
            (&[0x80, 0x80, 0x80, 0x80, 0x10, 1], Err(Fault::Key)),
            (&[0x0b, 0x10, 1, 0x0c, 0x10, 1], Ok(vec![1, 2])),
            (&[0x0b, 0x10, 1], Err(Fault::Group)),
            (&[0x0b, 0x14], Err(Fault::Group)),
        ] {
            assert_eq!(fields(bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn a_field_can_be_had_with_its_encoding() {
        let frame = Bytes::from_static(&[0x12, 2, b'h', b'i', 0x08, 7]);
        let mut reader = Reader::new(Slice::of(&frame));
        assert_eq!(reader.left(), 6);
        let (number, field, encoded) = reader.field_encoded().unwrap().unwrap();
        assert_eq!(reader.left(), 2);
        assert_eq!((number, encoded.bytes()), (2, &frame[..4]));
        assert_eq!(field.slice().unwrap().bytes(), b"hi");
        let (number, field, encoded) = reader.field_encoded().unwrap().unwrap();
        assert_eq!((number, encoded.share()), (1, frame.slice(4..)));
        assert_eq!(field.slice().unwrap_err(), Fault::WireType);
        assert!(reader.field_encoded().unwrap().is_none());
    }

    #[test]
    fn occurrences_are_merged_and_one_alone_is_a_slice() {
        let frame = Bytes::from_static(&[0x08, 1]);
        assert!(Merging::default().end().is_none());
        let mut merging = Merging::default();
        merging.add(Slice::of(&frame)).unwrap();
        let one = merging.end().unwrap().share();
        assert_eq!(one.as_ptr(), frame.as_ptr());
        let mut merging = Merging::default();
        for _ in 0..3 {
            merging.add(Slice::of(&frame)).unwrap();
        }
        let all = merging.end().unwrap();
        assert_eq!(all.slice().bytes(), [8, 1, 8, 1, 8, 1]);
        assert_eq!(all.share().as_ref(), [8, 1, 8, 1, 8, 1]);
    }

    #[test]
    fn a_field_does_not_go_on_in_the_next_occurrence() {
        let begins = Bytes::from_static(&[0x0a, 2, b'a']);
        let ends = Bytes::from_static(b"b");
        let mut merging = Merging::default();
        merging.add(Slice::of(&begins)).unwrap();
        assert_eq!(merging.add(Slice::of(&ends)), Err(Fault::Truncated));
    }

    #[test]
    fn lengths_are_those_of_what_is_written() {
        for number in [1, 15, 16, 2047, 2048] {
            for value in [0, 1, 127, 128, u32::MAX] {
                let mut out = Vec::new();
                put_uint32(number, value, &mut out);
                assert_eq!(out.len() as u64, uint32_len(number, value));
                let mut out = Vec::new();
                put_uint32s(number, &[value; 3], &mut out);
                assert_eq!(out.len() as u64, uint32s_len(number, &[value; 3]));
            }
            for value in [0.0, -0.0, 1.5, f32::NAN] {
                let mut out = Vec::new();
                put_float(number, value, &mut out);
                assert_eq!(out.len() as u64, float_len(number, value));
                let mut out = Vec::new();
                put_floats(number, &[value; 40], &mut out);
                assert_eq!(out.len() as u64, floats_len(number, &[value; 40]));
            }
            for value in [&b""[..], b"x", &[7; 200]] {
                let mut out = Vec::new();
                put_bytes(number, value, &mut out);
                assert_eq!(out.len() as u64, bytes_len(number, value));
                let mut out = Vec::new();
                put_message(number, value, &mut out);
                assert_eq!(out.len() as u64, message_len(number, value.len() as u64));
            }
        }
        assert_eq!(message_len(1, u64::MAX), u64::MAX);
    }
}

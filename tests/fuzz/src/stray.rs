//! What prost does not refuse: an entry of a map that is not a message.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The messages that may have maps in them.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// `docarray.DocumentArrayProto`
    Documents,
    Document,
    NdArray,
    /// `google.protobuf.Struct`
    Struct,
    StructEntry,
    Value,
    ListValue,
    /// An entry of a map of scores, which has no map in it.
    ScoreEntry,
}

impl Kind {
    /// The message that is a field's value, if that may have maps in it.
    fn field(self, number: u32) -> Option<Kind> {
        match (self, number) {
            (Kind::Documents, 1) | (Kind::Document, 14 | 15) => Some(Kind::Document),
            (Kind::Document, 3 | 16) => Some(Kind::NdArray),
            (Kind::Document, 17 | 20) | (Kind::NdArray, 4) | (Kind::Value, 5) => Some(Kind::Struct),
            (Kind::Document, 18 | 19) => Some(Kind::ScoreEntry),
            (Kind::Struct, 1) => Some(Kind::StructEntry),
            (Kind::StructEntry, 2) | (Kind::ListValue, 1) => Some(Kind::Value),
            (Kind::Value, 6) => Some(Kind::ListValue),
            _ => None,
        }
    }

    /// Whether some map in the message has an entry of the wrong wire type. Prost
    /// does not look at it, and reads what comes next as a message. Ours refuses
    /// it, for one reason or another.
    pub(crate) fn has_stray_entry(self, mut message: &[u8]) -> bool {
        while !message.is_empty() {
            let Ok((number, wire_type)) = decode_key(&mut message) else {
                return false;
            };
            let field = self.field(number);
            if wire_type != WireType::LengthDelimited {
                if let Some(Kind::StructEntry | Kind::ScoreEntry) = field {
                    return true;
                }
                let context = DecodeContext::default();
                if skip_field(wire_type, number, &mut message, context).is_err() {
                    return false;
                }
                continue;
            }
            let len = decode_varint(&mut message).unwrap_or(u64::MAX);
            let Some((value, rest)) = usize::try_from(len)
                .ok()
                .and_then(|len| message.split_at_checked(len))
            else {
                return false;
            };
            message = rest;
            if field.is_some_and(|kind| kind.has_stray_entry(value)) {
                return true;
            }
        }
        false
    }
}

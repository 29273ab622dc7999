//! The base64 of signatures.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::wrong::Wrong;

/// DSSE and the JSON of protobuf leave it to the writer whether there is padding.
const INDIFFERENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const EITHER: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, INDIFFERENT);
/// And whether the alphabet is the one for addresses.
const FOR_ADDRESSES: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, INDIFFERENT);

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Result<Vec<u8>, Wrong> {
    let engine = if text.contains(['-', '_']) {
        FOR_ADDRESSES
    } else {
        EITHER
    };
    engine
        .decode(text)
        .map_err(|_| Wrong::NotASignature("a part of it is not base64".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_are_read_with_and_without_padding() {
        let bytes = [0xfb, 0xff, 0xfe, 0x01];
        for text in ["+//+AQ==", "+//+AQ", "-__-AQ==", "-__-AQ"] {
            assert_eq!(decode(text).unwrap(), bytes, "{text}");
        }
        assert_eq!(encode(&bytes), "+//+AQ==");
        for text in ["+__+AQ==", "ä", "+//+ AQ=="] {
            let wrong = decode(text).unwrap_err();
            assert!(matches!(wrong, Wrong::NotASignature(_)), "{text}: {wrong}");
        }
    }
}

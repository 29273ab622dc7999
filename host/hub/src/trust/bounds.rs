//! How much is read of keys and signatures, which strangers write.

/// Signatures of an artifact that are looked at. Those behind them do not count.
pub const MAX_SIGNATURES: usize = 64;

/// Bytes that a signature may have: a bundle, or a payload with its signature.
pub const MAX_SIGNATURE: usize = 1 << 20;

/// Bytes that a key's file may have. Those that cosign writes have less than 1 KiB.
pub const MAX_KEY_FILE: usize = 64 << 10;

/// Characters that errors show of a text that a stranger wrote.
pub(super) const MAX_SHOWN: usize = 120;

/// Items of a list that errors show.
pub(super) const MAX_LISTED: usize = 5;

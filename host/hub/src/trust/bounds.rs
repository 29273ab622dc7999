//! How much errors show of keys and signatures, which strangers write.

/// Characters that errors show of a text that a stranger wrote.
pub(super) const MAX_SHOWN: usize = 120;

/// Items of a list that errors show.
pub(super) const MAX_LISTED: usize = 5;

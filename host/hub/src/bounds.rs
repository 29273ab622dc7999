//! Every timeout and bound of the hub. All that comes from a registry, from a
//! credentials helper or from a file of the user is bounded before memory is taken for
//! it.

use std::time::Duration;

wasm_flow_contract::bounds! {
    /// Bytes of a manifest or an index. Registries take no larger ones.
    MAX_MANIFEST: u64 = 4 << 20;

    /// Bytes of an artifact's configuration.
    MAX_CONFIG: u64 = 1 << 20;

    /// Bytes of a component: what the runtime reads of a file.
    MAX_COMPONENT: u64 = 256 << 20;

    /// Bytes of one page of a list of tags.
    MAX_TAG_PAGE: u64 = 4 << 20;

    /// Bytes of all pages of one list.
    MAX_LIST: u64 = 16 << 20;

    /// Tags of one repository, or referrers of one artifact. A longer list is refused.
    MAX_LISTED: usize = 100_000;

    /// Pages of one list. A registry could give pages without end.
    MAX_PAGES: usize = 100;

    /// Bytes of the answer of a token server.
    MAX_TOKEN: u64 = 1 << 20;

    /// Bytes of an error's body that are read; the rest is left.
    MAX_ERROR_BODY: u64 = 64 << 10;

    /// Characters of what a registry says that an error shows.
    SHOWN: usize = 300;

    /// Bytes of a header that says how to authenticate.
    MAX_CHALLENGE: usize = 16 << 10;

    /// Bytes of one file of an executor's assets.
    MAX_ASSET: u64 = 8 << 30;

    /// Bytes of all files of an executor's assets.
    MAX_ASSETS: u64 = 16 << 30;

    /// Files of an executor's assets.
    MAX_ASSET_FILES: usize = 10_000;

    /// Bytes of the path of an asset.
    MAX_ASSET_PATH: usize = 1024;

    /// Bytes of one part of such a path: what file systems take.
    MAX_ASSET_PART: usize = 255;

    /// Signatures of one artifact that are looked at.
    MAX_SIGNATURES: usize = 64;

    /// Bytes of one signature.
    MAX_SIGNATURE: u64 = 1 << 20;

    /// Bytes of a key's file. Those that cosign writes have less than 1 KiB.
    MAX_KEY_FILE: u64 = 64 << 10;

    /// How many times one request is led somewhere else.
    MAX_REDIRECTS: usize = 5;

    /// How long a connection may take, with its TLS.
    CONNECT: Duration = Duration::from_secs(10);

    /// How long a registry may send nothing, and take nothing of an upload.
    SILENCE: Duration = Duration::from_secs(30);

    /// How long an answer that is read whole may take: all but the blobs that are
    /// written to the store.
    WHOLE: Duration = Duration::from_secs(120);

    /// Bytes of a blob that have to come in each second, on average, once it has taken
    /// longer than [`WHOLE`]. A registry that sends a byte now and then is given up.
    SLOWEST: u64 = 8 << 10;

    /// How long a registry may work on an upload once it has all of it, and on a blob before
    /// it begins to answer. It reads the bytes again, and some move them to or from
    /// elsewhere.
    UPLOADED: Duration = Duration::from_secs(300);

    /// How many times something is asked for that fails in a way that may pass: a
    /// connection that broke, or a registry that is overloaded.
    ATTEMPTS: u32 = 3;

    /// The pause before the second of them; before each further one it is four times as
    /// long.
    PAUSE: Duration = Duration::from_millis(250);

    /// The longest pause that a registry may ask for. A longer one is an error that says
    /// so.
    LONGEST_PAUSE: Duration = Duration::from_secs(30);

    /// Bytes of the file with Docker's credentials.
    MAX_CREDENTIALS_FILE: u64 = 4 << 20;

    /// Bytes that a credentials helper may print.
    MAX_HELPER_OUTPUT: u64 = 1 << 20;

    /// How long a credentials helper may take. It may ask the user for something.
    HELPER: Duration = Duration::from_secs(30);

    /// How long is waited for what a credentials helper has printed once it has ended.
    /// Something that it has started may hold its output for ever.
    HELPER_REST: Duration = Duration::from_millis(200);

    /// A temporary file of the store that is this old was left by a process that died.
    ABANDONED: Duration = Duration::from_secs(3600);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_says_what_it_bounds() {
        for bound in BOUNDS {
            assert!(bound.what.ends_with('.'), "{bound:?}");
        }
    }
}

//! The program's own timeouts and bounds, and the tables of all of its crates.

use std::time::Duration;

use wasm_flow_contract::bounds::Bound;

wasm_flow_contract::bounds! {
    /// Bytes of a file with certificates or a key.
    PEM: u64 = 1 << 20;
    /// Bytes of a file with a token: servers take no larger headers.
    TOKEN: u64 = 8 << 10;
    /// Bytes of the file with a gateway's tokens.
    TOKENS: u64 = 64 << 10;

    /// Bytes of the documents of an `--input` that are read ahead or in flight. A
    /// request that is larger travels alone.
    READ_AHEAD: u32 = 32 << 20;
    /// Bytes of an `--input` that are read at once. What came in one read is handed on
    /// before the next one, which may block.
    INPUT_BUFFER: usize = 64 << 10;
    /// A request is closed early if its documents have so many bytes.
    MAX_REQUEST: usize = 64 << 20;
    /// A request is closed early if the pipe of an `--input` gives nothing more for so
    /// long.
    INPUT_PAUSE: Duration = Duration::from_millis(500);
    /// The longest document of a file, in bytes: a gateway's own bound on a message
    /// is the same, if flow.toml does not say otherwise.
    MAX_DOCUMENT: usize = 256 << 20;
    /// Bytes of all files with cases for `wasm-flow test`.
    MAX_CASES: u64 = 64 << 20;
    /// Characters of a value that `wasm-flow test` shows.
    SHOWN_VALUE: usize = 200;
    /// Differences of one case that `wasm-flow test` shows. Of more, it gives the number.
    MAX_DIFFERENCES: usize = 20;
    /// How long a process that ends waits for its last lines to be taken.
    FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
    /// Lines of one executor that may wait to be printed.
    WAITING_LINES: usize = 1000;
    /// Bytes of one executor that may wait to be printed.
    WAITING_BYTES: usize = 1 << 20;
    /// Bytes that one executor may print in a second, over a long time.
    PRINT_RATE: u64 = 1 << 20;
    /// Bytes that one executor may print at once, after a time of silence.
    PRINT_BURST: u64 = 8 << 20;
    /// Bytes of the lines that a writer takes from its queue at a time, about.
    WRITE_CHUNK: usize = 64 << 10;
    /// How long a writer waits before it asks a stream again that is not ready. Only a
    /// stream that its owner made non-blocking is ever asked again.
    WRITE_RETRY: Duration = Duration::from_millis(10);
    /// How deep a component's schema is followed when it is shown: it may refer to
    /// itself.
    SCHEMA_DEPTH: usize = 16;
    /// Types of a schema that are put in words. A few references to the whole at each
    /// depth would come to millions.
    SCHEMA_TYPES: u32 = 4096;
    /// Values of an enumeration that are shown.
    SCHEMA_VALUES: usize = 16;
    /// No more of a file than this is read. Every signature below lies within it,
    /// and so do the first lines of a text.
    FILE_HEAD: u64 = 1024;
    /// Entries of a folder that are looked at for a name that was probably meant.
    NEIGHBOURS: usize = 1000;
    /// How long a component may take to load before it is said that it is compiled.
    SILENT_FOR: Duration = Duration::from_secs(1);
    /// Bytes of a file in which cargo or the compiler names what it has read.
    DEP_INFO: u64 = 4 << 20;
    /// Bytes of the record of what a build was made of.
    MADE_OF: u64 = 16 << 20;
    /// How long to wait for the calls of an executor that is to be handed over.
    HAND_OVER: Duration = Duration::from_secs(30);
    /// How long to wait for a registry to say whether a tag that is pinned means something
    /// else now.
    TAG_CHECK: Duration = Duration::from_secs(5);
    /// Folders that `run --watch` watches, those inside crates' folders included.
    WATCHED_FOLDERS: usize = 4096;
}

/// Every table of the program, by the part that it belongs to.
pub fn tables() -> Vec<(&'static str, &'static [Bound])> {
    vec![
        (
            "executors, as flow.toml sets them",
            wasm_flow_contract::bounds::BOUNDS,
        ),
        ("documents", wasm_flow_contract::bounds::documents::BOUNDS),
        ("executors", wasm_flow_wasm::BOUNDS),
        ("flow.toml", wasm_flow_manifest::bounds::BOUNDS),
        ("the flow", wasm_flow_flow::bounds::BOUNDS),
        ("the gateway", wasm_flow_gateway::bounds::BOUNDS),
        ("registries", wasm_flow_hub::bounds::BOUNDS),
        ("drawings", wasm_flow_drawing::bounds::BOUNDS),
        ("the program", BOUNDS),
        // The importer comes with the command line.
        #[cfg(feature = "cli")]
        ("a Flow's YAML", wasm_flow_import::bounds::BOUNDS),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/bounds.md` lists all bounds. `UPDATE=1` writes it.
    #[test]
    fn the_committed_list_is_the_tables() {
        let mut text = String::from(
            "# Timeouts and bounds\n\nEvery timeout and every bound of the program. Those with a key \
             in flow.toml say so. This page is made from the tables in the code; a test compares.\n",
        );
        for (part, bounds) in tables() {
            text +=
                &format!("\n## {part}\n\n| name | value | what it bounds |\n| --- | --- | --- |\n");
            for bound in bounds {
                let what = bound.what.trim().replace('|', "\\|");
                text += &format!("| `{}` | {} | {what} |\n", bound.name, bound.value());
            }
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bounds.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == text,
            "docs/bounds.md: run the test with UPDATE=1"
        );
    }
}

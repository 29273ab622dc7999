//! What a new executor can be.

use clap::ValueEnum;

/// What a new executor begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Template {
    /// Changes texts.
    #[default]
    Hello,
    /// Gives texts embeddings.
    Encode,
    /// Keeps documents, and finds them.
    Index,
}

/// The files that differ from template to template, with `{name}` and `{Type}` in them.
pub(super) struct Files {
    /// `src/lib.rs`.
    pub(super) lib: &'static str,
    /// `flow.toml`.
    pub(super) flow: &'static str,
    /// `tests/cases.jsonl`.
    pub(super) cases: &'static str,
}

impl Template {
    pub(super) fn files(self) -> Files {
        match self {
            Template::Hello => Files {
                lib: include_str!("templates/hello/lib.rs.txt"),
                flow: include_str!("templates/hello/flow.toml"),
                cases: include_str!("templates/hello/cases.jsonl"),
            },
            Template::Encode => Files {
                lib: include_str!("templates/encode/lib.rs.txt"),
                flow: include_str!("templates/encode/flow.toml"),
                cases: include_str!("templates/encode/cases.jsonl"),
            },
            Template::Index => Files {
                lib: include_str!("templates/index/lib.rs.txt"),
                flow: include_str!("templates/index/flow.toml"),
                cases: include_str!("templates/index/cases.jsonl"),
            },
        }
    }

    /// A command that sends it a request.
    pub(super) fn first_request(self) -> &'static str {
        match self {
            Template::Hello => "wasm-flow run --on /hello --text world",
            Template::Encode => "wasm-flow run --on /encode --text \"a cat\" --print jsonl",
            Template::Index => "wasm-flow run --on /index --text \"a cat\"",
        }
    }
}

//! What is logged of executors before they run, for who wrote the flow.

use wasm_flow_manifest::Place;
use wasm_flow_wasm::{Wants, printable};

use super::error;
use super::program::Program;
use crate::resolve::{Loaded, Remedy, Unusual};

/// Logs what may not do what a file says, with the places in it.
pub(super) fn warn_of_file(loaded: &Loaded) {
    if let Some(report) = loaded.warnings() {
        tracing::warn!("{report}");
    }
}

/// Logs what may not do what a program says, with its methods.
pub(super) fn warn(loaded: &Loaded<Program>) {
    for doubt in loaded.doubts() {
        let executor = error::executor(&doubt.place);
        let executor = executor.map(|id| &*loaded.executors()[id].name);
        let title = match &doubt.place {
            Place::Head(head, _) => format!("`{}`: {}", head.as_str(), doubt.title),
            _ => doubt.title,
        };
        match doubt.remedy {
            Remedy::Grant(wants) => {
                let methods = granting_methods(&wants);
                tracing::warn!(executor, "{title}; if you trust it with that: {methods}");
            }
            Remedy::Poll(unusual) => {
                tracing::warn!(executor, "{title}; {}", polling_methods(&unusual));
            }
            Remedy::Words(words) => tracing::warn!(executor, "{title}; {words}"),
        }
    }
}

/// How the method of `ExecutorSpec` that is about one endpoint is called.
fn polling_methods(unusual: &Unusual) -> String {
    let Unusual {
        endpoint,
        usual,
        rest,
        aim,
        ..
    } = unusual;
    format!(
        "to {aim}, as Jina does: .polling_of({endpoint:?}, Poll::{usual:?}); if this is what you \
         mean: .polling_of({endpoint:?}, Poll::{rest:?})"
    )
}

/// The methods of `ExecutorSpec` that grant what is wanted.
fn granting_methods(wants: &Wants) -> String {
    let Wants { http, env, dirs } = wants;
    let quoted = |text: &String| format!("{:?}", printable(text));
    let http = http
        .iter()
        .map(|origin| format!(".allow_http({})", quoted(origin)));
    let env = env
        .iter()
        .map(|name| format!(".allow_env({})", quoted(name)));
    let dirs =
        dirs.iter().map(
            |dir| match dir.trim_end_matches('/') == wasm_flow_wasm::WORKSPACE {
                true => ".workspace(\"...\")".to_owned(),
                false => format!(".allow_dir(\"...\", {}, Access::Read)", quoted(dir)),
            },
        );
    http.chain(env).chain(dirs).collect()
}

//! The `[executors.allow]` table: what an executor may reach.

use std::ops::Range;
use std::path::Path;

use serde_json::json;
use wasm_flow_contract::grants::{Access, Allow, DirGrant};
use wasm_flow_contract::origin::HttpOrigin;

use crate::kinds::{Format, Items, members};
use crate::reader::{Entry, value_or};
use crate::report::Refusal;
use crate::tables::{AllowTable, DirTable};

/// An item of `http`.
pub(crate) const ORIGIN: Format<HttpOrigin> = Format {
    parse: |text| {
        HttpOrigin::parse(text).map_err(|error| {
            Refusal::new("not a place that HTTP requests can be allowed to").help(error.to_string())
        })
    },
    schema: || members(json!({ "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^*@]+$" })),
};

/// An item of `env`.
pub(crate) const ENV: Format<String> = Format {
    parse: |text| match text.is_empty() || text.contains(['=', '\0']) {
        false => Ok(text.to_owned()),
        true => Err(Refusal::new("not the name of an environment variable")
            .help("the name alone: its value is taken from the host's environment")),
    },
    schema: || members(json!({ "pattern": "^[^=\\u0000]+$" })),
};

/// `host` of an item of `dirs`.
pub(crate) const HOST_FOLDER: Format<String> = Format {
    parse: |text| match text {
        "" => {
            Err(Refusal::new("`host` is empty").help("for the folder of this file: host = \".\""))
        }
        _ => Ok(text.to_owned()),
    },
    schema: || members(json!({ "minLength": 1 })),
};

/// `guest` of an item of `dirs`.
pub(crate) const GUEST: Format<String> = Format {
    parse: |text| {
        if !text.starts_with('/') {
            return Err(Refusal::new("the executor's path must begin with `/`"));
        }
        if text.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(Refusal::new(
                "the executor's path must not have `.` or `..` in it",
            ));
        }
        Ok(text.to_owned())
    },
    schema: || members(json!({ "pattern": "^/", "not": { "pattern": r"(^|/)\.\.?(/|$)" } })),
};

/// What an executor may reach, and where each folder is in the file. Paths are
/// relative to `folder`.
pub(crate) fn allow(table: Option<Entry<AllowTable>>, folder: &Path) -> (Allow, Vec<Range<usize>>) {
    let Some(table) = table else {
        return (Allow::default(), Vec::new());
    };
    let AllowTable { http, env, dirs } = table.value;
    let dirs = dirs.map_or_else(Vec::new, |dirs| dirs.value);
    let (dirs, spans) = dirs
        .into_iter()
        .filter_map(|table| dir(table.value, folder))
        .unzip();
    let allow = Allow {
        http: items(http),
        env: items(env),
        dirs,
    };
    (allow, spans)
}

fn items<T>(entry: Option<Entry<Items<T>>>) -> Vec<T> {
    let items = entry.map_or_else(Vec::new, |entry| entry.value.items);
    items.into_iter().map(|item| item.value).collect()
}

/// `None` if a part of it was refused.
fn dir(table: DirTable, folder: &Path) -> Option<(DirGrant, Range<usize>)> {
    let DirTable {
        host,
        guest,
        access,
    } = table;
    let host = host?;
    let grant = DirGrant {
        host: folder.join(host.value),
        guest: guest?.value,
        access: value_or(access, Access::default()),
    };
    Some((grant, host.span))
}

//! The `[executors.allow]` table: what an executor may reach.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use wasm_flow_contract::grants::{Access, Allow, DirGrant, HttpGrant};
use wasm_flow_contract::origin::HttpOrigin;

use crate::entry::{Entry, value_or};
use crate::kinds::{Either, Items};
use crate::tables::{AllowTable, DirTable, HttpTable};

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
        .filter_map(|table| dir(table.into_inner(), folder))
        .unzip();
    let allow = Allow {
        http: http.map_or_else(Vec::new, |http| {
            http.value.into_iter().filter_map(http_grant).collect()
        }),
        env: items(env),
        dirs,
    };
    (allow, spans)
}

fn items<T>(entry: Option<Entry<Items<T>>>) -> Vec<T> {
    let items = entry.map_or_else(Vec::new, |entry| entry.value.items);
    items.into_iter().map(Spanned::into_inner).collect()
}

/// `None` if a part of it was refused.
fn http_grant(item: Either<HttpOrigin, HttpTable>) -> Option<HttpGrant> {
    match item {
        Either::Text(origin) => Some(origin.into()),
        Either::Table(HttpTable { origin, private }) => Some(HttpGrant {
            origin: origin?.value,
            private: value_or(private, false),
        }),
    }
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

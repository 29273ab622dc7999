//! The `[flow]` table.

use std::path::Path;
use std::time::Duration;

use crate::tables::FlowTable;

/// The flow's name, or else the name of the file's folder; and how long its requests may
/// take.
pub(crate) fn read(table: Option<FlowTable>, path: &Path) -> (String, Option<Duration>) {
    let (name, timeout) = match table {
        Some(FlowTable { name, timeout }) => (name, timeout),
        None => (None, None),
    };
    let name = name.map_or_else(|| folder_name(path), |name| name.value);
    (name, timeout.map(|timeout| timeout.value))
}

fn folder_name(path: &Path) -> String {
    std::path::absolute(path)
        .ok()
        .and_then(|path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "flow".to_owned())
}

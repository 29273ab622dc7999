//! Executors that stay in Python.

use crate::executor::{Executor, patience, place};
use crate::python::Served;
use crate::reader::Reader;
use crate::runs::Runs;
use crate::toml::Table;

/// Writes the rest of its table.
pub(crate) fn write(
    reader: &mut Reader<'_>,
    table: &mut Table,
    executor: &Executor<'_>,
    runs: &Runs,
    served: &Served,
) {
    table.comment(&format!(
        "{}, in Python:\n{}",
        runs.title(executor),
        served.command
    ));
    if served.is_one_of_many {
        table
            .comment("How many replicas there are depends on a variable: add the address of each.");
    }
    table.key("uses", &served.uses);
    place(reader, table, executor);
    patience(reader, table, executor, "timeout_send");
}

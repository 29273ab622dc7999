//! The `[gateway]` table.

use std::ops::Range;
use std::path::Path;

use wasm_flow_contract::gateway::GatewayConfig;

use crate::door::{self, DoorFiles, DoorSpans};
use crate::entry::{Entry, key_or, value_or};
use crate::problems::Problems;
use crate::report::Problem;
use crate::tables::GatewayTable;

/// Where the values of the table are.
#[derive(Debug, Clone, Default)]
pub(crate) struct GatewaySpans {
    pub(crate) host: Range<usize>,
    pub(crate) port: Range<usize>,
    pub(crate) port_health: Range<usize>,
    pub(crate) door: DoorSpans,
}

/// The gateway's configuration, and where it is. Paths are relative to `folder`.
pub(crate) fn config(
    problems: &mut Problems,
    table: Option<Entry<GatewayTable>>,
    folder: &Path,
) -> (GatewayConfig<DoorFiles>, GatewaySpans) {
    let defaults = GatewayConfig::default();
    let Some(table) = table else {
        let config = defaults.with_door(DoorFiles::default());
        return (config, GatewaySpans::default());
    };
    let span = table.key;
    let GatewayTable {
        host,
        port,
        port_health,
        tls,
        auth,
        prefetch,
        max_message,
        grace,
    } = table.value;
    let (door, door_spans) = door::read(problems, tls, auth, folder, &span);
    let spans = GatewaySpans {
        host: key_or(host.as_ref(), &span),
        port: key_or(port.as_ref(), &span),
        port_health: key_or(port_health.as_ref(), &span),
        door: door_spans,
    };
    let config = GatewayConfig {
        host: value_or(host, defaults.host),
        port: value_or(port, defaults.port),
        port_health: port_health.map(|port| port.value),
        prefetch: value_or(prefetch, defaults.prefetch),
        max_message: value_or(max_message, defaults.max_message),
        grace: value_or(grace, defaults.grace),
        door,
    };
    // Any free one is another one each time.
    if config.port != 0 && config.port_health == Some(config.port) {
        problems.report(
            Problem::new(
                spans.port_health.clone(),
                "`port_health` is the port of the gateway",
            )
            .label(format!("the gateway listens on {}, too", config.port))
            .help("take another one: for example: port_health = 8080"),
        );
    }
    (config, spans)
}

//! The `[gateway]` table.

use std::ops::Range;

use wasm_flow_contract::gateway::GatewayConfig;

use crate::entry::{Entry, key_or, value_or};
use crate::tables::GatewayTable;

/// Where the values of the table are.
#[derive(Debug, Clone)]
pub(crate) struct GatewaySpans {
    pub(crate) host: Range<usize>,
    pub(crate) port: Range<usize>,
}

/// The gateway's configuration, and where it is.
pub(crate) fn config(table: Option<Entry<GatewayTable>>) -> (GatewayConfig, GatewaySpans) {
    let defaults = GatewayConfig::default();
    let Some(table) = table else {
        let spans = GatewaySpans {
            host: 0..0,
            port: 0..0,
        };
        return (defaults, spans);
    };
    let span = table.key;
    let GatewayTable {
        host,
        port,
        prefetch,
        max_message,
        grace,
    } = table.value;
    let spans = GatewaySpans {
        host: key_or(host.as_ref(), &span),
        port: key_or(port.as_ref(), &span),
    };
    let config = GatewayConfig {
        host: value_or(host, defaults.host),
        port: value_or(port, defaults.port),
        prefetch: value_or(prefetch, defaults.prefetch),
        max_message: value_or(max_message, defaults.max_message),
        grace: value_or(grace, defaults.grace),
    };
    (config, spans)
}

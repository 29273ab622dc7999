//! The `[gateway]` table.

use std::ops::Range;

use serde_json::json;
use wasm_flow_contract::gateway::{GatewayConfig, HostError};
use wasm_flow_contract::units::parse_size;

use crate::bounds::MAX_MESSAGE;
use crate::kinds::{Format, Quantity, members};
use crate::reader::{Entry, key_or, value_or};
use crate::report::Refusal;
use crate::tables::GatewayTable;
use crate::units::SIZE_PATTERN;

/// `host`.
pub(crate) const HOST: Format<String> = Format {
    parse: |text| {
        GatewayConfig::parse_host(text).map_err(|HostError| {
            Refusal::new("`host` is not a host name or an IP address").help(
                "for example: \"127.0.0.1\" for this machine alone, \"0.0.0.0\" for every network; the port is a key of its own",
            )
        })
    },
    schema: || members(json!({ "pattern": "^[A-Za-z0-9._:-]+$" })),
};

/// `max_message`.
pub(crate) const MAX_MESSAGE_SIZE: Quantity<usize> = Quantity {
    what: "a size",
    parse: |text| match parse_size(text)? {
        0 => Err("must be larger than zero".to_owned()),
        bytes if bytes > u64::from(MAX_MESSAGE) => {
            Err("gRPC messages are smaller than 4 GiB".to_owned())
        }
        bytes => usize::try_from(bytes).map_err(|_| "larger than this machine's memory".to_owned()),
    },
    pattern: SIZE_PATTERN,
};

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
    };
    (config, spans)
}

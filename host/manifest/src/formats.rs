//! The formats of the strings that keys take.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, json};
use wasm_flow_contract::bounds::{MAX_MEMORY, MAX_NAME};
use wasm_flow_contract::gateway::{GatewayConfig, HostError};
use wasm_flow_contract::grants::{check_env, check_guest_path};
use wasm_flow_contract::graph::GATEWAY;
use wasm_flow_contract::hub::{Digest, DigestError, Reference, ReferenceError, Scope, parse_host};
use wasm_flow_contract::origin::HttpOrigin;
use wasm_flow_contract::remote::{RemoteAddress, Secret};
use wasm_flow_contract::units::{parse_duration, parse_size};

use crate::bounds::{MAX_MESSAGE, MIN_COMPILE_MEMORY, MIN_COMPILE_TIME, MIN_COMPUTING, MIN_MEMORY};
use crate::json::members;
use crate::kinds::{Format, Quantity};
use crate::report::Refusal;
use crate::units::{DURATION_PATTERN, SIZE_PATTERN};
use crate::uses::{ALLOWED, Remote, TlsFiles, Uses};

/// `name` of `[flow]`.
pub(crate) const FLOW_NAME: Format<String> = Format {
    parse: |text| match text.trim() {
        "" => Err(Refusal::new("the flow's `name` is empty")),
        _ => Ok(text.to_owned()),
    },
    schema: || members(json!({ "pattern": r"\S" })),
};

/// `host` of `[gateway]`.
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

/// An executor's `name`. Whether an executor may be called that is checked with the others'
/// names: one that is refused may still be meant by `needs`.
pub(crate) const NAME: Format<String> = Format {
    parse: |text| Ok(text.to_owned()),
    schema: || {
        members(json!({
            // Of the characters that are not ASCII, those that are not letters or
            // digits pass: no class for them means the same to all implementations.
            "pattern": r"^[^\u0000-@\[-^`{-\u007f][^\u0000-,/:-@\[-^`{-\u007f]*$",
            "maxLength": MAX_NAME,
            "not": { "const": GATEWAY },
        }))
    },
};

/// `uses`. The path is not resolved yet.
pub(crate) const USES: Format<Uses> = Format {
    parse: |text| {
        let title = match text.split_once("://") {
            None if text.is_empty() => "`uses` is empty".to_owned(),
            None => {
                return Ok(Uses::Path {
                    written: text.to_owned(),
                    path: PathBuf::from(text),
                });
            }
            Some(("oci", _)) => {
                return text
                    .parse()
                    .map(Uses::Hub)
                    .map_err(|error: ReferenceError| {
                        Refusal::new("`uses` does not name an executor in a registry")
                            .help(error.to_string())
                    });
            }
            Some(("grpc" | "grpcs", _)) => {
                return match RemoteAddress::parse(text) {
                    Ok(address) => Ok(Uses::Remote(Box::new(Remote {
                        address,
                        tls: TlsFiles::default(),
                        token: None,
                        timeout_send: None,
                    }))),
                    Err(error) => {
                        Err(Refusal::new("`uses` is not an address").help(error.to_string()))
                    }
                };
            }
            Some((scheme, _)) => format!("`uses` cannot be {scheme}://"),
        };
        Err(Refusal::new(title).help(ALLOWED))
    },
    schema: || {
        members(
            json!({ "minLength": 1, "pattern": "^([^:]|:[^/]|:/[^/])*(:/?)?$|^grpcs?://|^oci://[^/]+/." }),
        )
    },
};

/// `token`.
pub(crate) const TOKEN: Format<Secret> = Format {
    parse: |text| {
        Secret::token(text).map_err(|error| {
            let help = format!(
                "{error}; `${{NAME}}` takes it from an environment variable, and `token_file` from a file"
            );
            Refusal::new("not a token").help(help)
        })
    },
    schema: || members(json!({ "minLength": 1 })),
};

/// `token_file`.
pub(crate) const TOKEN_FILE: Format<String> = Format {
    parse: |text| match text {
        "" => Err(Refusal::new("`token_file` is empty").help("name the file that the token is in")),
        _ => Ok(text.to_owned()),
    },
    schema: || members(json!({ "minLength": 1 })),
};

/// `token_file` of `[gateway.auth]`.
pub(crate) const TOKENS_FILE: Format<String> = Format {
    // Whether it is empty is looked at with `token`, as for `tls`.
    parse: |text| Ok(text.to_owned()),
    schema: || members(json!({ "minLength": 1 })),
};

/// A key of `tls`.
pub(crate) const PEM: Format<String> = Format {
    // Whether it is empty is looked at with the other keys of the table, for which a
    // value that is refused here would not be there.
    parse: |text| Ok(text.to_owned()),
    schema: Map::new,
};

/// A key of `tls` of `[gateway]`.
pub(crate) const SERVER_PEM: Format<String> = Format {
    parse: |text| match text.trim() {
        "" => Err(Refusal::new("nothing is named here")
            .help("name a file, or put the text of one into a variable: \"${NAME}\"")),
        _ => Ok(text.to_owned()),
    },
    schema: || members(json!({ "pattern": r"\S" })),
};

/// An item of `needs`. Whether there is such an executor is checked when all are
/// read.
pub(crate) const NEED: Format<String> = Format {
    parse: |text| Ok(text.to_owned()),
    schema: Map::new,
};

/// `timeout`.
pub(crate) const TIMEOUT: Quantity<Duration> = Quantity {
    what: "a duration",
    parse: parse_duration,
    pattern: DURATION_PATTERN,
};

/// `limits.cpu` and `limits.background`.
pub(crate) const COMPUTING: Quantity<Duration> = Quantity {
    what: "a duration",
    parse: |text| match parse_duration(text)? {
        short if short < MIN_COMPUTING => {
            Err("at least 50ms: computing is measured every 5 ms".to_owned())
        }
        time => Ok(time),
    },
    pattern: DURATION_PATTERN,
};

/// `limits.memory`.
pub(crate) const MEMORY: Quantity<u64> = Quantity {
    what: "a size",
    parse: |text| match parse_size(text)? {
        bytes if bytes < MIN_MEMORY => Err("at least 1 MiB: no executor fits into less".to_owned()),
        bytes if bytes > MAX_MEMORY => {
            Err("at most 4 GiB: a component's memory has 32-bit addresses".to_owned())
        }
        bytes => Ok(bytes),
    },
    pattern: SIZE_PATTERN,
};

/// `compile.time` of `[host]`.
pub(crate) const COMPILE_TIME: Quantity<Duration> = Quantity {
    what: "a duration",
    parse: |text| match parse_duration(text)? {
        short if short < MIN_COMPILE_TIME => {
            Err("at least 1s: the compiler itself takes a moment to start".to_owned())
        }
        time => Ok(time),
    },
    pattern: DURATION_PATTERN,
};

/// `compile.memory` of `[host]`.
pub(crate) const COMPILE_MEMORY: Quantity<u64> = Quantity {
    what: "a size",
    parse: |text| match parse_size(text)? {
        bytes if bytes < MIN_COMPILE_MEMORY => {
            Err("at least 32 MiB: the compiler does not fit into less".to_owned())
        }
        bytes => Ok(bytes),
    },
    pattern: SIZE_PATTERN,
};

/// `limits.reply`.
pub(crate) const REPLY: Quantity<NonZeroU64> = Quantity {
    what: "a size",
    parse: |text| NonZeroU64::new(parse_size(text)?).ok_or_else(|| "at least one byte".to_owned()),
    pattern: SIZE_PATTERN,
};

/// `of` of `[[hub.trust]]`, and an item of `registries`.
pub(crate) const SCOPE: Format<Scope> = Format {
    parse: |text| {
        text.parse().map_err(|error: ReferenceError| {
            Refusal::new("not a registry or a part of one").help(format!(
                "{error}; for example: \"registry.example.com\", or \"registry.example.com/team\" for what is below that"
            ))
        })
    },
    schema: || members(json!({ "pattern": "^(oci://)?[A-Za-z0-9.:\\[\\]-]+(/[^:@]*)?$" })),
};

/// `uses` of a pin.
pub(crate) const REFERENCE: Format<Reference> = Format {
    parse: |text| {
        text.parse().map_err(|error: ReferenceError| {
            Refusal::new("not a reference to a registry").help(error.to_string())
        })
    },
    schema: || members(json!({ "pattern": "^oci://" })),
};

/// `digest` of a pin.
pub(crate) const DIGEST: Format<Digest> = Format {
    parse: |text| {
        text.parse()
            .map_err(|error: DigestError| Refusal::new("not a digest").help(error.to_string()))
    },
    schema: || members(json!({ "pattern": "^sha256:[0-9a-f]{64}$" })),
};

/// An item of `plain_http`.
pub(crate) const REGISTRY: Format<String> = Format {
    parse: |text| {
        let host = parse_host(text).map_err(|_| {
            Refusal::new("not the host of a registry")
                .help("for example: \"registry.example.com:5000\", without what is behind it")
        })?;
        // It is the port of plain HTTP, and addresses do not have it.
        Ok(host.strip_suffix(":80").map_or(host.clone(), str::to_owned))
    },
    schema: || members(json!({ "pattern": "^[A-Za-z0-9.:\\[\\]-]+$" })),
};

/// An item of `keys` of `[[hub.trust]]`.
pub(crate) const KEY: Format<String> = Format {
    parse: |text| match text {
        "" => Err(Refusal::new("the path of a key is empty")
            .help("name the file with the public key, as `wasm-flow hub keygen` has written it")),
        _ => Ok(text.to_owned()),
    },
    schema: || members(json!({ "minLength": 1 })),
};

/// `workspace`.
pub(crate) const WORKSPACE: Format<String> = Format {
    parse: |text| match text {
        "" => Err(Refusal::new("`workspace` is empty")),
        _ => Ok(text.to_owned()),
    },
    schema: || members(json!({ "minLength": 1 })),
};

/// An item of `allow.http`.
pub(crate) const ORIGIN: Format<HttpOrigin> = Format {
    parse: |text| {
        HttpOrigin::parse(text).map_err(|error| {
            Refusal::new("not a place that HTTP requests can be allowed to").help(error.to_string())
        })
    },
    schema: || members(json!({ "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^*@]+$" })),
};

/// An item of `allow.env`.
pub(crate) const ENV: Format<String> = Format {
    parse: |text| match check_env(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => Err(Refusal::new(error.to_string())
            .help("the name alone: its value is taken from the host's environment")),
    },
    schema: || members(json!({ "pattern": "^[^=\\u0000]+$" })),
};

/// `host` of an item of `allow.dirs`.
pub(crate) const HOST_FOLDER: Format<String> = Format {
    parse: |text| match text {
        "" => {
            Err(Refusal::new("`host` is empty").help("for the folder of this file: host = \".\""))
        }
        _ => Ok(text.to_owned()),
    },
    schema: || members(json!({ "minLength": 1 })),
};

/// `guest` of an item of `allow.dirs`.
pub(crate) const GUEST: Format<String> = Format {
    parse: |text| match check_guest_path(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => Err(Refusal::new(error.to_string())),
    },
    schema: || members(json!({ "pattern": "^/", "not": { "pattern": r"(^|/)\.\.?(/|$)" } })),
};

//! What is said of a gateway's door, and what is read of it again.

use serde_json::{Value, json};
use wasm_flow_contract::door::{Door, Tokens};
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_gateway::Doorkeeper;
use wasm_flow_manifest::{LateProblem, Manifest};

use super::console::Console;
use crate::door;

/// Where a flow is to be served, and to whom.
pub(super) fn line(config: &GatewayConfig) -> String {
    let GatewayConfig {
        host, port, door, ..
    } = config;
    let health = match config.port_health {
        None => String::new(),
        Some(0) => "; health checks alone on any free port".to_owned(),
        Some(port) => format!("; health checks alone on port {port}"),
    };
    match *port {
        0 => format!("gateway: {host}, any free port: {door}{health}"),
        port if host.contains(':') => format!("gateway: [{host}]:{port}: {door}{health}"),
        port => format!("gateway: {host}:{port}: {door}{health}"),
    }
}

/// A door, for programs.
pub(super) fn json(door: &Door) -> Value {
    json!({
        "tls": door.tls.is_some(),
        "client_certificates": door.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()),
        "tokens": door.tokens.as_ref().map_or(0, Tokens::count),
    })
}

/// Reads the files of a door again, and has the doorkeeper go by them. What cannot be read
/// or used stays as it was, and it is said why.
pub(super) fn read_again(manifest: &Manifest, doorkeeper: &Doorkeeper, console: &Console) {
    let files = &manifest.gateway.door;
    if let Some(tls) = &files.tls {
        let now = "new connections have the gateway's certificate and key as they are now";
        let read = door::read_tls_again(tls, doorkeeper).map(|()| now.to_owned());
        say("tls", read, manifest, console);
    }
    if let Some(tokens) = &files.tokens {
        let read = door::tokens(tokens).map(|tokens| {
            let count = tokens.count();
            doorkeeper.set_tokens(tokens);
            match count {
                1 => "new calls need the gateway's token as it is now".to_owned(),
                _ => format!("new calls need one of the gateway's {count} tokens as they are now"),
            }
        });
        say("auth", read, manifest, console);
    }
}

/// Says what became of a part of the door, by its table below `[gateway]`.
fn say(
    part: &'static str,
    read: Result<String, LateProblem>,
    manifest: &Manifest,
    console: &Console,
) {
    match read {
        Ok(now) => console.event(&now, || json!({ "event": "door", "read": part })),
        Err(problem) => {
            let error = problem.title.clone();
            console.report(&manifest.report([problem]));
            let kept = format!("[gateway.{part}] is as before; send SIGHUP again when it is right");
            console.event(
                &kept,
                || json!({ "event": "door_kept", "kept": part, "error": error }),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_and_to_whom() {
        let config = |host: &str, port, port_health| GatewayConfig {
            host: host.to_owned(),
            port,
            port_health,
            door: Door {
                tls: None,
                tokens: Some(Tokens::parse("hush").unwrap()),
            },
            ..GatewayConfig::default()
        };
        assert_eq!(
            line(&config("0.0.0.0", 80, Some(81))),
            "gateway: 0.0.0.0:80: no TLS, a token; health checks alone on port 81"
        );
        assert_eq!(
            line(&config("::", 80, None)),
            "gateway: [::]:80: no TLS, a token"
        );
        assert_eq!(
            line(&config("h", 0, Some(0))),
            "gateway: h, any free port: no TLS, a token; health checks alone on any free port"
        );
    }
}

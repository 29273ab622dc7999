//! A gateway's door, from the files that flow.toml names.

use std::path::Path;

use wasm_flow_contract::door::{Door, ServerTls, Tokens};
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_contract::remote::Secret;
use wasm_flow_gateway::{Doorkeeper, ServerTlsError, TlsPart};
use wasm_flow_manifest::{
    DoorKey, LateProblem, Manifest, Pem, Place, Report, ServerTlsFiles, TokensFrom,
};

use crate::pem;

/// How a flow is served, with what the files of its door hold.
///
/// # Errors
/// If one cannot be read or used. The problems have places in the flow's file.
pub(crate) fn gateway(manifest: &Manifest) -> Result<GatewayConfig, Box<Report>> {
    let files = &manifest.gateway.door;
    let tls = files.tls.as_ref().map(tls).transpose();
    let tokens = files.tokens.as_ref().map(tokens).transpose();
    match (tls, tokens) {
        (Ok(tls), Ok(tokens)) => {
            let door = Door { tls, tokens };
            Ok(manifest.gateway.clone().with_door(door))
        }
        (tls, tokens) => {
            let problems = tls.err().into_iter().chain(tokens.err());
            Err(Box::new(manifest.report(problems)))
        }
    }
}

/// What connections are secured with. It has been tried.
///
/// # Errors
/// If something of it cannot be read, or used.
fn tls(files: &ServerTlsFiles) -> Result<ServerTls, LateProblem> {
    let tls = read_tls(files)?;
    let tried = Doorkeeper::default().set_tls(&tls);
    tried.map_err(|error| unusable(files, &error))?;
    Ok(tls)
}

/// Has the doorkeeper secure connections with what the files hold now.
///
/// # Errors
/// If something of it cannot be read, or used. Then all is as before.
pub(crate) fn read_tls_again(
    files: &ServerTlsFiles,
    doorkeeper: &Doorkeeper,
) -> Result<(), LateProblem> {
    let set = doorkeeper.set_tls(&read_tls(files)?);
    set.map_err(|error| unusable(files, &error))
}

fn read_tls(files: &ServerTlsFiles) -> Result<ServerTls, LateProblem> {
    let text = |pem: &Pem, key| match pem {
        Pem::Text(text) => Ok(text.clone()),
        Pem::File(path) => pem::read(path)
            .map(Secret::new)
            .map_err(|error| pem::unreadable(Place::Door(key), path, &error)),
    };
    let revealed = |pem: &Pem, key| text(pem, key).map(|text| text.reveal().to_owned());
    let client_ca = files.client_ca.as_ref();
    Ok(ServerTls {
        cert: revealed(&files.cert, DoorKey::Cert)?,
        key: text(&files.key, DoorKey::Key)?,
        client_ca: client_ca
            .map(|pem| revealed(pem, DoorKey::ClientCa))
            .transpose()?,
    })
}

/// What cannot be used of these, with the file that it is in.
fn unusable(files: &ServerTlsFiles, error: &ServerTlsError) -> LateProblem {
    let (key, pem) = match error.part {
        TlsPart::Cert => (DoorKey::Cert, Some(&files.cert)),
        TlsPart::Key => (DoorKey::Key, Some(&files.key)),
        TlsPart::ClientCa => (DoorKey::ClientCa, files.client_ca.as_ref()),
    };
    let title = match pem {
        Some(Pem::File(path)) => format!("{} cannot be used: {error}", path.display()),
        Some(Pem::Text(_)) | None => format!("this text cannot be used: {error}"),
    };
    LateProblem::new(Place::Door(key), title)
}

/// The tokens that calls may bring.
///
/// # Errors
/// If their file cannot be read, or holds something else.
pub(crate) fn tokens(from: &TokensFrom) -> Result<Tokens, LateProblem> {
    match from {
        TokensFrom::Text(tokens) => Ok(tokens.clone()),
        TokensFrom::File(path) => tokens_of(path),
    }
}

fn tokens_of(path: &Path) -> Result<Tokens, LateProblem> {
    const ALONE: &str = "the file is to hold tokens alone, one on a line";
    let place = Place::Door(DoorKey::Tokens);
    let text =
        pem::read_tokens(path).map_err(|error| pem::unreadable(place.clone(), path, &error))?;
    // What is in it is not shown.
    Tokens::parse(&text).map_err(|error| {
        let title = format!("{} cannot be used: {error}", path.display());
        LateProblem::new(place, title).help(ALONE)
    })
}

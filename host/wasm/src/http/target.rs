//! Where a request goes.

use std::net::IpAddr;

use http::Uri;
use wasm_flow_contract::address::Reserved;
use wasm_flow_contract::grants::HttpGrant;
use wasm_flow_contract::origin::HttpOrigin;

/// A place that is granted, and by what. What was compared with the grants is what is
/// connected to: nothing reads the request's URI a second time, in another way.
pub(super) struct Target {
    origin: HttpOrigin,
    /// At least one.
    grants: Vec<HttpGrant>,
}

/// Why a request goes nowhere.
pub(super) enum Untargeted {
    /// Its URI is no place.
    NoPlace,
    /// It is a place that is not granted.
    NotGranted(HttpOrigin),
}

impl Target {
    pub(super) fn of(uri: &Uri, grants: &[HttpGrant]) -> Result<Target, Untargeted> {
        let origin = HttpOrigin::of(uri).map_err(|_| Untargeted::NoPlace)?;
        let origin = origin.whole();
        let covering = grants.iter().filter(|grant| grant.origin.covers(uri));
        let grants: Vec<HttpGrant> = covering.cloned().collect();
        match grants.is_empty() {
            true => Err(Untargeted::NotGranted(origin)),
            false => Ok(Target { origin, grants }),
        }
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> &HttpOrigin {
        &self.origin
    }

    /// Whether the host may have this address. It may if one of the grants says so.
    pub(super) fn admits(&self, address: IpAddr) -> Result<(), Reserved> {
        let mut refused = Ok(());
        for grant in &self.grants {
            match grant.admits(address) {
                Ok(()) => return Ok(()),
                Err(reserved) => refused = Err(reserved),
            }
        }
        refused
    }
}

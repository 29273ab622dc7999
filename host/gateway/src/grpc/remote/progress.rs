//! How far a call has come.

use std::sync::Arc;
use std::time::Duration;

use wasm_flow_contract::remote::HostPort;

use super::absent::Absent;
use super::peer::Peer;
use super::unreachable::{Tried, Unreachable};

/// How far a call has come: what is said of it if its time is over.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The servers that did not carry it out, and the reasons.
    tried: Vec<Tried>,
    /// Whether one of these had something for the endpoint when it was last asked.
    pub(super) misses_one: bool,
    /// Whether a server said that it has nothing for the endpoint.
    pub(super) is_passed_by: bool,
    /// Whether the names of the hosts were looked up.
    pub(super) is_looked_up: bool,
    /// The servers that are asked what they are.
    asked: Vec<Arc<Peer>>,
    /// The server that it was sent to.
    sent: Option<Arc<Peer>>,
}

impl Progress {
    pub(super) fn ask(&mut self, peer: &Arc<Peer>) {
        self.asked.push(Arc::clone(peer));
    }

    pub(super) fn is_asked(&mut self, peer: &Arc<Peer>) {
        self.asked.retain(|other| !Arc::ptr_eq(other, peer));
    }

    /// A server has not carried it out.
    pub(super) fn is_absent(&mut self, peer: &Peer, absent: Absent, endpoint: &str) {
        let remembered = peer.remembered();
        self.misses_one |= remembered.is_some_and(|said| said.greeting.binds(endpoint));
        self.tried.push(peer.tried(absent));
    }

    pub(super) fn send(&mut self, peer: &Arc<Peer>) {
        self.sent = Some(Arc::clone(peer));
    }

    pub(super) fn is_answered(&mut self) {
        self.sent = None;
    }

    /// The address that it was sent to and has no answer from.
    pub(super) fn sent_to(&self) -> Option<String> {
        self.sent.as_ref().map(|peer| peer.address())
    }

    /// Why nobody carried it out.
    pub(super) fn unreachable(&mut self) -> Unreachable {
        Unreachable::new(std::mem::take(&mut self.tried))
    }

    /// Why nobody got it within this time.
    pub(super) fn unreachable_within(mut self, limit: Duration, hosts: &[HostPort]) -> Unreachable {
        let late = |what: &str| {
            Absent::Unreachable(format!(
                "{what} within the executor's `timeout` of {limit:?}"
            ))
        };
        if !self.is_looked_up {
            let late = late("the name was not looked up");
            let hosts = hosts.iter();
            self.tried
                .extend(hosts.map(|host| Tried::new(host.to_string(), late.clone())));
        }
        let silent = self.asked.iter();
        self.tried
            .extend(silent.map(|peer| peer.tried(late("no answer"))));
        Unreachable::new(self.tried)
    }
}

//! The servers of a remote executor.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tracing::debug;
use wasm_flow_contract::bounds::MAX_ADDRESSES;
use wasm_flow_contract::remote::{HostPort, RemoteConfig};

use super::super::channel::{Connector, Keepalive, TlsError, bearer};
use super::greeting::{Greeting, Latest};
use super::peer::Peer;
use super::unreachable::{Tried, Unreachable};
use crate::bounds::{
    CLIENT_KEEPALIVE, CONNECT, GREETING, HEADER, KEEPALIVE_ANSWER, LOOKUP, PARAMETERS,
};

/// The servers that an address stands for. Names are looked up again from time to
/// time: beside the calls, if there is a server to call meanwhile.
#[derive(Debug)]
pub(super) struct Peers {
    hosts: Vec<HostPort>,
    connector: Connector,
    token: Option<MetadataValue<Ascii>>,
    max_reply: usize,
    list: RwLock<Arc<[Arc<Peer>]>>,
    /// When the names were looked up last.
    looked_up: Mutex<Option<Instant>>,
    looking_up: tokio::sync::Mutex<()>,
    latest: Arc<Latest>,
    /// Where the next call begins among servers that have as many in flight.
    turn: AtomicUsize,
}

impl Peers {
    pub(super) fn new(config: &RemoteConfig) -> Result<Peers, TlsError> {
        let keepalive = Keepalive {
            after: CLIENT_KEEPALIVE,
            answer: KEEPALIVE_ANSWER,
        };
        let connector = match config.address.is_secure() {
            true => Connector::secure(&config.tls, keepalive)?,
            false => Connector::plain(keepalive),
        };
        // What stands beside the documents of an answer is bounded by itself.
        let beside = (HEADER + PARAMETERS) as u64;
        let max_reply = usize::try_from(config.reply.saturating_add(beside)).unwrap_or(usize::MAX);
        Ok(Peers {
            hosts: config.address.hosts().to_vec(),
            connector,
            token: config.token.as_ref().map(bearer).transpose()?,
            max_reply,
            list: RwLock::new(Arc::new([])),
            looked_up: Mutex::new(None),
            looking_up: tokio::sync::Mutex::new(()),
            latest: Arc::default(),
            turn: AtomicUsize::new(0),
        })
    }

    /// What a server said of itself last.
    pub(super) fn greeting(&self) -> Option<Arc<Greeting>> {
        self.latest.get().map(|(greeting, _)| greeting)
    }

    /// Whether the servers may have something for an endpoint. If they said a while ago
    /// that they do not, they are asked again for the next time.
    pub(super) fn binds(self: &Arc<Self>, endpoint: &str) -> bool {
        let Some((greeting, when)) = self.latest.get() else {
            return true;
        };
        if greeting.binds(endpoint) {
            return true;
        }
        if when.elapsed() > GREETING && tokio::runtime::Handle::try_current().is_ok() {
            // Now, so that not every request does.
            self.latest.set(greeting);
            tokio::spawn(Arc::clone(self).ask_again());
        }
        false
    }

    async fn ask_again(self: Arc<Self>) {
        let Ok(peers) = self.current().await else {
            return;
        };
        for peer in peers.iter() {
            peer.forget();
            if peer.greeting().await.is_ok() {
                return;
            }
        }
    }

    /// The servers as they are known now. There is at least one.
    ///
    /// # Errors
    /// When no name has an address.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<[Arc<Peer>]>, Unreachable> {
        let list = self.list();
        if list.is_empty() {
            return self.look_up().await;
        }
        if self.is_due() {
            let peers = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = peers.look_up().await {
                    debug!("{error}");
                }
            });
        }
        Ok(list)
    }

    /// The servers in the order in which a call tries them: those that were reached last
    /// before those that were not, and the fewest calls in flight first.
    pub(super) fn in_order(&self, peers: &Arc<[Arc<Peer>]>) -> Vec<Arc<Peer>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut order: Vec<Arc<Peer>> = peers.to_vec();
        if order.len() > 1 {
            let middle = turn % order.len();
            order.rotate_left(middle);
            order.sort_by_key(|peer| (peer.is_down(), peer.in_flight()));
        }
        order
    }

    fn list(&self) -> Arc<[Arc<Peer>]> {
        Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether names have to be looked up again. Whoever is told so does it.
    fn is_due(&self) -> bool {
        let names = self
            .hosts
            .iter()
            .any(|host| host.host.parse::<IpAddr>().is_err());
        let mut looked_up = self
            .looked_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let due = names && looked_up.is_none_or(|when| when.elapsed() > LOOKUP);
        if due {
            *looked_up = Some(Instant::now());
        }
        due
    }

    async fn look_up(&self) -> Result<Arc<[Arc<Peer>]>, Unreachable> {
        let _one = self.looking_up.lock().await;
        let mut found: Vec<(HostPort, SocketAddr)> = Vec::new();
        let mut seen = HashSet::new();
        let mut tried = Vec::new();
        for host in &self.hosts {
            let lookup = tokio::net::lookup_host((host.host.as_str(), host.port));
            let reason = match timeout(CONNECT, lookup).await {
                Ok(Ok(addresses)) => {
                    let before = found.len();
                    let new = addresses.filter(|address| seen.insert(*address));
                    found.extend(new.map(|address| (host.clone(), address)));
                    match found.len() == before && !seen.iter().any(|seen| seen.port() == host.port)
                    {
                        true => "the name has no address".to_owned(),
                        false => continue,
                    }
                }
                Ok(Err(error)) => format!("the name is not known: {error}"),
                Err(_) => format!("the name was not looked up within {CONNECT:?}"),
            };
            tried.push(Tried {
                address: host.to_string(),
                reason,
            });
        }
        found.truncate(MAX_ADDRESSES);
        let known = self.list();
        if found.is_empty() {
            // The servers of before may well be there: it is the name that is not.
            return match known.is_empty() {
                true => Err(Unreachable::new(tried)),
                false => Ok(known),
            };
        }
        let peers: Arc<[Arc<Peer>]> = found
            .into_iter()
            .filter_map(|(server, address)| {
                let same = known.iter().find(|peer| peer.is(&server, address));
                same.cloned().or_else(|| self.peer(server, address))
            })
            .collect();
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&peers);
        *self
            .looked_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(peers)
    }

    fn peer(&self, server: HostPort, address: SocketAddr) -> Option<Arc<Peer>> {
        // The certificates were read when the connector was made.
        let endpoint = self
            .connector
            .endpoint(&server, &address.to_string())
            .ok()?;
        Some(Arc::new(Peer::new(
            server,
            address,
            endpoint.connect_lazy(),
            self.token.clone(),
            self.max_reply,
            Arc::clone(&self.latest),
        )))
    }
}

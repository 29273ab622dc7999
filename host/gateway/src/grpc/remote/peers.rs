//! The servers of a remote executor.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures::future::join_all;
use tokio::time::{Instant, timeout};
use tonic::metadata::{Ascii, MetadataValue};
use tracing::{debug, warn};
use wasm_flow_contract::bounds::MAX_ADDRESSES;
use wasm_flow_contract::remote::{HostPort, RemoteConfig};

use super::super::channel::{Connector, Keepalive, TlsError, bearer};
use super::absent::Absent;
use super::common::Common;
use super::peer::Peer;
use super::unreachable::{Tried, Unreachable};
use crate::bounds::{
    CONNECT, HEADER, LOOKUP, LOOKUP_FAILED, LOOKUP_WARNING, PARAMETERS, REMOTE_RESULTS,
};
use crate::occasional::Occasional;

/// The servers that an address stands for. Names are looked up again from time to
/// time: beside the calls, if there is a server to call meanwhile.
#[derive(Debug)]
pub(super) struct Peers {
    hosts: Vec<HostPort>,
    /// Whether any host has a name. An address needs no second lookup.
    has_names: bool,
    connector: Connector,
    token: Option<MetadataValue<Ascii>>,
    max_reply: usize,
    list: RwLock<Arc<[Arc<Peer>]>>,
    /// When the names were looked up last.
    looked_up: Mutex<Option<Instant>>,
    looking_up: Common<Result<Arc<[Arc<Peer>]>, Unreachable>>,
    /// How the last lookup failed that found nothing, and when.
    failed: Mutex<Option<(Unreachable, Instant)>>,
    /// A name that is not known any more, and addresses that are left out.
    names_warning: Occasional,
    many_warning: Occasional,
    /// Where the next call begins among servers that have as many in flight.
    turn: AtomicUsize,
}

/// The servers in the order in which a call tries them.
pub(super) struct Order {
    /// Those that have said what they are, the fewest calls in flight first.
    pub(super) known: Vec<Arc<Peer>>,
    /// Those that have to be asked first.
    pub(super) others: Vec<Arc<Peer>>,
}

/// What became of the names of an executor's hosts.
#[derive(Debug, Default)]
struct Lookup {
    found: Vec<(HostPort, SocketAddr)>,
    /// The names that were not found.
    failed: Vec<Tried>,
    /// How many of the addresses are those that such a name had before.
    kept: usize,
    /// How many addresses there are besides.
    left_out: usize,
}

impl Lookup {
    /// Puts together the addresses of all hosts. A name that is not found now keeps the
    /// addresses that it had: the servers may well be there.
    fn new(hosts: Vec<(HostPort, Result<Vec<SocketAddr>, String>)>, known: &[Arc<Peer>]) -> Lookup {
        let mut lookup = Lookup::default();
        let mut seen = HashSet::new();
        for (host, addresses) in hosts {
            let reason = match addresses {
                Ok(addresses) if addresses.is_empty() => "the name has no address".to_owned(),
                Err(reason) => reason,
                Ok(addresses) => {
                    let new = addresses
                        .into_iter()
                        .filter(|address| seen.insert(*address));
                    lookup
                        .found
                        .extend(new.map(|address| (host.clone(), address)));
                    continue;
                }
            };
            let before = known.iter().map(|peer| peer.place());
            let kept = before.filter(|(server, address)| **server == host && seen.insert(*address));
            let count = lookup.found.len();
            lookup
                .found
                .extend(kept.map(|(server, address)| (server.clone(), address)));
            lookup.kept += lookup.found.len() - count;
            lookup
                .failed
                .push(Tried::new(host.to_string(), Absent::Unreachable(reason)));
        }
        lookup.left_out = lookup.found.len().saturating_sub(MAX_ADDRESSES);
        lookup.found.truncate(MAX_ADDRESSES);
        lookup
    }
}

/// The addresses of a host.
///
/// # Errors
/// When there are none: why.
async fn addresses(host: &HostPort) -> Result<Vec<SocketAddr>, String> {
    let lookup = tokio::net::lookup_host((host.host.as_str(), host.port));
    match timeout(CONNECT, lookup).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(format!("the name is not known: {error}")),
        Err(_) => Err(format!("the name was not looked up within {CONNECT:?}")),
    }
}

impl Peers {
    pub(super) fn new(config: &RemoteConfig) -> Result<Peers, TlsError> {
        let keepalive = Keepalive::default();
        let connector = match config.address.is_secure() {
            true => Connector::secure(&config.tls, keepalive)?,
            false => Connector::plain(keepalive),
        };
        // What stands beside the documents of an answer is bounded by itself.
        let beside = (HEADER + PARAMETERS + REMOTE_RESULTS) as u64;
        let max_reply = usize::try_from(config.reply.saturating_add(beside)).unwrap_or(usize::MAX);
        let hosts = config.address.hosts().to_vec();
        let is_name = |host: &HostPort| host.host.parse::<IpAddr>().is_err();
        Ok(Peers {
            has_names: hosts.iter().any(is_name),
            hosts,
            connector,
            token: config.token.as_ref().map(bearer).transpose()?,
            max_reply,
            list: RwLock::new(Arc::new([])),
            looked_up: Mutex::new(None),
            looking_up: Common::default(),
            failed: Mutex::new(None),
            names_warning: Occasional::new(LOOKUP_WARNING),
            many_warning: Occasional::new(LOOKUP_WARNING),
            turn: AtomicUsize::new(0),
        })
    }

    /// The endpoints that some server said last that it binds.
    pub(super) fn endpoints(&self) -> BTreeSet<String> {
        let list = self.list();
        let remembered = list.iter().filter_map(|peer| peer.remembered());
        let mut endpoints = BTreeSet::new();
        for said in remembered {
            endpoints.extend(said.greeting.endpoints().map(str::to_owned));
        }
        endpoints
    }

    /// Whether some server may have something for an endpoint. If one said a while ago that
    /// it does not, it may have by now: the call asks it.
    pub(super) fn binds(&self, endpoint: &str) -> bool {
        let list = self.list();
        let mut remembered = list.iter().filter_map(|peer| peer.remembered()).peekable();
        remembered.peek().is_none()
            || remembered.any(|said| said.is_old() || said.greeting.binds(endpoint))
    }

    /// Whether all servers say that calls of this endpoint leave nothing behind, as far as
    /// they have said anything.
    pub(super) fn is_repeatable(&self, endpoint: &str) -> bool {
        let list = self.list();
        let mut remembered = list.iter().filter_map(|peer| peer.remembered()).peekable();
        remembered.peek().is_some() && remembered.all(|said| said.greeting.is_repeatable(endpoint))
    }

    /// The servers as they are known now. There is at least one.
    ///
    /// # Errors
    /// When no name has an address.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<[Arc<Peer>]>, Unreachable> {
        let look_up = || {
            let peers = Arc::clone(self);
            self.looking_up.outcome(|| peers.look_up())
        };
        let list = self.list();
        if list.is_empty() {
            return match self.just_failed() {
                Some(unreachable) => Err(unreachable),
                None => look_up().await,
            };
        }
        if self.is_due() {
            // In a task of its own.
            drop(look_up());
        }
        Ok(list)
    }

    /// The servers in the order in which a call tries them. Those that are not known are
    /// asked meanwhile: no call waits for one that is silent if there is another.
    pub(super) fn in_order(&self, peers: &Arc<[Arc<Peer>]>) -> Order {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (mut known, others): (Vec<_>, Vec<_>) = peers
            .iter()
            .cloned()
            .partition(|peer| peer.said().is_some());
        if known.len() > 1 {
            let middle = turn % known.len();
            known.rotate_left(middle);
            // Counts change meanwhile: each is read once.
            known.sort_by_cached_key(|peer| peer.in_flight());
        }
        if !known.is_empty() {
            others.iter().for_each(Peer::get_to_know);
        }
        Order { known, others }
    }

    /// Makes what the servers said of themselves old.
    #[cfg(test)]
    pub(super) fn age(&self) {
        self.list().iter().for_each(|peer| peer.age());
    }

    fn list(&self) -> Arc<[Arc<Peer>]> {
        Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether names have to be looked up again. Whoever is told so does it.
    fn is_due(&self) -> bool {
        if !self.has_names {
            return false;
        }
        let mut looked_up = self
            .looked_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let due = looked_up.is_none_or(|when| when.elapsed() > LOOKUP);
        if due {
            *looked_up = Some(Instant::now());
        }
        due
    }

    /// Why no server was found a moment ago. Not every call has to find that out.
    fn just_failed(&self) -> Option<Unreachable> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (unreachable, when) = failed.as_ref()?;
        (when.elapsed() < LOOKUP_FAILED).then(|| unreachable.clone())
    }

    async fn look_up(self: Arc<Self>) -> Result<Arc<[Arc<Peer>]>, Unreachable> {
        let hosts = self.hosts.iter();
        let looking_up = hosts.map(|host| async move { (host.clone(), addresses(host).await) });
        let hosts = join_all(looking_up).await;
        let known = self.list();
        let Lookup {
            found,
            failed,
            kept,
            left_out,
        } = Lookup::new(hosts, &known);
        let unreachable = Unreachable::new(failed);
        if found.is_empty() {
            debug!("{unreachable}");
            let failed = Some((unreachable.clone(), Instant::now()));
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
            return Err(unreachable);
        }
        if !unreachable.is_empty() && self.names_warning.is_due() {
            warn!(
                "{unreachable}; calls go to the other addresses of the remote executor, and to \
                 {kept} that were known before"
            );
        }
        if left_out > 0 && self.many_warning.is_due() {
            warn!(
                "a remote executor's names have {} addresses, and at most {MAX_ADDRESSES} are \
                 used: {left_out} of them get no calls",
                found.len() + left_out
            );
        }
        let peers: Arc<[Arc<Peer>]> = found
            .into_iter()
            .filter_map(|(server, address)| {
                let is_same = |peer: &&Arc<Peer>| peer.place() == (&server, address);
                let same = known.iter().find(is_same).cloned();
                same.or_else(|| self.peer(server, address))
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
            self.connector.is_secure(),
            self.token.clone(),
            self.max_reply,
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use futures::FutureExt as _;
    use wasm_flow_contract::remote::{Predecessors, RemoteAddress, TlsConfig};

    use super::super::greeting::Greeting;
    use super::*;

    fn peers(address: &str) -> Arc<Peers> {
        let config = RemoteConfig {
            name: "far".to_owned(),
            address: RemoteAddress::parse(address).unwrap(),
            tls: TlsConfig::default(),
            token: None,
            timeout: Duration::from_secs(60),
            timeout_send: None,
            reply: 1 << 20,
            predecessors: Predecessors::Together,
        };
        Arc::new(Peers::new(&config).unwrap())
    }

    fn host(name: &str) -> HostPort {
        HostPort {
            host: name.to_owned(),
            port: 1,
        }
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 1))
    }

    #[tokio::test]
    async fn a_name_that_is_not_found_now_keeps_its_servers() {
        let peers = peers("grpc://a:1,b:1");
        let both = vec![(host("a"), address(1)), (host("b"), address(2))];
        let known: Vec<Arc<Peer>> = both
            .iter()
            .map(|(host, address)| peers.peer(host.clone(), *address).unwrap())
            .collect();
        for wrong in [Err("the name is not known".to_owned()), Ok(Vec::new())] {
            let hosts = vec![
                (host("a"), wrong.clone()),
                (host("b"), Ok(vec![address(2)])),
            ];
            let lookup = Lookup::new(hosts, &known);
            assert_eq!((&lookup.found, lookup.kept), (&both, 1));
            assert_eq!(lookup.failed.len(), 1);
            let never_known = Lookup::new(vec![(host("a"), wrong)], &[]);
            assert!(never_known.found.is_empty());
        }
        let moved = vec![(host("a"), Ok(vec![address(3)]))];
        let moved = Lookup::new(moved, &known);
        assert_eq!(
            (moved.found, moved.kept),
            (vec![(host("a"), address(3))], 0)
        );
    }

    /// A sort that sees other counts each time it looks may panic.
    #[tokio::test]
    async fn servers_are_in_order_while_calls_come_and_go() {
        let peers = peers("grpc://a:1");
        let all = (1..=100).map(|last| peers.peer(host("a"), address(last)).unwrap());
        let all: Arc<[Arc<Peer>]> = all.collect();
        all.iter().for_each(|peer| peer.greets(Greeting::default()));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for peer in all.iter() {
                        peer.set_in_flight(fastrand::usize(..100));
                    }
                }
            });
            let sorting = || (0..2000).all(|_| peers.in_order(&all).known.len() == all.len());
            let sorted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(sorting));
            over.store(true, Ordering::Relaxed);
            assert!(sorted.unwrap());
        });
    }

    #[test]
    fn addresses_that_are_left_out_are_counted() {
        let many = (0..=MAX_ADDRESSES).map(|last| address(u8::try_from(last).unwrap()));
        let twice = many.clone().chain(many).collect();
        let lookup = Lookup::new(vec![(host("a"), Ok(twice))], &[]);
        assert_eq!((lookup.found.len(), lookup.left_out), (MAX_ADDRESSES, 1));
    }

    #[tokio::test]
    async fn what_was_not_found_a_moment_ago_is_not_looked_up_by_every_call() {
        let peers = peers("grpc://no-such-host.invalid:1");
        let first = peers.current().await.unwrap_err();
        let second = peers.current().now_or_never().unwrap().unwrap_err();
        assert_eq!(first, second);
        tokio::time::sleep(LOOKUP_FAILED).await;
        assert!(peers.current().now_or_never().is_none());
    }

    #[tokio::test]
    async fn calls_that_come_together_look_up_once() {
        let peers = peers("grpc://localhost:1");
        let (one, two) = futures::join!(peers.current(), peers.current());
        assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
    }
}

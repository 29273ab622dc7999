//! What a server says of itself before it gets calls.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use wasm_flow_contract::request::{DEFAULT_ENDPOINT, DRY_RUN};

use super::super::proto::{EndpointsProto, JinaInfoProto};
use crate::bounds::{GREETING, REMOTE_ENDPOINTS};

/// What a server is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Greeting {
    /// The endpoints that it binds. None: it does not say.
    endpoints: Option<BTreeSet<String>>,
    /// Those whose calls may leave something behind. None: it does not say.
    writes: Option<BTreeSet<String>>,
}

impl Greeting {
    /// Reads what a server answered to `_status` and `endpoint_discovery`. Servers may
    /// have none of the two.
    ///
    /// # Errors
    /// When it speaks another protocol: what, and what to do.
    pub(super) fn read(
        info: Option<JinaInfoProto>,
        endpoints: Option<EndpointsProto>,
    ) -> Result<Greeting, String> {
        let versions = info.unwrap_or_default().jina;
        // Jina leaves it to a method to say that it writes, and says nothing of others.
        let is_wasm_flow = versions.contains_key("wasm-flow");
        if let Some(version) = versions.get("docarray")
            && !is_wasm_flow
            && !is_docarray_v1(version)
        {
            return Err(format!(
                "it speaks docarray {version}, and executors here speak docarray v1; serve it \
                 with docarray below 0.30"
            ));
        }
        let Some(found) = endpoints else {
            return Ok(Greeting::default());
        };
        let set = |list: Vec<String>| list.into_iter().take(REMOTE_ENDPOINTS).collect();
        Ok(Greeting {
            writes: is_wasm_flow.then(|| set(found.write_endpoints)),
            endpoints: Some(set(found.endpoints)),
        })
    }

    /// The endpoints that it says that it binds.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &str> {
        let endpoints = self.endpoints.iter().flatten().map(String::as_str);
        endpoints.filter(|endpoint| *endpoint != DRY_RUN)
    }

    /// Whether it may have something for this endpoint.
    pub(super) fn binds(&self, endpoint: &str) -> bool {
        self.endpoints.as_ref().is_none_or(|endpoints| {
            endpoints.contains(endpoint) || endpoints.contains(DEFAULT_ENDPOINT)
        })
    }

    /// Whether it says that calls of this endpoint leave nothing behind. Those of an
    /// endpoint that it does not bind pass it by.
    pub(super) fn is_repeatable(&self, endpoint: &str) -> bool {
        if !self.binds(endpoint) {
            return true;
        }
        let bound = self
            .endpoints
            .as_ref()
            .is_some_and(|endpoints| endpoints.contains(endpoint));
        let endpoint = if bound { endpoint } else { DEFAULT_ENDPOINT };
        self.writes
            .as_ref()
            .is_some_and(|writes| !writes.contains(endpoint))
    }
}

/// What a server said of itself last, and when. It is remembered when the server is lost.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<Option<Said>>);

/// What a server said of itself once.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) greeting: Arc<Greeting>,
    when: Instant,
    /// Whether the server was lost since then: what is there now may be something else.
    is_past: bool,
}

impl Said {
    pub(super) fn now(greeting: Arc<Greeting>) -> Said {
        Said {
            greeting,
            when: Instant::now(),
            is_past: false,
        }
    }

    /// Whether it may have another endpoint to say by now. One that was lost is asked
    /// when it is there again.
    pub(super) fn is_old(&self) -> bool {
        !self.is_past && self.when.elapsed() > GREETING
    }
}

impl Latest {
    pub(super) fn set(&self, said: Said) {
        *self.lock() = Some(said);
    }

    /// What it said since it was lost last.
    pub(super) fn get(&self) -> Option<Said> {
        self.remembered().filter(|said| !said.is_past)
    }

    /// What it said last, whenever that was.
    pub(super) fn remembered(&self) -> Option<Said> {
        self.lock().clone()
    }

    pub(super) fn forget(&self) {
        if let Some(said) = &mut *self.lock() {
            said.is_past = true;
        }
    }

    /// Makes it one that was said long ago.
    #[cfg(test)]
    pub(super) fn age(&self) {
        if let Some(said) = &mut *self.lock() {
            let long = GREETING + std::time::Duration::from_secs(1);
            said.when = said.when.checked_sub(long).unwrap();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Said>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// docarray's second protocol came with its version 0.30.
fn is_docarray_v1(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(0), Some(minor)) => minor < 30,
        // What cannot be read is found out by the first answer.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(versions: &[(&str, &str)]) -> Option<JinaInfoProto> {
        let versions = versions.iter();
        Some(JinaInfoProto {
            jina: versions
                .map(|(name, version)| ((*name).into(), (*version).into()))
                .collect(),
            ..JinaInfoProto::default()
        })
    }

    fn endpoints(bound: &[&str], written: &[&str]) -> Option<EndpointsProto> {
        let list = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
        Some(EndpointsProto {
            endpoints: list(bound),
            write_endpoints: list(written),
            ..EndpointsProto::default()
        })
    }

    #[test]
    fn who_says_nothing_gets_all_calls_once() {
        let greeting = Greeting::read(None, None).unwrap();
        assert!(greeting.binds("/x"));
        assert!(!greeting.is_repeatable("/x"));
        assert_eq!(greeting.endpoints().count(), 0);
    }

    #[test]
    fn jina_says_what_it_binds_and_not_what_can_be_repeated() {
        let jina = info(&[("jina", "3.34.0"), ("docarray", "0.21.0")]);
        let greeting = Greeting::read(jina, endpoints(&["/x", DRY_RUN], &[])).unwrap();
        assert_eq!(greeting.endpoints().collect::<Vec<_>>(), ["/x"]);
        assert!(greeting.binds("/x") && !greeting.binds("/y"));
        assert!(!greeting.is_repeatable("/x"));
    }

    #[test]
    fn wasm_flow_says_both() {
        let ours = || info(&[("wasm-flow", "0.1.0"), ("docarray", "1")]);
        let bound = endpoints(&["/r", "/w", "/default"], &["/w"]);
        let greeting = Greeting::read(ours(), bound).unwrap();
        assert!(greeting.is_repeatable("/r") && !greeting.is_repeatable("/w"));
        assert!(greeting.binds("/other") && greeting.is_repeatable("/other"));
        let bound = endpoints(&["/r", "/default"], &["/default"]);
        let greeting = Greeting::read(ours(), bound).unwrap();
        assert!(greeting.is_repeatable("/r") && !greeting.is_repeatable("/other"));
    }

    #[test]
    fn what_it_does_not_bind_leaves_nothing_behind() {
        let jina = info(&[("jina", "3.34.0")]);
        let greeting = Greeting::read(jina, endpoints(&["/x"], &[])).unwrap();
        assert!(greeting.is_repeatable("/y") && !greeting.is_repeatable("/x"));
    }

    #[test]
    fn who_speaks_another_docarray_is_refused() {
        let jina = info(&[("jina", "3.34.0"), ("docarray", "0.40.1")]);
        let error = Greeting::read(jina, None).unwrap_err();
        assert!(error.contains("docarray 0.40.1"), "{error}");
        for version in ["0.29.9", "0.21.0", "", "x"] {
            assert!(is_docarray_v1(version), "{version}");
        }
    }
}

//! What the operator is told of requests that are refused.
//!
//! A guest may ask again and again, so each thing is said once, and not more than so many
//! things are said.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::warn;
use wasm_flow_contract::address::Reserved;
use wasm_flow_contract::origin::HttpOrigin;

use super::connections::Bound;
use crate::bounds::{
    HTTP_CONNECTIONS, HTTP_CONNECTIONS_EACH, MAX_REFUSED_ORIGIN, MAX_REFUSED_ORIGINS,
};
use crate::output::Printer;
use crate::text::printable;

/// What was refused to a replica. Its instances share it: with `isolation = "request"`
/// each request has an instance of its own.
#[derive(Debug)]
pub(crate) struct Refusals {
    /// Whose requests these are. None if nothing is logged.
    printer: Option<Printer>,
    said: Mutex<HashSet<(Kind, String)>>,
    full: AtomicBool,
    process_full: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    NotGranted,
    Forbidden,
}

impl Refusals {
    pub(crate) fn of(printer: Printer) -> Self {
        Refusals {
            printer: Some(printer),
            ..Refusals::unlogged()
        }
    }

    pub(crate) fn unlogged() -> Self {
        Refusals {
            printer: None,
            said: Mutex::default(),
            full: AtomicBool::new(false),
            process_full: AtomicBool::new(false),
        }
    }

    /// A request to a place that is not granted.
    pub(super) fn not_granted(&self, origin: &HttpOrigin) {
        if let Some(origin) = self.first(Kind::NotGranted, origin) {
            self.log(&format!(
                "refused an HTTP request to {origin}, which flow.toml does not allow. To allow \
                 it, add it under [executors.allow] of this executor: http = [\"{origin}\"]"
            ));
        }
    }

    /// A request to a name that stands for an address that it may not stand for.
    pub(super) fn forbidden(&self, origin: &HttpOrigin, address: IpAddr, reserved: Reserved) {
        if let Some(origin) = self.first(Kind::Forbidden, origin) {
            let advice = match reserved {
                Reserved::Cloud => {
                    "A name may not; a grant can only name that address itself".into()
                }
                _ => format!(
                    "If that is meant, write under [executors.allow] of this executor: \
                     http = [{{ origin = \"{origin}\", private = true }}]"
                ),
            };
            self.log(&format!(
                "refused an HTTP request to {origin}: the name stands for {address}, {reserved}. \
                 {advice}"
            ));
        }
    }

    /// A request while as many connections are open as may be.
    pub(super) fn too_many(&self, bound: Bound) {
        let (said, whose, bound) = match bound {
            Bound::Instance => (&self.full, "this instance has", HTTP_CONNECTIONS_EACH),
            Bound::Process => (
                &self.process_full,
                "the executors of this process have",
                HTTP_CONNECTIONS,
            ),
        };
        if !said.swap(true, Ordering::Relaxed) {
            self.log(&format!(
                "refused an HTTP request: {whose} {bound} connections open, and may have no \
                 more. A connection is closed when its response was read; an executor that \
                 sends many requests at once should wait for some of them first"
            ));
        }
    }

    /// How the origin is shown, if it is new and there are not too many.
    fn first(&self, kind: Kind, origin: &HttpOrigin) -> Option<String> {
        self.printer.as_ref()?;
        let shown = printable(&origin.to_string());
        // A host's name has 253 characters at most. This is none.
        if shown.len() > MAX_REFUSED_ORIGIN {
            return None;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = said.len() < MAX_REFUSED_ORIGINS && said.insert((kind, shown.clone()));
        is_new.then_some(shown)
    }

    fn log(&self, message: &str) {
        if let Some(printer) = &self.printer {
            warn!(
                executor = &*printer.executor,
                replica = printer.replica,
                instance = printer.instance(),
                "{message}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_contract::sharding::Group;

    use super::*;

    fn refusals() -> Refusals {
        Refusals::of(Printer {
            executor: "a".into(),
            group: Group::Whole,
            replica: 0,
        })
    }

    fn origin(host: &str) -> HttpOrigin {
        HttpOrigin::parse(&format!("https://{host}")).unwrap()
    }

    #[test]
    fn an_origin_is_named_once_for_each_reason() {
        let refusals = refusals();
        let first = |kind, host: &str| refusals.first(kind, &origin(host));
        let shown = Some("https://a.example".to_owned());
        assert_eq!(first(Kind::NotGranted, "a.example"), shown);
        assert_eq!(first(Kind::NotGranted, "a.example"), None);
        assert_eq!(first(Kind::Forbidden, "a.example"), shown);
        assert_eq!(first(Kind::Forbidden, "A.example:443"), None);
        assert!(first(Kind::NotGranted, "b.example").is_some());
        assert_eq!(
            Refusals::unlogged().first(Kind::Forbidden, &origin("c")),
            None
        );
    }

    #[test]
    fn not_more_than_so_many_are_named() {
        let refusals = refusals();
        let long = "a".repeat(MAX_REFUSED_ORIGIN);
        assert_eq!(refusals.first(Kind::Forbidden, &origin(&long)), None);
        let named = (0..10 * MAX_REFUSED_ORIGINS)
            .filter_map(|n| refusals.first(Kind::NotGranted, &origin(&format!("h{n}"))))
            .count();
        assert_eq!(named, MAX_REFUSED_ORIGINS);
        let kept = refusals.said.lock().unwrap().len();
        assert_eq!(kept, MAX_REFUSED_ORIGINS);
    }
}

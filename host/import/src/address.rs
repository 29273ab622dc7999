//! Where executors that stay in Python are served.

use std::collections::HashSet;

use crate::template::Template;
use crate::toml::Value;

/// The first port of those that executors in Python are given.
const FIRST_PORT: u16 = 51_001;

/// The ports of a flow.
#[derive(Debug)]
pub(crate) struct Ports {
    taken: HashSet<u16>,
    next: u16,
}

impl Ports {
    /// These are taken: the file gives them to somebody.
    pub(crate) fn new(taken: impl IntoIterator<Item = u16>) -> Ports {
        Ports {
            taken: taken.into_iter().collect(),
            next: FIRST_PORT,
        }
    }

    /// A port that nobody else has.
    pub(crate) fn take(&mut self) -> Template {
        while self.next < u16::MAX && !self.taken.insert(self.next) {
            self.next += 1;
        }
        Template::from(self.next.to_string())
    }
}

/// `grpc://a:1,b:2`.
pub(crate) fn grpc(tls: bool, addresses: &[(Template, Template)]) -> Value {
    let mut uses = Template::from(if tls { "grpcs://" } else { "grpc://" });
    for (index, (host, port)) in addresses.iter().enumerate() {
        if index > 0 {
            uses.push(",");
        }
        uses.push_with(host, str::to_owned);
        uses.push(":");
        uses.push_with(port, str::to_owned);
    }
    Value::Text(uses)
}

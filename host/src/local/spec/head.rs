//! What is before or after an executor's shards.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use wasm_flow_contract::Stage;
use wasm_flow_contract::grants::Access;
use wasm_flow_contract::limits::Limits;
use wasm_flow_contract::remote::{Secret, TlsConfig};
use wasm_flow_contract::sharding::Group;
use wasm_flow_manifest::Head;

use super::ExecutorSpec;
use crate::local::kind::{Remote, Sandboxed, Timed, Unsandboxed};
use crate::local::source::ExecutorSource;
use crate::resolve::Planned;

/// An executor before or after the shards of another, for
/// [`uses_before`](ExecutorSpec::uses_before) and [`uses_after`](ExecutorSpec::uses_after).
/// It has no name of its own, and takes over nothing of that executor's.
///
/// ```no_run
/// use serde_json::json;
/// use wasm_flow::{ExecutorSpec, HeadSpec};
///
/// ExecutorSpec::new("index", "executors/index.wasm")
///     .shards(3)
///     .uses_after(HeadSpec::new("executors/merge.wasm").uses_with(json!({ "top_k": 10 })));
/// ```
#[derive(Debug, Clone)]
#[must_use = "it is part of an executor once `uses_before` or `uses_after` has it"]
pub struct HeadSpec<K = Sandboxed>(ExecutorSpec<K>);

/// What is before or after an executor's shards, as far as it could be read.
#[derive(Debug, Clone)]
pub(super) struct Around {
    pub(super) planned: Option<Planned>,
    /// How many instances it has in this process.
    pub(super) instances: u64,
}

/// Arguments that cannot be, and why.
type Refused = Vec<(&'static str, String)>;

impl<K> HeadSpec<K> {
    /// What it is for the executor `name`, and what of it cannot be.
    pub(super) fn of(self, name: &str, head: Head) -> (Around, Refused) {
        let HeadSpec(mut spec) = self;
        name.clone_into(&mut spec.config.name);
        spec.config.group = match head {
            Head::Before => Group::UsesBefore,
            Head::After => Group::UsesAfter,
        };
        let instances = spec.instances();
        let config = spec.config;
        let around = Around {
            planned: spec.uses.map(|uses| Planned::new(uses, config)),
            instances,
        };
        (around, spec.refused)
    }
}

impl HeadSpec<Unsandboxed> {
    /// A stage of this program. It is stopped with the flow.
    pub fn stage(stage: impl Stage) -> HeadSpec<Unsandboxed> {
        HeadSpec(ExecutorSpec::stage("", stage))
    }
}

impl<K: Timed> HeadSpec<K> {
    /// How long one call may take, as [`ExecutorSpec::timeout`] says it.
    pub fn timeout(self, timeout: Duration) -> Self {
        HeadSpec(self.0.timeout(timeout))
    }
}

/// What runs in the sandbox, and how.
impl HeadSpec<Sandboxed> {
    /// An executor made from a crate's folder, a `.wasm` file, or a loaded
    /// [`Component`](wasm_flow_wasm::Component).
    pub fn new(uses: impl Into<ExecutorSource>) -> HeadSpec {
        let spec = ExecutorSpec::of_source(String::new(), uses.into(), "`HeadSpec::remote`");
        HeadSpec(spec)
    }

    /// What it is constructed with: a JSON object.
    pub fn uses_with(self, arguments: impl Into<Value>) -> Self {
        HeadSpec(self.0.uses_with(arguments))
    }

    /// Which of its methods takes which endpoint, over its own bindings: pairs of an
    /// endpoint and a method.
    pub fn uses_requests<E: Into<String>, M: Into<String>>(
        self,
        bindings: impl IntoIterator<Item = (E, M)>,
    ) -> Self {
        HeadSpec(self.0.uses_requests(bindings))
    }

    /// How many instances share its calls, as [`ExecutorSpec::replicas`] says it.
    pub fn replicas(self, replicas: u32) -> Self {
        HeadSpec(self.0.replicas(replicas))
    }

    /// What each of its instances may use.
    pub fn limits(self, limits: Limits) -> Self {
        HeadSpec(self.0.limits(limits))
    }

    /// Lets it send HTTP requests there, as [`ExecutorSpec::allow_http`] says it.
    pub fn allow_http(self, origin: impl AsRef<str>) -> Self {
        HeadSpec(self.0.allow_http(origin))
    }

    /// The same, as [`ExecutorSpec::allow_private_http`] says it.
    pub fn allow_private_http(self, origin: impl AsRef<str>) -> Self {
        HeadSpec(self.0.allow_private_http(origin))
    }

    /// Lets it see a variable of this process's environment.
    pub fn allow_env(self, name: impl Into<String>) -> Self {
        HeadSpec(self.0.allow_env(name))
    }

    /// Lets it see a folder, `host`, under the absolute path `guest`.
    pub fn allow_dir(
        self,
        host: impl Into<std::path::PathBuf>,
        guest: impl Into<String>,
        access: Access,
    ) -> Self {
        HeadSpec(self.0.allow_dir(host, guest, access))
    }
}

/// What runs elsewhere, and how it is reached.
impl HeadSpec<Remote> {
    /// An executor that is served at `grpc://host:port`, or `grpcs://host:port` over TLS,
    /// as [`ExecutorSpec::remote`] says it.
    pub fn remote(address: impl AsRef<str>) -> HeadSpec<Remote> {
        HeadSpec(ExecutorSpec::remote("", address))
    }

    /// How long a try at one address may take, from when it is sent.
    pub fn timeout_send(self, timeout_send: Duration) -> Self {
        HeadSpec(self.0.timeout_send(timeout_send))
    }

    /// What connections to a `grpcs://` address are secured with.
    pub fn tls(self, tls: TlsConfig) -> Self {
        HeadSpec(self.0.tls(tls))
    }

    /// Sent with every call as `authorization: Bearer <token>`, to a `grpcs://` address.
    pub fn token(self, token: Secret) -> Self {
        HeadSpec(self.0.token(token))
    }

    /// The same of a token that a file holds. It is read when the flow is started, and blanks
    /// around it do not count.
    pub fn token_file(self, path: impl Into<PathBuf>) -> Self {
        HeadSpec(self.0.token_file(path))
    }

    /// Bytes that the documents of one reply may take: 256 MiB, if it is not said.
    pub fn limit_reply(self, bytes: u64) -> Self {
        HeadSpec(self.0.limit_reply(bytes))
    }
}

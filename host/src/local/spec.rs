//! An executor of a program's flow.

mod batching;
mod head;
mod remote;

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wasm_flow_contract::bounds::{INSTANCES, MAX_MEMORY};
use wasm_flow_contract::config::{ExecutorConfig, Isolation};
use wasm_flow_contract::grants::{Access, DirGrant, HttpGrant, check_env, check_guest_path};
use wasm_flow_contract::graph::{Join, NodeOptions};
use wasm_flow_contract::hub::{Reference, Scope, Signers, Trust};
use wasm_flow_contract::limits::Limits;
use wasm_flow_contract::origin::HttpOrigin;
use wasm_flow_contract::outline::{ALL, NodeSpec};
use wasm_flow_contract::parameters::object;
use wasm_flow_contract::query::Query;
use wasm_flow_contract::request::DEFAULT_ENDPOINT;
use wasm_flow_contract::sharding::{Poll, REST};
use wasm_flow_contract::units::Size;
use wasm_flow_contract::{GATEWAY, Stage};
use wasm_flow_manifest::Head;
use wasm_flow_manifest::bounds::{
    MAX_CONCURRENCY, MAX_QUEUE, MAX_RETRIES, MIN_COMPUTING, MIN_MEMORY,
};
use wasm_flow_wasm::{Discard, Executor, OutputSink, Runtime};

pub use batching::BatchingSpec;
pub use head::HeadSpec;

use super::doubts::warn;
use super::error::{FlowError, FlowProblem, FlowProblems, named};
use super::kind::{Sandboxed, Timed, Unsandboxed};
use super::program::{Parts, Program, duration};
use super::source::ExecutorSource;
use crate::resolve::{LoadedExecutor, Planned, Resolver, Runs, Uses};
use head::Around;

/// An executor of a flow, and how it is run: what a table of `flow.toml` says, with the
/// names that the keys have there.
///
/// What is not said has the default of `flow.toml`: one replica, a timeout of a minute,
/// nothing granted, and the documents of the executor that was added before it. A value
/// that cannot be is said when the flow is started, with the executor and the name of the
/// method, and all such values together.
///
/// ```no_run
/// use std::time::Duration;
///
/// use serde_json::json;
/// use wasm_flow::ExecutorSpec;
///
/// ExecutorSpec::new("encode", "executors/encode.wasm")
///     .uses_with(json!({ "model": "small" }))
///     .needs(["split", "clean"])
///     .when(json!({ "tags__lang": { "$eq": "en" } }))
///     .replicas(2)
///     .timeout(Duration::from_secs(10))
///     .allow_http("https://api.example.com/v1");
/// ```
///
/// What is made with [`new`](ExecutorSpec::new) runs in the sandbox. A
/// [`remote`](ExecutorSpec::remote) executor runs elsewhere, and a
/// [`stage`](ExecutorSpec::stage) is this program's own. Each [`kind`](crate::kind) has the
/// methods that mean something for it.
#[derive(Debug, Clone)]
#[must_use = "it is part of a flow once `FlowBuilder::add` has it"]
pub struct ExecutorSpec<K = Sandboxed> {
    uses: Option<Uses>,
    config: ExecutorConfig,
    needs: Option<Vec<String>>,
    options: NodeOptions,
    uses_before: Option<Around>,
    uses_after: Option<Around>,
    /// Whose signature it needs, if that is said here.
    trust: Option<Trust>,
    /// Arguments that cannot be, and why.
    refused: Vec<(&'static str, String)>,
    /// Arguments that mean something in a flow alone.
    of_flow: BTreeSet<&'static str>,
    kind: PhantomData<fn() -> K>,
}

/// Its place in the flow, and what the flow does around it.
impl<K> ExecutorSpec<K> {
    fn with(name: String, uses: Option<Uses>) -> Self {
        ExecutorSpec {
            uses,
            config: ExecutorConfig::new(name),
            needs: None,
            options: NodeOptions::default(),
            uses_before: None,
            uses_after: None,
            trust: None,
            refused: Vec::new(),
            of_flow: BTreeSet::new(),
            kind: PhantomData,
        }
    }

    fn refuse(mut self, argument: &'static str, reason: impl Into<String>) -> Self {
        self.refused.push((argument, reason.into()));
        self
    }

    /// The executors that it takes its documents from, by name: their documents come
    /// together. [`GATEWAY`] stands for those of the request, and `all` for every
    /// executor before this one whose documents nobody takes. If it is not said, they
    /// come from the executor that was added before this one.
    pub fn needs<N: Into<String>>(mut self, needs: impl IntoIterator<Item = N>) -> Self {
        self.of_flow.insert("needs");
        let mut once: Vec<String> = Vec::new();
        for need in needs {
            let need = need.into();
            match once.contains(&need) {
                true => self = self.refuse("needs", format!("`{need}` is in it twice")),
                false => once.push(need),
            }
        }
        if once.is_empty() {
            let reason = format!(
                "an empty list; name an executor or \"{GATEWAY}\", or leave it out for the \
                 documents of the executor before this one"
            );
            self = self.refuse("needs", reason);
        }
        self.needs = Some(once);
        self
    }

    /// The same with every executor before this one whose documents nobody takes.
    pub fn needs_all(self) -> Self {
        self.needs([ALL])
    }

    /// The documents that it is sent: a condition in docarray's query language, as
    /// `json!({ "tags__lang": { "$eq": "en" } })`. The others do not go on from it.
    pub fn when(mut self, condition: impl Into<Value>) -> Self {
        self.of_flow.insert("when");
        match Query::parse(&condition.into()) {
            Ok(query) => {
                self.options.when = Some(Arc::new(query));
                self
            }
            Err(error) => self.refuse("when", error.to_string()),
        }
    }

    /// Keeps the documents of several needs apart: it gets all of them, and puts them
    /// together itself. Without it, documents of one id become one.
    pub fn no_reduce(mut self) -> Self {
        self.of_flow.insert("no_reduce");
        self.options.join = Join::Concat;
        self
    }

    /// Has requests go on without it: it is called beside them, nobody waits for it, and
    /// its documents go nowhere.
    pub fn floating(mut self) -> Self {
        self.of_flow.insert("floating");
        self.options.floating = true;
        self
    }

    /// How often a call is tried again that cannot have had an effect: 2, if it is not
    /// said, and 0 for never.
    pub fn retries(mut self, retries: u32) -> Self {
        self.of_flow.insert("retries");
        self.config.retries = retries;
        match retries <= MAX_RETRIES {
            true => self,
            false => self.refuse("retries", whole(0, MAX_RETRIES, retries)),
        }
    }

    /// Puts the documents of several requests to this endpoint together in one call.
    pub fn uses_dynamic_batching(
        mut self,
        endpoint: impl Into<String>,
        batching: BatchingSpec,
    ) -> Self {
        self.of_flow.insert("uses_dynamic_batching");
        let endpoint = endpoint.into();
        let argument = "uses_dynamic_batching";
        match batching.check() {
            Ok(_) if self.config.batching.contains_key(&endpoint) => {
                self.refuse(argument, format!("{endpoint}: it is said twice"))
            }
            Ok(batching) => {
                self.config.batching.insert(endpoint, batching);
                self
            }
            Err(reason) => self.refuse(argument, format!("{endpoint}: {reason}")),
        }
    }

    /// Another executor that requests go through before they go to this one, or to its
    /// shards. See [`HeadSpec`].
    pub fn uses_before<H>(mut self, head: HeadSpec<H>) -> Self {
        self.uses_before = Some(self.around(Head::Before, head));
        self
    }

    /// Another executor that gets the documents of all shards that were asked, by shard,
    /// and puts them together. See [`HeadSpec`].
    pub fn uses_after<H>(mut self, head: HeadSpec<H>) -> Self {
        self.uses_after = Some(self.around(Head::After, head));
        self
    }

    fn around<H>(&mut self, head: Head, spec: HeadSpec<H>) -> Around {
        let argument = head.as_str();
        self.of_flow.insert(argument);
        let (around, refused) = spec.of(&self.config.name, head);
        let refused = refused.into_iter();
        self.refused
            .extend(refused.map(|(inner, reason)| (argument, named(inner, reason))));
        around
    }

    /// How many instances it has in this process, those around its shards included.
    fn instances(&self) -> u64 {
        let here = match &self.uses {
            Some(Uses::Stage(_) | Uses::Named(wasm_flow_manifest::Uses::Remote(_))) => 0,
            _ => u64::from(self.config.replicas.get()) * u64::from(self.config.shards.get()),
        };
        let around = [&self.uses_before, &self.uses_after].into_iter().flatten();
        here + around.map(|around| around.instances).sum::<u64>()
    }

    /// Takes it apart for the flow: its part in the graph, what is planned, and what
    /// cannot be.
    pub(super) fn into_parts(self) -> Parts {
        let name = self.config.name.clone();
        let problem = |(argument, reason): (&'static str, String)| {
            FlowProblem::new(Some(&name), Some(argument), reason)
        };
        let instances = self.instances();
        let problems = self.refused.into_iter().map(problem).collect();
        let planned = |around: Option<Around>| around?.planned.map(Box::new);
        let uses_before = planned(self.uses_before);
        let uses_after = planned(self.uses_after);
        Parts {
            problems,
            trust: self.trust,
            node: NodeSpec {
                needs: self.needs,
                is_incomplete: false,
                options: self.options,
                instances,
                name: Some(name),
            },
            planned: self.uses.map(|uses| Planned {
                uses_before,
                uses_after,
                ..Planned::new(uses, self.config)
            }),
        }
    }
}

impl ExecutorSpec<Unsandboxed> {
    /// A stage that stands in the flow like an executor: [`Functions`](crate::Functions)
    /// of this program, or anything else that is a [`Stage`]. It is stopped with the
    /// flow.
    pub fn stage(name: impl Into<String>, stage: impl Stage) -> ExecutorSpec<Unsandboxed> {
        ExecutorSpec::with(name.into(), Some(Uses::Stage(Arc::new(stage))))
    }
}

/// How long calls may take.
impl<K: Timed> ExecutorSpec<K> {
    /// How long one call may take: in the sandbox from when the method is entered, and
    /// elsewhere from when it is sent. In the sandbox it also bounds a start. Longer than
    /// nothing, and no longer than a year; a minute, if it is not said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        match duration(timeout) {
            Ok(()) => self,
            Err(reason) => self.refuse("timeout", reason),
        }
    }
}

/// What runs in the sandbox, and how.
impl ExecutorSpec<Sandboxed> {
    /// An executor of this name, made from a crate's folder, a `.wasm` file, or a loaded
    /// [`Component`](wasm_flow_wasm::Component).
    pub fn new(name: impl Into<String>, uses: impl Into<ExecutorSource>) -> ExecutorSpec {
        ExecutorSpec::of_source(name.into(), uses.into(), "`ExecutorSpec::remote`")
    }

    /// An executor of a registry, by its reference: `registry.example.com/team/name:1.0`, or
    /// with a digest. [`new`](ExecutorSpec::new) takes the same with `oci://` before it.
    ///
    /// It runs only if the signature is right that [`signed_by`](Self::signed_by),
    /// [`FlowBuilder::hub`](crate::FlowBuilder::hub) or the user's own configuration asks
    /// for. What was fetched is kept, and a reference with a digest needs no registry the
    /// next time.
    ///
    /// ```no_run
    /// use wasm_flow::ExecutorSpec;
    /// use wasm_flow::document::DocumentArray;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let encoder = ExecutorSpec::from_hub("encode", "registry.example.com/team/encode:1.0")
    ///     .signed_by(["team.pub"])
    ///     .start()
    ///     .await?;
    /// let docs = encoder.post("/encode", DocumentArray::from_texts(["hello"])).await?;
    /// # drop(docs);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_hub(name: impl Into<String>, reference: impl AsRef<str>) -> ExecutorSpec {
        let name = name.into();
        match reference.as_ref().parse::<Reference>() {
            Ok(reference) => {
                let uses = wasm_flow_manifest::Uses::Hub(reference);
                ExecutorSpec::with(name, Some(Uses::Named(uses)))
            }
            Err(error) => ExecutorSpec::with(name, None).refuse("from_hub", error.to_string()),
        }
    }

    /// The files of the public keys of which one has to have signed it, for an executor of a
    /// registry. For its repository and what is below that, this counts, and not what
    /// [`FlowBuilder::hub`](crate::FlowBuilder::hub) says; the user's own configuration has to
    /// accept it, too.
    pub fn signed_by<P: Into<PathBuf>>(mut self, keys: impl IntoIterator<Item = P>) -> Self {
        // Two executors that name the same keys say the same.
        let keys: BTreeSet<PathBuf> = keys.into_iter().map(Into::into).collect();
        if keys.is_empty() {
            return self.refuse("signed_by", "it names no key");
        }
        let of = match &self.uses {
            Some(Uses::Named(wasm_flow_manifest::Uses::Hub(reference))) => {
                reference.repository().to_string().parse::<Scope>()
            }
            // What is wrong with what it uses has been said.
            None => return self,
            Some(_) => return self.refuse("signed_by", "it does not come from a registry"),
        };
        match of {
            Ok(of) => {
                let signers = Signers::Keys(keys.into_iter().collect());
                self.trust = Some(Trust { of, signers });
                self
            }
            Err(error) => self.refuse("signed_by", error.to_string()),
        }
    }

    /// `elsewhere` is what is for an address.
    fn of_source(name: String, uses: ExecutorSource, elsewhere: &str) -> ExecutorSpec {
        let (uses, reason) = match uses.0 {
            Ok(Uses::Named(wasm_flow_manifest::Uses::Remote(_))) => {
                let instead = format!("it runs elsewhere; {elsewhere} makes one of an address");
                (None, Some(instead))
            }
            Ok(uses) => (Some(uses), None),
            Err(reason) => (None, Some(reason)),
        };
        let spec = ExecutorSpec::with(name, uses);
        match reason {
            Some(reason) => spec.refuse("uses", reason),
            None => spec,
        }
    }

    /// What it is constructed with: a JSON object.
    pub fn uses_with(mut self, arguments: impl Into<Value>) -> Self {
        match object(arguments) {
            Ok(arguments) => {
                self.config.uses_with = arguments;
                self
            }
            Err(error) => self.refuse("uses_with", error.to_string()),
        }
    }

    /// Overrides of what it says of itself: a JSON object with `name`, `description` or
    /// `workspace`.
    pub fn uses_metas(mut self, metas: impl Into<Value>) -> Self {
        match object(metas) {
            Ok(metas) => {
                self.config.uses_metas = metas;
                self
            }
            Err(error) => self.refuse("uses_metas", error.to_string()),
        }
    }

    /// Which of its methods takes which endpoint, over its own bindings: pairs of an
    /// endpoint and a method.
    pub fn uses_requests<E: Into<String>, M: Into<String>>(
        mut self,
        bindings: impl IntoIterator<Item = (E, M)>,
    ) -> Self {
        let mut bound: BTreeMap<String, String> = BTreeMap::new();
        for (endpoint, method) in bindings {
            let (endpoint, method) = (endpoint.into(), method.into());
            if let Some(earlier) = bound.insert(endpoint.clone(), method.clone()) {
                let reason = format!(
                    "it sends `{endpoint}` to `{earlier}` and to `{method}`; leave one of them out"
                );
                self = self.refuse("uses_requests", reason);
            }
        }
        self.config.uses_requests = bound;
        self
    }

    /// How many instances share its calls, or those of each shard: from 1 to 1000, and no
    /// more than that in all executors of a flow together.
    pub fn replicas(mut self, replicas: u32) -> Self {
        match NonZeroU32::new(replicas).filter(|replicas| replicas.get() <= INSTANCES) {
            Some(replicas) => {
                self.config.replicas = replicas;
                self
            }
            None => self.refuse("replicas", whole(1, INSTANCES, replicas)),
        }
    }

    /// How many groups of [`replicas`](ExecutorSpec::replicas) there are: from 1 to 1000.
    /// Each keeps a part of the documents, and [`polling`](ExecutorSpec::polling) says
    /// which of them a request goes to.
    pub fn shards(mut self, shards: u32) -> Self {
        self.of_flow.insert("shards");
        match NonZeroU32::new(shards).filter(|shards| shards.get() <= INSTANCES) {
            Some(shards) => {
                self.config.shards = shards;
                self
            }
            None => self.refuse("shards", whole(1, INSTANCES, shards)),
        }
    }

    /// Which shards a request goes to: one of them, in turn, or all of them, whose
    /// documents then become one by their ids. It holds for every endpoint that
    /// [`polling_of`](ExecutorSpec::polling_of) does not name. If it is not said, requests
    /// to `/search` go to all shards, and others to one.
    pub fn polling(mut self, poll: Poll) -> Self {
        self.of_flow.insert("polling");
        self.config.polling.rest = Some(poll);
        self
    }

    /// The same of requests to one endpoint. `*` stands for all that are not named.
    pub fn polling_of(mut self, endpoint: impl Into<String>, poll: Poll) -> Self {
        let argument = "polling_of";
        let endpoint = endpoint.into();
        match endpoint.as_str() {
            REST => return self.polling(poll),
            DEFAULT_ENDPOINT => {
                let reason = format!(
                    "there is no endpoint `{DEFAULT_ENDPOINT}`; `polling` is about every endpoint \
                     that is not named"
                );
                return self.refuse(argument, reason);
            }
            _ => {}
        }
        self.of_flow.insert(argument);
        let twice = format!("`{endpoint}` is named twice");
        match self.config.polling.named.insert(endpoint, poll) {
            None => self,
            Some(_) => self.refuse(argument, twice),
        }
    }

    /// How long an instance lives.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.config.isolation = isolation;
        self
    }

    /// The folder to keep its files in: each replica has one of its own below it, which
    /// it sees as `/workspace`. It is made if it is not there.
    pub fn workspace(mut self, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        if folder.as_os_str().is_empty() {
            return self.refuse("workspace", "an empty path; \".\" is the working directory");
        }
        self.config.workspace = Some(folder);
        self
    }

    /// What each of its replicas may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        let Limits {
            memory,
            concurrency,
            queue,
            cpu,
            background,
            reply: _,
        } = limits;
        if !(MIN_MEMORY..=MAX_MEMORY).contains(&memory) {
            let reason = format!(
                "`memory` is from {} to {}, and this is {}",
                Size(MIN_MEMORY),
                Size(MAX_MEMORY),
                Size(memory)
            );
            self = self.refuse("limits", reason);
        }
        if concurrency.get() > MAX_CONCURRENCY {
            let reason = whole(1, MAX_CONCURRENCY, concurrency.get());
            self = self.refuse("limits", format!("`concurrency`: {reason}"));
        }
        if queue > MAX_QUEUE {
            let reason = whole(0, MAX_QUEUE, queue);
            self = self.refuse("limits", format!("`queue`: {reason}"));
        }
        for (key, time) in [("cpu", cpu), ("background", Some(background))] {
            if time.is_some_and(|time| time < MIN_COMPUTING) {
                let reason = format!("`{key}`: must be at least {MIN_COMPUTING:?}");
                self = self.refuse("limits", reason);
            }
        }
        self
    }

    /// Lets it send HTTP requests there: scheme and host, and a port and a path if they
    /// are to be those alone. What lies below the path is allowed, too. May be said
    /// several times.
    ///
    /// The name of a host has to stand for an address on the Internet. An address itself,
    /// and `localhost`, may be any; for other names there is
    /// [`allow_private_http`](ExecutorSpec::allow_private_http).
    pub fn allow_http(self, origin: impl AsRef<str>) -> Self {
        self.grant_http("allow_http", origin.as_ref(), false)
    }

    /// The same of a host whose name may stand for an address of a private network, or for
    /// this machine.
    pub fn allow_private_http(self, origin: impl AsRef<str>) -> Self {
        self.grant_http("allow_private_http", origin.as_ref(), true)
    }

    fn grant_http(mut self, method: &'static str, origin: &str, private: bool) -> Self {
        match HttpOrigin::parse(origin) {
            Ok(origin) => {
                self.config.allow.http.push(HttpGrant { origin, private });
                self
            }
            Err(error) => self.refuse(method, error.to_string()),
        }
    }

    /// Lets it see a variable of this process's environment. May be said several times.
    pub fn allow_env(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        match check_env(&name) {
            Ok(()) => {
                self.config.allow.env.push(name);
                self
            }
            Err(error) => self.refuse("allow_env", format!("{error}: {name:?}")),
        }
    }

    /// Lets it see a folder, `host`, under the absolute path `guest`. May be said several
    /// times.
    pub fn allow_dir(
        mut self,
        host: impl Into<PathBuf>,
        guest: impl Into<String>,
        access: Access,
    ) -> Self {
        let (host, guest) = (host.into(), guest.into());
        if let Err(error) = check_guest_path(&guest) {
            return self.refuse("allow_dir", format!("{error}: {guest:?}"));
        }
        if host.as_os_str().is_empty() {
            return self.refuse("allow_dir", "an empty path; \".\" is the working directory");
        }
        let grant = DirGrant {
            host,
            guest,
            access,
        };
        self.config.allow.dirs.push(grant);
        self
    }

    /// Starts it outside of a flow, to be called directly. What it prints and logs is
    /// passed over.
    ///
    /// ```no_run
    /// use serde_json::json;
    /// use wasm_flow::ExecutorSpec;
    /// use wasm_flow::document::DocumentArray;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let greeter = ExecutorSpec::new("greeter", "executors/greeter.wasm")
    ///     .uses_with(json!({ "greeting": "hello" }))
    ///     .start()
    ///     .await?;
    /// let docs = greeter.post("/greet", DocumentArray::from_texts(["world"])).await?;
    /// # drop(docs);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// With all that is wrong. What is about a flow (`needs`, `retries` and so on) is,
    /// because there is none.
    pub async fn start(self) -> Result<Executor, FlowError> {
        self.start_with(Arc::new(Discard)).await
    }

    /// The same, with what it prints and logs sent to `output`.
    ///
    /// # Errors
    /// As for [`start`](ExecutorSpec::start).
    pub async fn start_with(self, output: OutputSink) -> Result<Executor, FlowError> {
        let name = self.config.name.clone();
        let mut problems: Vec<FlowProblem> = Vec::new();
        for argument in &self.of_flow {
            let reason = "it means something in a flow alone, and this executor is in none";
            problems.push(FlowProblem::new(Some(&name), Some(argument), reason));
        }
        let mut parts = self.into_parts();
        problems.append(&mut parts.problems);
        parts.problems = problems;
        let program = Program::new(name.clone(), None, vec![parts])?;
        // What starts it is spawned.
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(FlowError::NoScheduler);
        }
        let resolver = Resolver::new(Runtime::shared()?, |event| tracing::info!("{event}"));
        let loaded = resolver.load(program).await?;
        warn(&loaded);
        let mut executors = loaded.executors().iter().map(|(_, node)| &node.value);
        let failed = |reason: String| {
            let problem = FlowProblem::new(Some(&name), None, reason);
            FlowError::from(FlowProblems::new(&name, vec![problem]))
        };
        let Some(LoadedExecutor {
            runs: Runs::Component(component),
            config,
            ..
        }) = executors.next()
        else {
            return Err(failed("it is not a component".to_owned()));
        };
        let started = Executor::start(resolver.runtime(), component, config.clone(), output);
        started.await.map_err(|error| failed(error.to_string()))
    }
}

fn whole(least: u32, most: u32, found: impl std::fmt::Display) -> String {
    format!("expected a whole number from {least} to {most}, and this is {found}")
}

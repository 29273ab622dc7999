//! What is needed to make the instances of one replica.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use wasm_flow_contract::config::ExecutorConfig;
use wasm_flow_contract::grants::HttpGrant;
use wasm_flow_contract::reply::Origin;

use super::bindings::guest;
use super::grants::{self, GrantError};
use super::load::Component;
use super::runtime::Runtime;
use crate::computing::Share;
use crate::description::Bindings;
use crate::http::Refusals;
use crate::output::{OutputSink, Printer};
use crate::policy::InstancePolicy;

/// What the replicas of an executor share of the host.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) runtime: Runtime,
    /// The executor's share of the turns to compute.
    pub(crate) share: Share,
    pub(crate) output: OutputSink,
}

/// All that is needed to make a replica's instances.
pub(crate) struct Setup {
    pub(super) home: Home,
    pub(super) component: Component,
    /// Who it is that prints.
    pub(super) printer: Printer,
    pub(super) config: Arc<ExecutorConfig>,
    pub(super) policy: InstancePolicy,
    pub(super) http: Arc<[HttpGrant]>,
    pub(super) refusals: Arc<Refusals>,
    /// The replica's own folder.
    pub(super) workspace: Option<Result<PathBuf, GrantError>>,
    /// What the guest's `start` is given.
    pub(super) configuration: guest::Configuration,
}

impl Setup {
    pub(crate) fn new(
        home: Home,
        component: Component,
        config: Arc<ExecutorConfig>,
        policy: InstancePolicy,
        bindings: &Bindings,
        replica: u32,
    ) -> Self {
        let description = component.description();
        let mut metas = Map::new();
        metas.insert("name".to_owned(), description.name.clone().into());
        metas.insert(
            "description".to_owned(),
            description.documentation.clone().into(),
        );
        metas.insert("workspace".to_owned(), Value::Null);
        for (key, value) in &config.uses_metas {
            metas.insert(key.clone(), value.clone());
        }
        let workspace = config.workspace.as_ref().map(|folder| {
            metas.insert("workspace".to_owned(), grants::WORKSPACE.into());
            grants::workspace(folder, &config.name, config.group, replica)
        });
        let group = config.group;
        let runtime_args = json!({
            "name": format!("{}/{}", config.name, Origin::replica_of(group, replica)),
            "executor": config.name,
            "replica": replica,
            "replicas": config.replicas,
            "shard_id": group.shard_id(),
            "shards": group.count(),
        });
        let configuration = guest::Configuration {
            uses_with: Value::Object(config.uses_with.clone()).to_string(),
            metas: Value::Object(metas).to_string(),
            requests: bindings
                .iter()
                .map(|(endpoint, method)| (endpoint.to_owned(), method.to_owned()))
                .collect(),
            runtime_args: runtime_args.to_string(),
        };
        let printer = Printer {
            executor: config.name.as_str().into(),
            group,
            replica,
        };
        Setup {
            http: config.allow.http.as_slice().into(),
            refusals: Arc::new(Refusals::of(printer.clone())),
            home,
            component,
            printer,
            config,
            policy,
            workspace,
            configuration,
        }
    }
}

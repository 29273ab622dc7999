//! What the parts of wasm-flow agree on.
//!
//! A flow sends a [`Call`] to a [`Stage`] and gets a [`Reply`] or a [`Failure`].
//! A gateway sends a [`Request`] to a [`Service`], which is a flow, and gets a
//! [`Response`]. Neither knows what stands behind: an instance in this process,
//! another host, or a function in a test. So this crate depends on no engine and
//! on no network protocol, and the crates of a flow, a gateway, an executor and
//! `flow.toml` know this one and not each other.
//!
//! | module | what it has |
//! | --- | --- |
//! | [`call`], [`reply`], [`failure`], [`stage`], [`outlet`] | a flow and an executor |
//! | [`request`], [`parameters`], [`service`] | a gateway and a flow |
//! | [`trace`] | what both pass along for whoever observes a request |
//! | [`graph`], [`outline`], [`query`] | the shape of a flow, how it is written, and which documents go where |
//! | [`config`], [`limits`], [`grants`], [`origin`] | how an executor is run, how much it may use and what it may reach |
//! | [`address`] | addresses that are no server's on the Internet |
//! | [`remote`] | executors that run elsewhere |
//! | [`hub`] | what executors are called in registries |
//! | [`sharding`] | how an executor's instances are divided, and which of them a request goes to |
//! | [`mod@gateway`], [`door`] | how a flow is served, and to whom |
//! | [`host`] | what the process may use that runs a flow |
//! | [`units`], [`text`] | sizes and durations, read and printed; text from elsewhere, made fit for people |
//! | [`mod@nearest`] | names that were probably meant |

pub mod address;
pub mod bounds;
pub mod call;
pub mod config;
pub mod door;
pub mod failure;
pub mod gateway;
pub mod grants;
pub mod graph;
pub mod host;
pub mod hub;
pub mod limits;
pub mod nearest;
pub mod origin;
pub mod outlet;
pub mod outline;
pub mod parameters;
pub mod query;
pub mod remote;
pub mod reply;
pub mod request;
pub mod service;
pub mod sharding;
pub mod stage;
pub mod text;
pub mod trace;
pub mod units;

pub use call::{Call, Part};
pub use failure::{Failure, FailureKind, Retry};
pub use graph::{GATEWAY, Graph, NodeId};
pub use outlet::{Outflow, Outlet, Streamed};
pub use parameters::Parameters;
pub use reply::{Reply, Results};
pub use request::{Hop, Request, Response};
pub use service::Service;
pub use stage::{Stage, StageInfo};
pub use trace::TraceContext;

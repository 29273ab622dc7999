//! The gateway: a flow behind Jina's gRPC protocol.
//!
//! `JinaRPC/Call`, `process_single_data`, `endpoint_discovery`, `dry_run` and
//! `_status` are served, with the standard health and reflection services. The
//! other services of `jina.proto` are listed where Jina's gateway lists them,
//! and refuse calls with a sentence that says what to use instead.
//!
//! A request that has an id is always answered as Jina does, with gRPC's `OK` and
//! the error in `header.status`. gRPC's own statuses are for what concerns the call:
//! bytes that are not a request, a message that is too large, a gateway that is being
//! stopped.
//!
//! A call's way: `connections` accepts, `doorkeeper` has the connection's TLS and the
//! tokens, `opening` tells HTTP/2 from the rest, and below `grpc`, `admission` asks for a
//! token and lets the call in to one of the `services`, `call` reads
//! its frames, `answer` takes each through the flow, and `refusal` sees to it that an
//! error reaches the client.

mod bind;
pub mod bounds;
mod connections;
mod descriptors;
mod doorkeeper;
mod drain;
mod grpc;
mod in_flight;
mod occasional;
mod opening;
mod rewound;
mod server;
mod tls;

pub use self::bind::{BindError, Listener};
pub use self::doorkeeper::Doorkeeper;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use self::grpc::fuzzing;
pub use self::grpc::{client, remote};
pub use self::server::{Gateway, ServeError};
pub use self::tls::{ServerTlsError, TlsPart};

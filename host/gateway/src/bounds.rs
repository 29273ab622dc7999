//! Every timeout and bound of the gateway. What an operator sets is in flow.toml:
//! `prefetch` and `max_message` under `[gateway]`.

use std::time::Duration;

// --- connections ---

/// How long a new connection may take to say which protocol it speaks: to send
/// HTTP/2's preface, or the head of an HTTP/1.1 request.
pub const OPENING: Duration = Duration::from_secs(10);

/// Bytes of the head of an HTTP/1.1 request. It is read only to be answered that
/// this is not an HTTP/1.1 server.
pub const HTTP1_HEAD: usize = 16 << 10;

/// How long a client that was answered over HTTP/1.1 has to take the answer and
/// close.
pub const HTTP1_CLOSE: Duration = Duration::from_secs(1);

/// The pause after an error of `accept`, such as a process that is out of file
/// descriptors. Without it the accept loop would use a whole core.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often a silent client is asked whether it is still there.
pub const KEEPALIVE: Duration = Duration::from_secs(30);

/// How long the client has to answer that. Then its connection is closed, and its
/// calls are given up.
pub const KEEPALIVE_ANSWER: Duration = Duration::from_secs(20);

/// How far an HTTP/2 sender may go ahead on one stream, in bytes. The default of
/// 64 KiB makes a message of a few MiB wait for the network's round trips.
pub const STREAM_WINDOW: u32 = 4 << 20;

/// The same for all streams of a connection together.
pub const CONNECTION_WINDOW: u32 = 16 << 20;

/// How long the client waits for a connection to a gateway.
pub const CONNECT: Duration = Duration::from_secs(10);

// --- messages ---

/// The most requests in flight that a client may ask for with `__prefetch__`, if
/// `prefetch` in flow.toml is not higher: what Jina gives every client.
pub const PREFETCH: usize = 1000;

/// Requests up to this many bytes share a task. A task for each costs more than
/// such a request is worth, and scatters over the cores answers that could leave
/// in one write.
pub const SMALL_REQUEST: usize = 16 << 10;

/// Bytes of a message's header. It holds names and, in an answer, an error's
/// traceback. The shortest strings take 12 times their bytes once they are read.
pub const HEADER: usize = 4 << 20;

/// Bytes of a request's parameters. They are decoded for every request, and the
/// shortest values then take 16 times their bytes.
pub const PARAMETERS: usize = 16 << 20;

/// Routes that are read from a message. An answer has one for the gateway and one
/// for each executor.
pub const ROUTES: usize = 1000;

/// Bytes of a gRPC status message. It travels in a header, where percent-encoding
/// can triple it, and clients refuse headers over 8 KiB.
pub const STATUS_MESSAGE: usize = 2000;

// --- refused calls ---

/// How long the client of a refused call may be silent before it is told. Until
/// then it may be in the middle of sending, and some clients lose the reason of a
/// call that ends while they send.
pub const REFUSAL_QUIET: Duration = Duration::from_millis(500);

/// How long a refusal waits in all for a client that keeps sending.
pub const REFUSAL_WAIT: Duration = Duration::from_secs(10);

/// Bytes that the client of a refused call may still send before it is told. They
/// are read and thrown away. A message of `max_message` and a bit, which is the
/// usual reason of a refusal, has to fit.
pub const REFUSAL_BYTES: u64 = 8 << 30;

// --- stopping ---

/// How long a gateway that is being stopped waits for clients that have stopped
/// reading, once their requests are answered. The executors' own `timeout` bounds
/// the work itself.
pub const DRAIN: Duration = Duration::from_secs(120);

/// How often it looks whether all calls have ended.
pub const DRAIN_CHECK: Duration = Duration::from_millis(20);

/// How long connections may take to close once every call has ended: for the last
/// bytes to leave. Only a client that has stopped reading makes the gateway wait
/// so long.
pub const CLOSE: Duration = Duration::from_secs(30);

/// How long a client without calls in flight has to acknowledge that its connection
/// is closed. Then it is cut.
pub const GOODBYE: Duration = Duration::from_millis(500);

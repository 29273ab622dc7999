//! Every timeout and bound of the gateway. What an operator sets is in flow.toml:
//! `prefetch` and `max_message` under `[gateway]`.

use std::time::Duration;

wasm_flow_contract::bounds! {
    /// How long a new connection may take to say which protocol it speaks: to send
    /// HTTP/2's preface, or the head of an HTTP/1.1 request. With TLS, its handshake is a
    /// part of that.
    HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

    /// Bytes of the head of an HTTP/1.1 request. It is read only to answer that this
    /// server speaks HTTP/2.
    HTTP1_HEAD: usize = 16 << 10;

    /// How long a client that was answered over HTTP/1.1 has to take the answer and
    /// close.
    HTTP1_CLOSE: Duration = Duration::from_secs(1);

    /// How long a connection without TLS is open to a gateway that wants TLS. Each of its
    /// calls is told what is wrong.
    NO_TLS: Duration = Duration::from_secs(10);

    /// The pause after an error of `accept`, such as a process that is out of file
    /// descriptors. Without it the accept loop would use a whole core.
    ACCEPT_PAUSE: Duration = Duration::from_millis(100);

    /// How often a silent client is asked whether it is still there.
    KEEPALIVE: Duration = Duration::from_secs(30);

    /// How long the client has to answer that. Then its connection is closed, and its
    /// calls are given up.
    KEEPALIVE_ANSWER: Duration = Duration::from_secs(20);

    /// How far an HTTP/2 sender may go ahead on one stream, in bytes. The default of
    /// 64 KiB makes a message of a few MiB wait for the network's round trips.
    STREAM_WINDOW: u32 = 4 << 20;

    /// The same for all streams of a connection together.
    CONNECTION_WINDOW: u32 = 16 << 20;

    /// Connections that are open at once. More wait in the system's backlog until one
    /// closes.
    CONNECTIONS: usize = 10_000;

    /// The same of `port_health`. There are no more than a quarter of those of the gateway.
    HEALTH_CONNECTIONS: usize = 1000;

    /// Calls that one connection may have open at once. Its client is told the number, and
    /// keeps more calls back.
    STREAMS: u32 = 1000;

    /// A message's length is held back until this part of the message has arrived, a
    /// sixteenth. Once it passes, memory is reserved for all of the message.
    RESERVED: u32 = 16;

    /// Bytes of a message after which its length is not held back any longer.
    HELD: u32 = 16 << 20;

    /// How often the log says that connections cannot be accepted, or have to wait.
    ACCEPT_WARNING: Duration = Duration::from_secs(30);

    /// How long the client waits for a connection to a gateway.
    CONNECT: Duration = Duration::from_secs(10);

    /// How often the client asks a gateway that is silent while it has a call whether it is
    /// still there. Jina's gateway takes more than one such question in five minutes for an
    /// attack.
    CLIENT_KEEPALIVE: Duration = Duration::from_secs(330);

    /// How long the client's connection may be silent before the system asks the other
    /// end's system, and how long it waits before it asks again.
    TCP_KEEPALIVE: Duration = Duration::from_secs(20);

    /// How many times it asks without an answer. Then the connection is given up.
    TCP_KEEPALIVE_RETRIES: u32 = 3;

    /// How long the client waits for further documents before it sends those that it has:
    /// a stream of documents may pause, or have no end.
    CLIENT_PAUSE: Duration = Duration::from_millis(500);

    /// How often the names of remote executors are looked up again.
    LOOKUP: Duration = Duration::from_secs(10);

    /// How long calls of a remote executor fail at once after none of its names was found.
    LOOKUP_FAILED: Duration = Duration::from_secs(1);

    /// How often the log says that a name of a remote executor is not found any more, or
    /// has more addresses than are used.
    LOOKUP_WARNING: Duration = Duration::from_secs(60);

    /// How often a remote executor that does not bind an endpoint is asked again whether
    /// it does by now.
    GREETING: Duration = Duration::from_secs(30);

    /// The first pause before an address that could not be reached is tried again, beside
    /// the calls. Pauses double.
    RETURN_FIRST: Duration = Duration::from_millis(250);

    /// The longest of these pauses.
    RETURN_LONGEST: Duration = Duration::from_secs(15);

    /// Bytes of what a remote executor says of itself.
    GREETING_SIZE: usize = 4 << 20;

    /// Endpoints of a remote executor that are kept.
    REMOTE_ENDPOINTS: usize = 10_000;

    /// Bytes of what a remote executor returns beside documents: what one that runs here
    /// may return.
    REMOTE_RESULTS: usize = 1 << 20;

    /// Bytes of each text that a remote executor says of a failure; the rest is cut off.
    REMOTE_TEXT: usize = 16 << 10;

    /// Lines of its traceback that are passed on, and arguments of the error.
    REMOTE_LINES: usize = 64;

    /// The most requests in flight that a client may ask for with `__prefetch__`, if
    /// `prefetch` in flow.toml is not higher: what Jina gives every client.
    PREFETCH: usize = 1000;

    /// Requests up to this many bytes share a task. A task for each costs more than
    /// such a request is worth, and scatters over the cores answers that could leave
    /// in one write.
    SMALL_REQUEST: usize = 16 << 10;

    /// Bytes of a message's header. It holds names and, in an answer, an error's
    /// traceback. The shortest strings take 12 times their bytes once they are read.
    HEADER: usize = 4 << 20;

    /// Bytes of a request's `request_id` and of its endpoint, each. Both stand in
    /// log lines and spans. What a Jina client makes up has 32 bytes.
    NAME: usize = 1 << 10;

    /// Bytes of a request's parameters. They are decoded for every request, and copied
    /// for an executor that some of them are addressed to.
    PARAMETERS: usize = 1 << 20;

    /// Values of a request's parameters, nested ones included. The shortest take 2 or 4
    /// bytes of the message, and over 600 bytes of memory if each is in an object of its
    /// own.
    PARAMETER_VALUES: u64 = 100_000;

    /// Routes that are read from a message. An answer has one for the gateway and one
    /// for each executor.
    ROUTES: usize = 1000;

    /// Requests of one `jina.DataRequestListProto`: one for each predecessor of the node
    /// that it is for.
    PARTS: usize = 1000;

    /// Bytes of a gRPC status message. It travels in a header, where percent-encoding
    /// can triple it, and clients refuse headers over 8 KiB.
    STATUS_MESSAGE: usize = 2000;

    /// How long the client of a refused call may be silent before it is told. Until
    /// then it may be in the middle of sending, and some clients lose the reason of a
    /// call that ends while they send.
    REFUSAL_QUIET: Duration = Duration::from_millis(500);

    /// How long a refusal waits in all for a client that keeps sending.
    REFUSAL_WAIT: Duration = Duration::from_secs(10);

    /// Bytes that the client of a refused call may still send before it is told. They
    /// are read and thrown away. It must hold a message slightly over `max_message`, the
    /// usual reason for a refusal.
    REFUSAL_BYTES: u64 = 8 << 30;

    /// How long a gateway that is being stopped waits for clients that have stopped
    /// reading, once their requests are answered.
    DRAIN: Duration = Duration::from_secs(120);

    /// How long a unary call may still take to send its message once the gateway is being
    /// stopped.
    STOP_GRACE: Duration = Duration::from_millis(500);

    /// How often it looks whether all calls have ended.
    DRAIN_CHECK: Duration = Duration::from_millis(20);

    /// How long connections may take to close once every call has ended: for the last
    /// bytes to leave. Only a client that has stopped reading makes the gateway wait
    /// so long.
    CLOSE: Duration = Duration::from_secs(30);

    /// How long a client without calls in flight has to acknowledge that its connection
    /// is closed. Then it is cut.
    GOAWAY_TIMEOUT: Duration = Duration::from_millis(500);
}

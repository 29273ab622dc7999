//! Every timeout and every bound of the executors, in one table.
//!
//! What a person may change has a key in flow.toml, and its default stands in
//! [`wasm_flow_contract::bounds`]. The rest is fixed here. Documents themselves
//! are bounded by [`wasm_flow_document::Limits`], whose default holds for requests
//! and replies.

use std::num::NonZeroU32;
use std::time::Duration;

use wasm_flow_contract::bounds::positive;

wasm_flow_contract::bounds! {
    /// Sends of documents that one call may have under way. Their bytes together are
    /// bounded by `limits.reply`.
    SENDS_UNDER_WAY: usize = 1000;
    /// How often a running guest is interrupted, on average: to end it if it is to end, to count
    /// its time, and to let others have its thread.
    EPOCH: Duration = Duration::from_millis(5);
    /// How long a guest may run on a thread that serves the network, too. One that computes
    /// for longer goes on when it has a turn, on another thread.
    SLICE: Duration = Duration::from_millis(10);
    /// The time over which a guest's slices are counted together: one that runs for half of it
    /// has used up its slice, however often it yields.
    COMPUTING_WINDOW: Duration = Duration::from_millis(100);
    /// How long all guests of an executor take turns after one of them has used up a slice.
    COMPUTES_FOR: Duration = Duration::from_secs(1);
    /// The time over which `limits.background` is counted.
    BACKGROUND_WINDOW: Duration = Duration::from_secs(10);
    /// How long a retired instance may take to show that it still answers before
    /// it is aborted.
    ANSWER_WITHIN: Duration = Duration::from_millis(100);
    /// How often an executor that is being stopped looks whether anybody waits for its calls.
    CALLERS_CHECK: Duration = Duration::from_millis(50);
    /// How often it is looked whether an instance computes for clients that have all gone.
    LEFT_CHECK: Duration = Duration::from_secs(1);
    /// How long an instance that nobody waits for may take to end, the guest's
    /// `stop` included, before it is aborted.
    STOP_WITHIN: Duration = Duration::from_secs(5);
    /// Failures in a row after which a new instance is still started at once.
    FREE_RESTARTS: u32 = 3;
    /// The first pause before a new instance is started; each later one is twice
    /// as long.
    FIRST_BACK_OFF: Duration = Duration::from_millis(50);
    /// The longest of these pauses.
    LAST_BACK_OFF: Duration = Duration::from_secs(5);
    /// By how many percent a pause may be longer, at random, so that replicas that
    /// failed together do not start together.
    BACK_OFF_JITTER: u32 = 20;
    /// The longest time in which a client is asked to come again because `limits.queue` is
    /// full.
    QUEUE_RETRY: Duration = Duration::from_secs(60);
    /// Instances that a call may lose in a row before one takes it; then it
    /// fails.
    MAX_LOST: NonZeroU32 = positive(3);

    /// HTTP connections that one instance may have open. The next request is refused.
    HTTP_CONNECTIONS_EACH: usize = 64;
    /// HTTP connections that all instances of a process may have open.
    HTTP_CONNECTIONS: usize = 256;
    /// How long one HTTP connection may take to be made: look-up, connection and TLS
    /// together. A guest may ask for less.
    HTTP_CONNECT_WITHIN: Duration = Duration::from_secs(10);
    /// The least time for each address of a name that has several, if that much is left.
    HTTP_CONNECT_EACH: Duration = Duration::from_secs(2);
    /// How long a response, or the next part of its body, may take, if the guest does not
    /// say it.
    HTTP_WAIT: Duration = Duration::from_secs(600);
    /// Origins that the log names of those that were refused to a replica.
    MAX_REFUSED_ORIGINS: usize = 100;
    /// Bytes of an origin that the log names. A longer one is no host's.
    MAX_REFUSED_ORIGIN: usize = 300;

    /// Core instances of one instance. Any component that a compiler makes for
    /// WASI has three, and one that links a language's libraries has many.
    CORE_INSTANCES_EACH: u32 = 64;
    /// Linear memories of one instance.
    MEMORIES_EACH: u32 = 8;
    /// Tables of one instance.
    TABLES_EACH: u32 = 16;
    /// Tables for each of the instances of a process, on average.
    TABLES: u32 = 4;
    /// Bytes of a guest's stack outside of its linear memory.
    STACK: usize = 512 << 10;
    /// Elements of one table.
    TABLE_ELEMENTS: u32 = 64 * 1024;
    /// Elements of all tables of one instance.
    MAX_TABLE_ELEMENTS: usize = (TABLES_EACH * TABLE_ELEMENTS) as usize;
    /// Handles to the host's resources that a guest may hold at once, and as many
    /// tasks, futures and streams of its own; one more traps it.
    MAX_HANDLES: usize = 64 * 1024;

    /// Bytes of a component's file; a larger one is not read. A Python executor
    /// with its interpreter has 20 MB.
    MAX_FILE: u64 = 256 << 20;
    /// Bytes of the code of one component, as a child process hands it over. More is not
    /// taken.
    MAX_CODE: u64 = 1 << 30;
    /// Memory for each thread that compiles: of less, fewer threads do.
    COMPILE_MEMORY_EACH: u64 = 64 << 20;
    /// How often it is looked whether anybody still waits for a component that is compiled.
    COMPILE_CHECK: Duration = Duration::from_millis(100);
    /// Imports that the error about a component names; of more, it gives the number.
    MAX_LISTED: usize = 20;
    /// Time of `describe`, which only has to give constants.
    DESCRIBE_TIMEOUT: Duration = Duration::from_secs(10);
    /// Bytes of linear memory of `describe`. A Python executor with its interpreter takes
    /// some 50 MB.
    DESCRIBE_MEMORY: u64 = 256 << 20;
    /// Bytes of the values that `describe` gives, as the engine counts them.
    DESCRIBE_BYTES: usize = 16 << 20;
    /// Methods of an executor.
    MAX_METHODS: usize = 256;
    /// Endpoints that an executor binds.
    MAX_ENDPOINTS: usize = 1024;
    /// Bytes of the name of an executor, a method or an endpoint.
    MAX_NAME: usize = 128;
    /// Bytes of a documentation text, a schema or the details in a description.
    MAX_PROSE: usize = 64 * 1024;

    /// Tools that a component says it was made with; more are passed over.
    MAX_PRODUCERS: usize = 32;

    /// Bytes of one printed line; a longer one is printed in pieces, so that a
    /// guest that never ends a line cannot fill the host's memory.
    MAX_LINE: usize = 8 * 1024;
    /// Bytes of the fields of a logged message; longer ones are logged as text, and
    /// cut off.
    MAX_FIELDS: usize = 8 * 1024;
    /// Lines of an instance's stderr that are kept to explain a trap with.
    KEPT_LINES: usize = 64;
    /// Lines of a call's stderr that its error shows.
    SHOWN_LINES: usize = 12;
    /// Bytes of a message that a guest gives of itself; the rest is cut off.
    MAX_TEXT: usize = 16 * 1024;
    /// Bytes of a method's results; they are JSON text, and a value of it takes many
    /// times as much memory.
    MAX_RESULTS: usize = 1 << 20;
    /// Bytes of the details of a failure; more is passed over.
    MAX_DETAILS: usize = 64 * 1024;
    /// Documents that a failure's details name.
    MAX_DOCUMENTS_AT_FAULT: usize = 100;
    /// Lines of a guest's traceback that are passed on.
    MAX_TRACE: usize = 64;

    /// Bytes of all compiled code that is kept for the next start; the oldest goes
    /// first.
    MAX_CACHE: u64 = 1 << 30;
}

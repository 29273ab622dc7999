//! What a server takes of the system: memory, threads, open files.

use std::fmt;
use std::time::{Duration, Instant};

use crate::server::Server;

/// How long a server may take to give back what it took for a while. Threads that had
/// something to wait for go after ten seconds without any.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// What a server takes at one time.
#[derive(Debug, Clone, Copy)]
pub struct Vitals {
    /// Bytes of memory.
    pub memory: u64,
    /// Threads.
    pub threads: usize,
    /// Open files, connections among them.
    pub descriptors: usize,
}

/// By how much it may differ from before.
#[derive(Debug, Clone, Copy)]
pub struct Slack {
    /// Bytes of memory. The allocator keeps some.
    pub memory: u64,
    /// Threads: those that the runtime makes when they are wanted and keeps.
    pub threads: usize,
    /// Open files.
    pub descriptors: usize,
}

impl Vitals {
    /// Of a server, now.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn of(server: &Server) -> Vitals {
        Vitals {
            memory: server.resident(),
            threads: server.threads(),
            descriptors: server.descriptors(),
        }
    }

    /// Waits until a server takes no more than this again, and gives what it takes then.
    ///
    /// # Panics
    /// When it does not get there.
    #[track_caller]
    pub fn returns(self, server: &Server, slack: Slack) -> Vitals {
        let begin = Instant::now();
        loop {
            let now = Vitals::of(server);
            let excess = self.exceeded_by(now, slack);
            match excess {
                None => return now,
                Some(what) if begin.elapsed() > SETTLES_WITHIN => {
                    panic!("{what} are not given back: {self} before, {now} after")
                }
                Some(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn exceeded_by(self, now: Vitals, slack: Slack) -> Option<&'static str> {
        if now.memory > self.memory + slack.memory {
            Some("bytes of memory")
        } else if now.threads > self.threads + slack.threads {
            Some("threads")
        } else if now.descriptors > self.descriptors + slack.descriptors {
            Some("open files")
        } else {
            None
        }
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} MiB, {} threads, {} descriptors",
            self.memory >> 20,
            self.threads,
            self.descriptors
        )
    }
}

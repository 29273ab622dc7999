//! What a child takes from itself before it reads what it is to compile.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use wasm_flow_contract::host::CompileLimits;

use crate::bounds::COMPILE_MEMORY_EACH;

/// What a child may use, as its parent tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Confinement {
    /// Seconds of computing, of all threads together.
    computing: u64,
    /// Bytes of memory.
    memory: u64,
    /// How much it leaves to others that compute.
    niceness: u8,
    /// The process that waits for it.
    parent: u32,
}

/// Of a child of a process that serves. Its share of a processor is then a third of that of
/// one who is served; with the most, 19, it would not come to an end on a busy machine.
const GIVES_WAY: u8 = 5;

impl Confinement {
    /// For a child of this process.
    pub(super) fn new(limits: CompileLimits, gives_way: bool) -> Confinement {
        Confinement {
            niceness: if gives_way { GIVES_WAY } else { 0 },
            computing: computing(limits.time, threads(limits)),
            memory: limits.memory,
            parent: std::process::id(),
        }
    }

    /// The same as arguments of the child.
    pub(super) fn to_arguments(self) -> [String; 4] {
        [
            self.computing.to_string(),
            self.memory.to_string(),
            self.niceness.to_string(),
            self.parent.to_string(),
        ]
    }

    pub(super) fn of_arguments(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Option<Confinement> {
        let mut arguments = arguments.into_iter();
        let mut next = || arguments.next()?.into_string().ok()?.parse::<u64>().ok();
        let confinement = Confinement {
            computing: next()?,
            memory: next()?,
            niceness: u8::try_from(next()?).ok()?,
            parent: u32::try_from(next()?).ok()?,
        };
        arguments.next().is_none().then_some(confinement)
    }

    /// Holds this process to it.
    #[cfg(unix)]
    pub(super) fn apply(self) -> io::Result<()> {
        use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{Signal, getppid, set_parent_process_death_signal};
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // It may have ended before it was asked for.
            let parent = getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs());
            if parent != Some(self.parent) {
                return Err(io::Error::other("who started it has ended"));
            }
            // If memory is short, it goes before what serves.
            let _ = std::fs::write("/proc/self/oom_score_adj", "500");
        }
        // What it was given by others may be less.
        let bound = |resource, soft: u64, hard: u64| {
            let known = getrlimit(resource);
            let hard = hard.min(known.maximum.unwrap_or(u64::MAX));
            let soft = soft.min(known.current.unwrap_or(u64::MAX)).min(hard);
            let limit = Rlimit {
                current: Some(soft),
                maximum: Some(hard),
            };
            setrlimit(resource, limit)
        };
        // Not address space: allocators reserve much of it that they do not use.
        bound(Resource::Data, self.memory, self.memory)?;
        // At the first of the two it is told so, with a signal of its own.
        bound(
            Resource::Cpu,
            self.computing,
            self.computing.saturating_add(1),
        )?;
        // A crash leaves no file behind.
        bound(Resource::Core, 0, 0)?;
        // Without that it compiles all the same.
        let _ = nice(i32::from(self.niceness));
        Ok(())
    }

    /// There is nothing to hold it with.
    #[cfg(not(unix))]
    pub(super) fn apply(self) -> io::Result<()> {
        Ok(())
    }
}

/// How many threads compile: each needs memory of its own.
pub(super) fn threads(limits: CompileLimits) -> u64 {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    (limits.memory / COMPILE_MEMORY_EACH).clamp(1, processors)
}

/// All that the threads can compute in that time, and more than no time at all.
fn computing(time: Duration, threads: u64) -> u64 {
    let seconds = time.as_secs().saturating_add(1);
    seconds.saturating_mul(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_say_it_all() {
        let limits = CompileLimits {
            time: Duration::from_millis(1500),
            memory: COMPILE_MEMORY_EACH,
        };
        let confinement = Confinement::new(limits, true);
        assert_eq!((confinement.computing, threads(limits)), (2, 1));
        let arguments = confinement.to_arguments().map(OsString::from);
        let read = Confinement::of_arguments(arguments.clone());
        assert_eq!(read, Some(confinement));
        for wrong in [
            arguments[..3].to_vec(),
            [&arguments[..], &arguments[..1]].concat(),
            vec!["1".into(), "x".into(), "1".into(), "1".into()],
        ] {
            assert_eq!(Confinement::of_arguments(wrong), None);
        }
    }

    #[test]
    fn a_thread_has_memory_and_a_processor() {
        let of = |memory| {
            threads(CompileLimits {
                memory,
                ..CompileLimits::default()
            })
        };
        assert_eq!(of(1), 1);
        let processors = std::thread::available_parallelism().unwrap().get() as u64;
        assert_eq!(of(u64::MAX), processors);
    }
}

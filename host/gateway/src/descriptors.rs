//! How many connections the process has file descriptors for.

use super::bounds::CONNECTIONS;

/// The most connections to have open: no more than half of the process's descriptors. The
/// rest is for executors, files and registries. Clients would take the last one otherwise,
/// and then nobody is served any more.
pub(super) fn connections() -> usize {
    let half = limit().map_or(CONNECTIONS, |limit| limit / 2);
    half.clamp(1, CONNECTIONS)
}

/// The soft limit, after it was raised to the hard one, as servers do: it is low for the
/// sake of old programs.
#[cfg(unix)]
fn limit() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // If it may not be, the limit that there is holds.
    let _ = setrlimit(Resource::Nofile, raised);
    let limit = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

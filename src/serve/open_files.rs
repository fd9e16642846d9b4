//! How many files the process may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files reserved for the database, logs, certificates and connections to others.
const RESERVED: u64 = 128;

/// Raises the limit on open files as far as the system lets this process, and returns how many
/// connections fit, at most `wanted`.
///
/// Shells and supervisors begin processes with 1,024 files for the sake of old programs that use
/// `select`; the hard limit is what the administrator means (systemd.exec, LimitNOFILE).
pub(super) fn fitting_connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!("the limit on open files can't be raised: {error}");
    }
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return wanted;
    };
    let fitting = fitting(wanted, files);
    if fitting < wanted {
        tracing::warn!(
            files,
            connections = fitting,
            "this process may open {files} files, so it takes {fitting} connections at once and \
             not limits.connections, {wanted}: raise the hard limit (LimitNOFILE= with systemd, \
             ulimit -Hn in a shell)"
        );
    }
    fitting
}

fn fitting(wanted: usize, files: u64) -> usize {
    // With hardly any files a few connections are still better than none.
    let largest = files.saturating_sub(RESERVED).max(files / 2).max(1);
    wanted.min(usize::try_from(largest).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        assert_eq!(
            [
                fitting(10_000, 1 << 20),
                fitting(10_000, 1024),
                fitting(10_000, 64),
                fitting(500, 1024)
            ],
            [10_000, 896, 32, 500]
        );
    }
}

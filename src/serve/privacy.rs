//! Secrets in memory are for this process alone.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Forbids core dumps, and keeps other processes of the same user from reading this one's memory or
/// attaching to it.
///
/// Without it a crash writes the master key to a disk, and `/proc/PID/mem` gives it to every
/// program of the user (prctl(2), `PR_SET_DUMPABLE`). Root may still read it.
pub(super) fn keep_memory_private() {
    let no_core = Rlimit {
        current: Some(0),
        maximum: getrlimit(Resource::Core).maximum,
    };
    if let Err(error) = setrlimit(Resource::Core, no_core) {
        tracing::warn!("cores of this process can't be forbidden: {error}");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::warn!("the memory of this process can't be kept from others of its user: {error}");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    use super::*;

    #[test]
    fn no_core_is_dumped_and_no_other_process_attaches() {
        keep_memory_private();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}

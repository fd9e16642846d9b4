//! The system's account of this process, for metrics.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::domain::clock::Timestamp;
use crate::http::ProcessUsage;

/// Returns what the system tells now. Memory and open files are in Linux's `/proc` alone.
pub(super) fn usage(started_at: Timestamp) -> ProcessUsage {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ProcessUsage {
        cpu: Duration::try_from(cpu).ok(),
        resident_bytes: bytes(&status, "VmRSS:"),
        virtual_bytes: bytes(&status, "VmSize:"),
        open_files: open_files(),
        max_files: getrlimit(Resource::Nofile).current,
        started_at: Some(started_at),
    }
}

/// Returns a line of `/proc/self/status` that is in kilobytes (proc_pid_status(5)).
fn bytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn open_files() -> Option<u64> {
    let files = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    // One is the folder that is read.
    files.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_process() {
        let usage = usage(Timestamp::from_unix_millis(0));
        assert!(
            usage.cpu.is_some_and(|cpu| cpu > Duration::ZERO),
            "{usage:?}"
        );
        let (open, limit) = (usage.open_files.unwrap(), usage.max_files.unwrap());
        assert!(open > 2 && open < limit, "{usage:?}");
        assert!(usage.resident_bytes.unwrap() > 1 << 20, "{usage:?}");
        assert!(usage.virtual_bytes >= usage.resident_bytes, "{usage:?}");
    }
}

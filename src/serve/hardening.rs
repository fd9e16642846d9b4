//! The process gives up what it doesn't need, and keeps its memory to itself.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Forbids core dumps, keeps other processes of the same user from reading this one's memory or
/// attaching to it, and takes no privilege from a program that it executes.
///
/// Call it before there are threads, since each has `no_new_privs` for itself, and before a key is
/// read. Without it a crash writes the master key to a disk, and `/proc/PID/mem` gives it to every
/// program of the user (prctl(2), `PR_SET_DUMPABLE`). Root may still read it. Each step that the
/// system refuses is named on standard error.
pub fn harden() {
    let steps: [(&str, io::Result<()>); 3] = [
        (
            "core files of this process can't be forbidden",
            forbid_cores(),
        ),
        (
            "the memory of this process can't be kept from others of its user",
            keep_memory_private(),
        ),
        ("new privileges can't be forbidden", forbid_new_privileges()),
    ];
    for (what, done) in steps {
        if let Err(error) = done {
            eprintln!("transire: {what}: {error}");
        }
    }
}

fn forbid_cores() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}

#[cfg(target_os = "linux")]
fn keep_memory_private() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(target_os = "linux")]
fn forbid_new_privileges() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

#[cfg(not(target_os = "linux"))]
fn keep_memory_private() -> io::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn forbid_new_privileges() -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn no_core_is_dumped_no_other_process_attaches_and_no_privilege_is_taken() {
        harden();
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert!(rustix::thread::no_new_privs().unwrap());
        // A thread that begins later has it, too.
        let later = std::thread::spawn(rustix::thread::no_new_privs);
        assert!(later.join().unwrap().unwrap());
    }
}

//! What the system says of this process (proc(5)).

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the number of open files.
pub(crate) fn handles() -> usize {
    // The folder itself is open while it is read.
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// Returns the number of threads.
pub(crate) fn threads() -> u32 {
    u32::try_from(fs::read_dir("/proc/self/task").unwrap().count()).unwrap()
}

/// Returns the memory in use, in bytes, now and at its highest.
pub(crate) fn memory() -> (usize, usize) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let of = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        let kib: usize = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        kib * 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}

/// Lets this process have `wanted` files open, if it may, and returns how many it can have. Only root
/// can raise the hard limit.
pub(crate) fn handles_for(wanted: usize) -> usize {
    let wanted = wanted as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let can = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if !can(current) {
        let to = |maximum| Rlimit { current: Some(wanted), maximum };
        let raised = match can(maximum) {
            true => setrlimit(Resource::Nofile, to(maximum)),
            false => setrlimit(Resource::Nofile, to(Some(wanted))),
        };
        if raised.is_err() {
            setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
        }
    }
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(wanted, |limit| limit.min(wanted)) as usize
}

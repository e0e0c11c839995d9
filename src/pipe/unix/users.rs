//! Users by their numbers, and the number that stands for all users that have none here.

use std::{fs, sync::OnceLock};

use rustix::process::geteuid;

/// The number of the users without a number of their own, unless the system was set otherwise
/// (user_namespaces(7), proc_sys_kernel(5): `overflowuid`).
const OVERFLOW: u32 = 65_534;

/// Returns the number of this process's user.
pub(super) fn this_user() -> u32 {
    geteuid().as_raw()
}

/// Returns whether the peer's number is that of one user. If not, the peer's user can be any user
/// that has no number in this process's user namespace.
pub(super) fn is_of_one(uid: u32) -> bool {
    uid != overflow() || fs::read_to_string("/proc/self/uid_map").map_or(true, |map| is_whole(&map))
}

fn overflow() -> u32 {
    static OVERFLOW_UID: OnceLock<u32> = OnceLock::new();
    *OVERFLOW_UID.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(OVERFLOW)
    })
}

/// Returns whether a map gives every user a number: it has the lines `inside outside count`.
fn is_whole(map: &str) -> bool {
    let counts = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum::<u64>() >= u32::MAX.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_map_of_all_numbers_gives_every_user_one() {
        assert!(is_whole("         0          0 4294967295\n"));
        assert!(!is_whole("         0       1000          1\n"));
        assert!(!is_whole("0 1000 1\n1 100000 65536\n"));
        assert!(!is_whole(""));
    }

    #[test]
    fn an_ordinary_number_is_of_one_user() {
        assert!(is_of_one(0) && is_of_one(1000));
    }
}

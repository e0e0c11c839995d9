//! What the tests share. Each test binary uses a part of it.

use std::{
    collections::hash_map::RandomState,
    future::Future,
    hash::BuildHasher,
    process,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Longer than anything takes on a busy machine: a test that comes here hangs.
const HANG: Duration = Duration::from_secs(60);

/// Awaits `future` and panics at the caller's line when it hangs.
#[track_caller]
pub(crate) fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(HANG, future).await {
            Ok(output) => output,
            Err(_) => panic!("still waiting after {HANG:?} at {caller}"),
        }
    }
}

/// Returns a pipe name that no other test has, in this process or another, nor had: what a killed one has
/// left behind has a process id that is given out again.
pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static RANDOM: OnceLock<u64> = OnceLock::new();
    let random = RANDOM.get_or_init(|| RandomState::new().hash_one(0) >> 32);
    let (id, number) = (process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("npipes-test-{id}-{random:08x}-{number}")
}

/// Returns `len` bytes that depend on `seed` and on their position.
pub(crate) fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

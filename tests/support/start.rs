//! Other processes that are sure to begin.

use std::io;

/// Returns what `start` has started.
///
/// Wine's `CreateProcess` fails with `ERROR_INTERNAL_ERROR` when the new process ended before its
/// program began, once in some thousand times and for no reason of ours. Nothing has run then, so
/// another is started.
#[track_caller]
pub(crate) fn started<T>(mut start: impl FnMut() -> io::Result<T>) -> T {
    const ERROR_INTERNAL_ERROR: i32 = 1359;
    for _ in 0..4 {
        match start() {
            Err(e) if e.raw_os_error() == Some(ERROR_INTERNAL_ERROR) => {}
            outcome => return outcome.unwrap(),
        }
    }
    start().unwrap()
}

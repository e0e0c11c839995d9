//! Other processes that are sure to begin.

use std::{io, thread, time::Duration};

/// Returns what `start` has started.
#[track_caller]
pub(crate) fn started<T>(mut start: impl FnMut() -> io::Result<T>) -> T {
    for _ in 0..50 {
        match start() {
            Err(e) if may_pass(&e) => thread::sleep(Duration::from_millis(10)),
            outcome => return outcome.unwrap(),
        }
    }
    start().unwrap()
}

/// Returns whether nothing has run, for a reason that is not ours and soon gone.
///
/// Wine's `CreateProcess` fails with `ERROR_INTERNAL_ERROR` when the new process ended before its program
/// began, once in some thousand times.
///
/// On Unix no program begins while its file is open for writing (`ETXTBSY`). A test that copies a program
/// closes the copy, but a process that another test is starting has a duplicate of every open file until its
/// own program begins. Nothing tells when that is.
fn may_pass(error: &io::Error) -> bool {
    const ERROR_INTERNAL_ERROR: i32 = 1359;
    match cfg!(windows) {
        true => error.raw_os_error() == Some(ERROR_INTERNAL_ERROR),
        false => error.kind() == io::ErrorKind::ExecutableFileBusy,
    }
}

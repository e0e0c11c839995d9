//! Tests that have many sockets at once.

/// More open files than all tests of this binary have together.
#[cfg(unix)]
const FILES: usize = 8_192;

/// Returns whether `test` is to be skipped because this process may not have so many files open, and says
/// so.
#[cfg(unix)]
pub(crate) fn skips(test: &str) -> bool {
    crate::open_files::skips_without(FILES, test)
}

/// Windows lets a process have millions of handles.
#[cfg(windows)]
pub(crate) const fn skips(_: &str) -> bool {
    false
}

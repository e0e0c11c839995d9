//! Tests that have many sockets at once: each is an open file, of which a process may have so many.

#[cfg(unix)]
pub(crate) use self::unix::skips;

#[cfg(unix)]
mod unix {
    use std::{
        io::{self, Write},
        sync::OnceLock,
    };

    use crate::system::handles_for;

    /// More open files than all tests of this binary have together.
    const FILES: usize = 8_192;

    /// Returns whether `test` is to be skipped because this process may not open enough files, and says so.
    pub(crate) fn skips(test: &str) -> bool {
        static ALLOWED: OnceLock<usize> = OnceLock::new();
        let skips = *ALLOWED.get_or_init(|| handles_for(FILES)) < FILES;
        if skips {
            // Not eprintln!, whose output the test harness keeps to itself when a test passes.
            let _ = writeln!(
                io::stderr(),
                "skipped: {test}: this process may not open {FILES} files (RLIMIT_NOFILE)"
            );
        }
        skips
    }
}

/// Windows lets a process have millions of handles.
#[cfg(windows)]
pub(crate) const fn skips(_: &str) -> bool {
    false
}

//! Tests that have many connections at once: each is an open file, of which a process may have so many.

use std::io::{self, Write};

use crate::system::handles_for;

/// Returns whether `test` is to be skipped because this process may not have so many files open, and says
/// so.
pub(crate) fn skips_without(files: usize, test: &str) -> bool {
    let skips = handles_for(files) < files;
    if skips {
        // Not eprintln!, whose output the test harness keeps to itself when a test passes.
        let _ = writeln!(
            io::stderr(),
            "skipped: {test}: this process may not open {files} files (RLIMIT_NOFILE)"
        );
    }
    skips
}

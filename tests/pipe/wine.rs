//! Which system this is, for the tests of what Wine does not do.

use std::{io::Write, path::Path};

/// Returns whether `test` is to be skipped because this is Wine, and says so with the reason.
pub(crate) fn skips(test: &str, reason: &str) -> bool {
    let is_wine = Path::new(r"C:\windows\system32\winecfg.exe").exists();
    if is_wine {
        // Not eprintln!, whose output the test harness keeps to itself when a test passes.
        let _ = writeln!(std::io::stderr(), "skipped under Wine: {test}: {reason}");
    }
    is_wine
}

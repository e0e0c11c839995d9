//! Python at the other end, on any system but Windows that has it: the module that the wire comes
//! from, and the frames of `docs/peers` over a Unix socket in place of a pipe.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that meets an impossible value is to panic")]

use std::io::Write;

#[path = "../support/mod.rs"]
mod support;

mod frames;
mod module;

/// Says that `test` is skipped, and why.
fn skip(test: &str, reason: &str) {
    // Not eprintln!, whose output the test harness keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

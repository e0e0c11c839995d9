//! What hostile peers and failing calls cost, on real pipes.
#![cfg(any(windows, target_os = "linux"))]
#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "the helpers of tests are tests"
)]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../pipe/plain.rs"]
mod plain;

#[path = "../support/files.rs"]
mod files;
#[path = "../support/start.rs"]
mod start;
#[path = "../support/mod.rs"]
mod support;
#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/linux.rs"]
mod system;
#[cfg(windows)]
#[allow(unsafe_code)]
#[path = "windows.rs"]
mod system;

mod figures;
mod foreign;
mod handles;
mod peers;
mod process;

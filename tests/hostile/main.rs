//! What hostile peers and failing calls cost, on real pipes.
#![cfg(windows)]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

#[path = "../support/start.rs"]
mod start;
#[path = "../support/mod.rs"]
mod support;

mod figures;
mod handles;
mod peers;
mod process;

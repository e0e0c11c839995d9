//! What is told through `tracing`, and counted.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[cfg_attr(not(windows), expect(dead_code, reason = "only real pipes use the rest"))]
#[path = "../support/record.rs"]
mod record;
#[cfg_attr(not(windows), expect(dead_code, reason = "only real pipes use the rest"))]
#[path = "../support/mod.rs"]
mod support;

mod counters;
mod events;
#[cfg(windows)]
mod pipe;
mod secrets;

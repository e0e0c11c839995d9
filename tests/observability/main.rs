//! What is told through `tracing`, and counted.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[path = "../support/record.rs"]
mod record;
#[path = "../support/mod.rs"]
mod support;

mod counters;
mod events;
mod pipe;
mod secrets;

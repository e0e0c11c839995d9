//! The portable half: what stands on the wire, and messages over any stream of bytes.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[path = "../support/kitchen.rs"]
mod kitchen;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;

mod autotraits;
mod batches;
mod cancellation;
mod codec;
mod connection;
mod facts;
mod golden;
mod halves;
mod laws;
mod scripted;
mod text;
mod timeouts;
mod transport;
mod trickle;
mod typed;
mod vectors;
mod writes;

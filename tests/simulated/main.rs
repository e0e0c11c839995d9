//! Simulated pipes: the same as real ones where they say so, and what a test scripts.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[path = "../support/contract.rs"]
mod laws;
#[path = "../support/mod.rs"]
mod support;

mod contract;
mod script;
mod service;

//! The portable half: what stands on the wire, and messages over any stream of bytes.

#[path = "../support/mod.rs"]
mod support;

mod autotraits;
mod cancellation;
mod codec;
mod connection;
mod drip;
mod errors;
mod golden;
mod laws;

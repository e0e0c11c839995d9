//! The reconnecting client, over transports in memory and with the clock stopped.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[path = "../support/echo.rs"]
mod echo;
#[path = "../support/kitchen.rs"]
mod kitchen;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/wire.rs"]
mod wire;

mod account;
mod attempts;
mod both_ways;
mod calls;
mod close;
mod delivery;
mod duplex;
mod hook;
mod inbox;
mod room;

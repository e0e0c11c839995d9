//! Real pipes: on Windows, or on Linux with `scripts/on-wine cargo test`.
#![cfg(windows)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[path = "../support/echo.rs"]
mod echo;
#[path = "../support/contract.rs"]
mod laws;
#[path = "../support/low_integrity.rs"]
mod low_integrity;
#[path = "../support/rules.rs"]
mod rules;
#[path = "../support/start.rs"]
mod start;
#[path = "../support/mod.rs"]
mod support;

mod acting;
mod autotraits;
#[cfg(feature = "blocking")]
mod blocking;
mod chaos;
mod child;
mod client;
mod close;
mod connector;
mod contract;
mod dialects;
mod elsewhere;
mod exchange;
mod giving_up;
mod ipc;
mod limit;
mod listener;
mod names;
mod owned;
mod peer_handle;
mod program;
mod races;
mod runtime;
mod sandbox;
mod security;
mod serve;
mod service;
mod shutdown;
mod streaming;
mod streams;

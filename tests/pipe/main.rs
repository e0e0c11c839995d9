//! Real pipes: sockets on Unix, and on Windows named pipes, which `scripts/on-wine cargo test` has on
//! Linux.
#![cfg(any(unix, windows))]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[cfg(windows)]
#[path = "../support/echo.rs"]
mod echo;
#[path = "../support/contract.rs"]
mod laws;
#[cfg(windows)]
#[path = "../support/low_integrity.rs"]
mod low_integrity;
#[cfg(windows)]
#[path = "../support/rules.rs"]
mod rules;
#[cfg(windows)]
#[path = "../support/start.rs"]
mod start;
#[path = "../support/mod.rs"]
mod support;

#[cfg(windows)]
mod acting;
#[cfg(windows)]
mod autotraits;
#[cfg(all(windows, feature = "blocking"))]
mod blocking;
#[cfg(windows)]
mod chaos;
#[cfg(windows)]
mod child;
#[cfg(windows)]
mod client;
#[cfg(windows)]
mod close;
#[cfg(windows)]
mod connector;
mod contract;
#[cfg(windows)]
mod dialects;
#[cfg(windows)]
mod elsewhere;
#[cfg(windows)]
mod exchange;
#[cfg(windows)]
mod giving_up;
#[cfg(windows)]
mod ipc;
#[cfg(windows)]
mod limit;
#[cfg(windows)]
mod listener;
#[cfg(windows)]
mod names;
#[cfg(windows)]
mod owned;
#[cfg(windows)]
mod peer_handle;
#[cfg(windows)]
mod program;
#[cfg(windows)]
mod races;
#[cfg(windows)]
mod runtime;
#[cfg(windows)]
mod sandbox;
#[cfg(windows)]
mod security;
#[cfg(windows)]
mod serve;
#[cfg(windows)]
mod service;
#[cfg(windows)]
mod shutdown;
#[cfg(windows)]
mod streaming;
#[cfg(windows)]
mod streams;

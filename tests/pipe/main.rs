//! Real pipes: sockets on Unix, and on Windows named pipes, which `scripts/on-wine cargo test` has on
//! Linux.
#![cfg(any(unix, windows))]
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
#[cfg(windows)]
#[path = "../support/low_integrity.rs"]
mod low_integrity;
#[cfg(unix)]
#[path = "../support/files.rs"]
mod open_files;
mod plain;
#[cfg(windows)]
#[path = "../support/rules.rs"]
mod rules;
#[path = "../support/start.rs"]
mod start;
#[path = "../support/mod.rs"]
mod support;
#[cfg(unix)]
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/linux.rs"]
mod system;

#[cfg(windows)]
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
#[cfg(windows)]
mod elsewhere;
mod exchange;
mod files;
#[cfg(unix)]
mod folder;
mod giving_up;
#[cfg(windows)]
mod instances;
mod ipc;
mod limit;
mod listener;
#[cfg(windows)]
mod messages;
mod names;
mod owned;
#[cfg(unix)]
mod owning;
mod peer_handle;
#[cfg(target_os = "linux")]
mod process;
#[cfg(windows)]
mod program;
mod races;
mod runtime;
#[cfg(windows)]
mod sandbox;
#[cfg(windows)]
mod security;
mod serve;
#[cfg(windows)]
mod service;
mod shutdown;
#[cfg(unix)]
mod sockets;
#[cfg(windows)]
mod streaming;
mod streams;
#[cfg(windows)]
mod unread;
#[cfg(unix)]
mod users;
#[cfg(windows)]
mod waiting_writes;

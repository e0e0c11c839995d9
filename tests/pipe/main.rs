//! Real pipes: on Windows, or on Linux with `scripts/on-wine cargo test`.
#![cfg(windows)]

#[path = "../support/mod.rs"]
mod support;

mod exchange;
mod listener;
mod wine;

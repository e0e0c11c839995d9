//! Processes that send, close and end at once, and readers that want every byte.
//!
//! It is its own harness, since the sender is this same program: what is tested is how its `main`
//! ends. `cargo test --test processes server` runs what has `server` in its name.
#![allow(clippy::unwrap_used, reason = "a test that meets an impossible value is to panic")]

mod reader;
mod scenario;
mod sender;
#[path = "../support/start.rs"]
mod start;
#[path = "../support/mod.rs"]
mod support;

fn main() -> std::process::ExitCode {
    match std::env::var(scenario::SENDER) {
        Ok(words) => {
            sender::send(&words);
            std::process::ExitCode::SUCCESS
        }
        Err(_) => reader::run_all(),
    }
}

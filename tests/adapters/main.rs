//! HTTP and gRPC over real pipes, by the crates that speak them: on Windows, or on Linux with
//! `scripts/on-wine cargo test --all-features --test adapters`.
#![allow(clippy::unwrap_used, reason = "a test that meets an impossible value is to panic")]

#[cfg(windows)]
mod autotraits;
#[cfg(windows)]
mod axum;
#[cfg(windows)]
mod bytes;
#[cfg(windows)]
mod hanging_up;
#[cfg(windows)]
mod http;
#[cfg(windows)]
mod hyper_util;
#[cfg(windows)]
#[path = "../../examples/grpc/kitchen.rs"]
#[allow(unreachable_pub, unused_qualifications, reason = "generated, and for a library")]
#[rustfmt::skip]
mod kitchen;
#[cfg(windows)]
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;
#[cfg(windows)]
mod tonic;
#[cfg(windows)]
mod trouble;

#[cfg(not(windows))]
#[test]
fn nothing_here_is_tested_without_pipes() {
    use std::io::Write;

    // Not eprintln!, whose output the test harness keeps to itself when a test passes.
    let _ =
        writeln!(std::io::stderr(), "skipped: every test of adapters: pipes exist on Windows only");
}

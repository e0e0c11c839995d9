//! HTTP and gRPC over real pipes, by the crates that speak them.
#![allow(clippy::unwrap_used, reason = "a test that meets an impossible value is to panic")]

mod autotraits;
mod axum;
mod bytes;
mod hanging_up;
mod http;
mod hyper_util;
#[path = "../../examples/grpc/kitchen.rs"]
#[allow(unreachable_pub, unused_qualifications, reason = "generated, and for a library")]
#[rustfmt::skip]
mod kitchen;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;
mod tonic;
mod trouble;

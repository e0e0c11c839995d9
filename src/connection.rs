//! Messages over any stream of bytes: `Stream`, `Sink`, and inherent methods, so that ordinary use
//! needs no extension trait. There is no task. There is a clock only if a time limit is set or a
//! close waits, and a lock only between the halves of a stream that has one handle.

mod batch;
mod drain;
pub(crate) mod drain_outcome;
mod driven;
pub(crate) mod handle;
mod limits;
pub(crate) mod options;
mod pair;
mod parts;
mod reader;
mod split;
mod stats;
mod stream;
mod telemetry;
mod text;
mod transport;
mod undrained;
#[cfg_attr(
    not(any(unix, windows, test, feature = "simulated")),
    expect(dead_code, reason = "only pipes use it")
)]
mod unread;
mod write_limit;
mod writer;

pub use self::{
    batch::Batch,
    parts::ConnectionParts,
    split::{ReceiveHalf, SendHalf},
    stats::ConnectionStats,
    transport::{AbortHandle, Transport},
};
#[cfg_attr(
    not(any(unix, windows, feature = "simulated")),
    expect(unused_imports, reason = "only what makes connections by itself uses all of it")
)]
pub(crate) use self::{
    drain_outcome::DrainOutcome,
    handle::Connection,
    options::ConnectionOptions,
    telemetry::{Origin, Role},
    text::read_text,
    transport::unless_peer_left,
    undrained::Undrained,
    unread::Written,
};

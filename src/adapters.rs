//! Pipes for the crates that speak HTTP and gRPC, each behind a feature with its version in its name.
//!
//! The bytes on the pipe are the protocol's own: there is no frame and no checksum of this crate
//! among them. Whoever can open a pipe is decided by the options of the
//! [`Listener`](crate::Listener) and of the connector, as with any other pipe.
//!
//! | on the pipe | a server | a client |
//! |---|---|---|
//! | HTTP/1.1, HTTP/2 | `axum_0_8`; hyper itself with a `TokioIo` around a [`PipeStream`](crate::PipeStream) | `hyper_util_0_1` |
//! | gRPC | `tonic_0_14` | `tonic_0_14` |
//!
//! # A peer that hangs up
//!
//! That is no error: the next read returns the end of the stream, and shutting down succeeds. HTTP/2
//! still acknowledges and takes leave then, so the streams that come from here take 64 KiB that are
//! written to a peer that has left, as TCP would: see
//! [`PipeStream::with_write_grace`](crate::PipeStream::with_write_grace).
//!
//! # The time that a shutdown takes
//!
//! Who closes waits until the other end has read everything, for the
//! [`close_timeout`](crate::ConnectionOptions::close_timeout) of the options at most. A peer that
//! hangs and does not read delays the end of its own connection by that time, and of no other; a
//! graceful shutdown of a server waits for it.

#[cfg(any(feature = "axum_0_8", feature = "tonic_0_14"))]
mod accepting;
#[cfg(feature = "axum_0_8")]
pub mod axum_0_8;
#[cfg(any(feature = "hyper_util_0_1", feature = "tonic_0_14"))]
mod connector;
#[cfg(feature = "hyper_util_0_1")]
pub mod hyper_util_0_1;
#[cfg(feature = "tonic_0_14")]
pub mod tonic_0_14;

/// What can be written to a peer that has left: as much as HTTP/2 lets a peer have by default
/// before it hears from it.
const WRITE_GRACE: usize = 64 * 1024;

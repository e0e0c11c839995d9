//! Pipes for the crates that speak HTTP and gRPC. Each adapter is behind a feature whose name
//! contains the version of that crate.
//!
//! The bytes on the pipe are the bytes of the protocol. They contain no frame and no checksum of
//! this crate. The options of the [`Listener`](crate::Listener) and of the connector decide who can
//! open the pipe, as for any other pipe.
//!
//! | on the pipe | a server | a client |
//! |---|---|---|
//! | HTTP/1.1, HTTP/2 | `axum_0_8`; hyper itself with a `TokioIo` around a [`PipeStream`](crate::PipeStream) | `hyper_util_0_1` |
//! | gRPC | `tonic_0_14` | `tonic_0_14` |
//!
//! # A peer that hangs up
//!
//! This is no error: the next read returns the end of the stream, and shutting down succeeds.
//! HTTP/2 still writes acknowledgements and a last message then. So the streams of the adapters
//! accept 64 KiB that are written to a peer that has left, as TCP would: see
//! [`PipeStream::with_write_grace`](crate::PipeStream::with_write_grace).
//!
//! # The time that a shutdown takes
//!
//! An end that closes waits until the other end has read everything, for the
//! [`close_timeout`](crate::ConnectionOptions::close_timeout) of the options at most. A peer that
//! hangs and does not read delays only the end of its own connection, by this time. A graceful
//! shutdown of a server waits for it.

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

/// How many bytes can be written to a peer that has left. By default, HTTP/2 lets a peer send this
/// much before it hears from the other side.
const WRITE_GRACE: usize = 64 * 1024;

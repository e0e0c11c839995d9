//! Pipes under Tokio: named pipes on Windows, Unix-domain sockets elsewhere. What a server and a
//! client begin with is at the crate's root: [`Listener`](crate::Listener),
//! [`connect`](crate::connect()), [`PipeStream`](crate::PipeStream).

// This folder is all that knows an operating system. `windows` and `unix` are beneath: of the files
// beside them they use `outage`, `pending` and `places` alone. The files above are the same everywhere.
// What they have on one system alone is in `stream/acting.rs` and in a `windows.rs` or `unix.rs` of
// each. docs/windows.md and docs/unix.md have a line for each fact of a system that the
// code relies on, with its source and its test. A new fact is added there, and a question without a
// source to `tests/open_questions`.

mod asking;
pub(crate) mod connect;
pub(crate) mod ipc;
pub(crate) mod listener;
mod names;
mod outage;
pub(crate) mod peer_handle;
mod pending;
mod places;
pub(crate) mod stream;
#[cfg(unix)]
pub(crate) mod unix;
#[cfg(windows)]
pub(crate) mod windows;

#[cfg(unix)]
use self::unix as imp;
#[cfg(windows)]
use self::windows as imp;
#[cfg(windows)]
pub use self::windows::sys::{Direction, PipeType};
pub use self::{
    connect::Connector,
    listener::{Incoming, IncomingStreams},
    peer_handle::PeerHandle,
    stream::{OwnedReadHalf, OwnedWriteHalf, ReuniteError},
};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

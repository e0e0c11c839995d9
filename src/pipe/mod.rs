//! Pipes under Tokio: named pipes on Windows, Unix-domain sockets elsewhere. What a server and a client
//! begin with is at the crate's root: [`Listener`](crate::Listener), [`connect`](crate::connect()),
//! [`PipeStream`](crate::PipeStream).

// This folder is all that knows an operating system: what is the same everywhere here, and what is not in
// a folder for each. What the code takes for granted of a system stands in docs/windows.md and
// docs/unix.md, a line for each fact with its source and its test. A new one is added there, and a
// question to `tests/open_questions` where there is no source.

mod asking;
pub(crate) mod connect;
pub(crate) mod listener;
mod names;
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

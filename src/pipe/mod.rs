//! Windows named pipes under Tokio. What a server and a client begin with is at the crate's root:
//! [`Listener`](crate::Listener), [`connect`](crate::connect()), [`PipeStream`](crate::PipeStream).

// This folder is all that knows the operating system. What the code takes for granted of Windows stands
// in docs/windows.md, a line for each fact with its source and its test. A new one is added there, and a
// question to `tests/open_questions` where there is no source.

mod acting;
mod asking;
pub(crate) mod connect;
mod drain;
pub(crate) mod identity;
mod instance;
pub(crate) mod ipc;
pub(crate) mod listener;
mod names;
pub(crate) mod peer;
pub(crate) mod peer_handle;
mod pending;
mod places;
pub(crate) mod process;
pub(crate) mod security;
pub(crate) mod stream;
#[allow(unsafe_code)]
pub(crate) mod sys;

pub use self::{
    connect::Connector,
    listener::{Incoming, IncomingStreams},
    peer_handle::PeerHandle,
    stream::{OwnedReadHalf, OwnedWriteHalf, ReuniteError},
    sys::{Direction, PipeType},
};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

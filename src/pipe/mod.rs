//! Everything that knows the operating system: Windows named pipes under Tokio.

mod admission;
mod connect;
mod drain;
mod flusher;
mod listener;
mod peer;
mod security;
mod stream;
#[allow(unsafe_code)]
mod sys;

pub use self::{
    connect::{ConnectOptions, connect},
    listener::{Incoming, Listener, ListenerOptions},
    peer::{IntegrityLevel, Peer},
    security::{Access, SecurityDescriptor},
    stream::PipeStream,
    sys::{Direction, PipeType},
};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

//! Everything that knows the operating system: Windows named pipes under Tokio.

mod connect;
mod drain;
mod flusher;
mod listener;
mod stream;
#[allow(unsafe_code)]
mod sys;

pub use self::{
    connect::{ConnectOptions, connect},
    listener::{Incoming, Listener, ListenerOptions},
    stream::PipeStream,
    sys::{Direction, PipeType},
};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

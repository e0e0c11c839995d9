//! Everything that knows the operating system: Windows named pipes under Tokio.

mod connect;
mod drain;
mod flusher;
mod listener;
mod retry;
mod stream;
#[allow(unsafe_code)]
mod sys;
mod wait;

pub use self::{
    connect::{ConnectOptions, connect},
    listener::{Incoming, Listener, ListenerOptions},
    retry::Retry,
    stream::PipeStream,
    sys::{Direction, PipeType},
};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

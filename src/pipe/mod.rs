//! Everything that knows the operating system: Windows named pipes under Tokio.

mod connect;
mod drain;
mod identity;
mod ipc;
mod listener;
mod peer;
mod places;
mod security;
mod stream;
#[allow(unsafe_code)]
mod sys;

pub use self::{
    connect::{ConnectOptions, Connector, connect},
    identity::{MayServe, PipeServer, ServerIdentity},
    ipc::{Delivery, Ipc, IpcOptions, IpcRole},
    listener::{Incoming, Listener, ListenerOptions},
    peer::{IntegrityLevel, Peer},
    security::{Access, SecurityDescriptor},
    stream::PipeStream,
    sys::{Direction, ImpersonationLevel, PipeType},
};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

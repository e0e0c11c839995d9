//! Everything that knows the operating system: Windows named pipes under Tokio.

mod admission;
mod connect;
mod connector;
mod drain;
mod flusher;
mod identity;
mod ipc;
mod listener;
mod peer;
mod sddl;
mod security;
mod stream;
#[allow(unsafe_code)]
mod sys;
mod wait;

pub use self::{
    connect::{ConnectOptions, connect},
    connector::Connector,
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

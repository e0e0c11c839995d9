//! Everything that knows the operating system: Windows named pipes under Tokio.
//!
//! What the code takes for granted of Windows stands in docs/windows.md, a line for each fact with its
//! source and its test. A new one is added there, and a question to `tests/open_questions` where there is
//! no source.

mod connect;
mod drain;
mod identity;
mod instance;
mod ipc;
mod listener;
mod peer;
mod pending;
mod places;
mod security;
mod stream;
#[allow(unsafe_code)]
mod sys;

pub use self::{
    connect::{ConnectOptions, Connector, connect, connect_stream},
    identity::{MayServe, ServerIdentity, ServerTrust},
    ipc::{Delivery, Ipc, IpcOptions, IpcRole},
    listener::{Incoming, IncomingStreams, Listener, ListenerOptions},
    peer::{IntegrityLevel, Peer},
    security::{Access, SecurityDescriptor},
    stream::{OwnedReadHalf, OwnedWriteHalf, PipeStream, ReuniteError},
    sys::{Direction, ImpersonationLevel, PipeType},
};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

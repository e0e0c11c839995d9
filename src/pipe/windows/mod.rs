//! Windows' named pipes.

mod connect;
mod drain;
pub(crate) mod identity;
mod instance;
mod listener;
mod names;
pub(crate) mod peer;
pub(crate) mod process;
mod reception;
pub(crate) mod security;
#[cfg(test)]
#[path = "../../../tests/support/start.rs"]
mod start;
mod stream;
#[allow(unsafe_code)]
pub(crate) mod sys;

pub(super) use self::{
    connect::{OpenSettings, Waiter, failure, has_left, open},
    drain::Drain,
    identity::{ServerIdentity, ServerTrust},
    listener::{Backlog, Hold, ListenSettings, listen},
    names::{list, random, user},
    peer::{Peer, shows_itself_later},
    reception::{Reception, Turn},
    security::Access,
    stream::{End, PipeHandle, speaks},
};

/// Tokio's handle of a server's end.
pub(super) type Server = tokio::net::windows::named_pipe::NamedPipeServer;
/// A client's arrival at this system's listener.
pub(super) type Arrival = super::places::Arrival<Server>;

//! Unix-domain sockets.

pub(crate) mod access;
mod claim;
mod connect;
mod drain;
mod listener;
mod names;
pub(crate) mod peer;
#[cfg(target_os = "linux")]
pub(crate) mod process;
mod reception;
mod stream;
#[allow(unsafe_code)]
mod sys;
pub(crate) mod trust;
mod users;

pub(super) use self::{
    access::Access,
    claim::Claim as Hold,
    connect::{OpenSettings, Waiter, failure, has_left, open},
    drain::Drain,
    listener::{Backlog, ListenSettings, listen},
    names::{list, random, user},
    peer::{Peer, shows_itself_later},
    reception::{Reception, Turn},
    stream::{PipeHandle, speaks},
    trust::{ServerIdentity, ServerTrust},
};

/// Tokio's handle of a server's end.
pub(super) type Server = tokio::net::UnixStream;
/// A client's arrival at this system's listener.
pub(super) type Arrival = super::places::Arrival<Server>;

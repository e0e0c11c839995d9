//! What an end of an `Ipc` owns: its turn, and the name at which it meets one client.

use std::{
    io,
    path::Path,
    task::{Context, Poll, ready},
};

use tokio::net::UnixListener;

use super::{
    Arrival,
    claim::{Claim, Lock},
    listener::{ListenSettings, claim, is_passing},
};
use crate::{
    error::{Error, Operation},
    name::PipeName,
    pipe::places::Place,
};

/// A name that is owned so that others wait. It has a lock and no socket.
pub(in crate::pipe) struct Turn {
    _lock: Lock,
}

impl Turn {
    /// Takes possession of a name; `None` if another end has it.
    pub(in crate::pipe) fn take(
        name: &PipeName,
        _: &ListenSettings,
    ) -> Result<Option<Self>, Error> {
        let taken = Lock::take(Path::new(name.as_str()));
        let lock = taken.map_err(|e| Error::io(Operation::Listen, Some(name), e))?;
        Ok(lock.map(|lock| Self { _lock: lock }))
    }
}

/// A socket at which one client can connect. The name is owned until this is dropped.
pub(in crate::pipe) struct Reception {
    /// `None` once a client has come: a client that connects after that finds nobody listening, and
    /// not a queue in which it would wait for nothing.
    listener: Option<UnixListener>,
    _claim: Claim,
}

impl Reception {
    /// Whether the pipe keeps write boundaries.
    pub(in crate::pipe) const KEEPS_MESSAGES: bool = false;

    /// Takes possession of a name, at which one client can connect; `None` if another end has it.
    pub(in crate::pipe) fn open(
        name: &PipeName,
        settings: &ListenSettings,
    ) -> Result<Option<Self>, Error> {
        let claimed = claim(name, settings, 1)?;
        Ok(claimed.map(|(listener, claim)| Self { listener: Some(listener), _claim: claim }))
    }

    /// Is ready when the client has come. Do not poll it again after that.
    pub(in crate::pipe) fn poll_arrival(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Arrival>> {
        let Some(listener) = &self.listener else { unreachable!("the client has come before") };
        loop {
            match ready!(listener.poll_accept(cx)) {
                Ok((client, _)) => {
                    self.listener = None;
                    return Poll::Ready(Ok(Arrival::now(client, Place::default())));
                }
                Err(e) if is_passing(&e) => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }
}

//! What an end of an `Ipc` owns: its turn, and the name at which it meets one client.

use std::{
    io,
    task::{Context, Poll, ready},
};

use super::{
    Arrival, Server,
    instance::Instance,
    listener::{ListenSettings, claim},
};
use crate::{error::Error, name::PipeName, pipe::places::Place};

/// A name that is owned so that others wait. Nobody connects to its pipe.
pub(in crate::pipe) struct Turn {
    _instance: Server,
}

impl Turn {
    /// Takes possession of a name; `None` if another end has it.
    pub(in crate::pipe) fn take(
        name: &PipeName,
        settings: &ListenSettings,
    ) -> Result<Option<Self>, Error> {
        Ok(unless_taken(name, settings)?.map(|instance| Self { _instance: instance }))
    }
}

/// A pipe with one instance, as the Python module makes it. From the arrival of a client on, the
/// client's end owns the name.
pub(in crate::pipe) struct Reception {
    /// `None` once a client has come.
    instance: Option<Instance>,
}

impl Reception {
    /// Whether the pipe keeps write boundaries.
    pub(in crate::pipe) const KEEPS_MESSAGES: bool = true;

    /// Takes possession of a name, at which one client can connect; `None` if another end has it.
    pub(in crate::pipe) fn open(
        name: &PipeName,
        settings: &ListenSettings,
    ) -> Result<Option<Self>, Error> {
        let server = unless_taken(name, settings)?;
        Ok(server.map(|server| Self { instance: Some(Instance::new(server, Place::default())) }))
    }

    /// Is ready when the client has come. Do not poll it again after that.
    pub(in crate::pipe) fn poll_arrival(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Arrival>> {
        if let Some(instance) = &mut self.instance {
            ready!(instance.poll_connected(cx))?;
        }
        match self.instance.take().and_then(Instance::into_arrival) {
            Some(arrival) => Poll::Ready(Ok(arrival)),
            None => unreachable!("the client has come before"),
        }
    }
}

fn unless_taken(name: &PipeName, settings: &ListenSettings) -> Result<Option<Server>, Error> {
    match claim(name, &settings.clone().for_npipes_1_0_1(), 1) {
        Ok(server) => Ok(Some(server)),
        Err(Error::NameTaken { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

//! Connecting to a socket, once.

use std::{io, marker::PhantomData, time::Duration};

use tokio::{net::UnixStream, time::sleep};

use super::stream::PipeHandle;
use crate::{name::PipeName, retry::attempts::Failure};

/// How a socket is connected to: there is nothing to choose.
#[derive(Debug, Clone, Copy)]
pub(in crate::pipe) struct OpenSettings;

impl OpenSettings {
    pub(in crate::pipe) const fn new() -> Self {
        Self
    }
}

/// Connects to the socket `name`.
pub(in crate::pipe) async fn open(name: &PipeName, _: OpenSettings) -> io::Result<PipeHandle> {
    Ok(PipeHandle::of_client(UnixStream::connect(name.as_str()).await?))
}

/// Returns what a failure to connect means for the next attempt.
pub(in crate::pipe) fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        // The queue of the listener is full (connect(2): `EAGAIN`).
        io::ErrorKind::WouldBlock => Failure::Busy,
        // Nobody listens on a socket that is there (connect(2)): its server has ended.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Failure::NotFound,
        io::ErrorKind::PermissionDenied => Failure::AccessDenied,
        _ => Failure::Other,
    }
}

/// Returns whether a server could not be judged because it has left: the socket knows it all the same.
pub(in crate::pipe) fn has_left(_: &io::Error) -> bool {
    false
}

/// Waits for room in the queue of a busy listener, which no event tells of.
pub(in crate::pipe) struct Waiter<'a>(PhantomData<&'a PipeName>);

impl<'a> Waiter<'a> {
    pub(in crate::pipe) fn new(_: &'a PipeName) -> Self {
        Self(PhantomData)
    }

    /// Waits for `delay`, after which there may be room.
    pub(in crate::pipe) async fn free_instance(&mut self, delay: Duration) {
        sleep(delay).await;
    }
}

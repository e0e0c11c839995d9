//! Connecting to a socket, once.

use std::{io, marker::PhantomData, time::Duration};

use tokio::{net::UnixStream, time::sleep};

use super::stream::PipeHandle;
use crate::{name::PipeName, retry::attempts::Failure};

/// The options for connecting to a socket: there are none.
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
        // The socket's file exists, but nobody listens on it (connect(2)): its server has ended. Or
        // it ended with this client in its queue (af_unix.c: `unix_release_sock`).
        io::ErrorKind::NotFound
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset => Failure::NotFound,
        io::ErrorKind::PermissionDenied => Failure::AccessDenied,
        _ => Failure::Other,
    }
}

/// Returns whether a server could not be judged because it has left. This does not happen: the
/// socket still tells who listened.
pub(in crate::pipe) fn has_left(_: &io::Error) -> bool {
    false
}

/// Waits for room in the queue of a busy listener. No event reports such room.
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

//! Either end of a pipe as one type, so that users write one function for both roles.

#[cfg(windows)]
mod acting;
mod closing;
mod io;
mod split;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub use self::split::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
use super::imp::{Arrival, Drain, PipeHandle};
use crate::{
    connection::{AbortHandle, Connection, ConnectionOptions, Origin, Role, Written},
    name::PipeName,
};

/// One end of an open pipe: Tokio's `NamedPipeServer` or `NamedPipeClient` on Windows, and its
/// `UnixStream` on Unix.
///
/// A write is done when the operating system or Tokio has queued it, and flushing does nothing, as
/// with Tokio's own handles. Shutting down waits until the peer has read everything or has left,
/// for the [close timeout](Self::with_close_timeout) at most, which it reports as `TimedOut`. It
/// closes nothing, on no system: a stream that was shut down can still be written to.
/// [`drained`](Self::drained) tells a peer that has read from one that has left.
///
/// # Dropping it
///
/// Dropping does not wait. What the operating system has taken can be read by the peer for as long
/// as the peer likes. On Windows a write that still waits for room in the pipe goes on for the
/// [linger time](Self::with_linger) at most, as long as the runtime lives, and is then cancelled; on
/// Unix a write that waits has not begun. [`abort`](Self::abort) leaves nothing behind.
///
/// A write of no bytes does nothing here; [`close_write`](Self::close_write) ends the direction.
///
/// Reading fails with `ConnectionReset` if the other end has disconnected the pipe, or on Unix has
/// closed it, without having read everything: what this end had sent is lost.
pub struct PipeStream {
    handle: Arc<PipeHandle>,
    name: Option<PipeName>,
    /// By when the pipe was open at both ends.
    opened: SystemTime,
    close_timeout: Duration,
    /// Something was written that the peer is not known to have read.
    undrained: bool,
    /// It has read everything, and the end of the last write may be yet to be seen.
    completing: bool,
    written: Written,
    /// The bytes that may still be written to a peer that has left.
    write_grace: usize,
    drain: Option<Box<Drain>>,
}

impl PipeStream {
    pub(super) fn of_server(arrival: Arrival, name: PipeName) -> Self {
        let Arrival { server, place, seen } = arrival;
        let handle = PipeHandle::of_server(server).in_place(place);
        Self { name: Some(name), opened: seen, ..Self::over(handle) }
    }

    pub(super) fn of_client(handle: PipeHandle, name: PipeName) -> Self {
        Self { name: Some(name), ..Self::over(handle) }
    }

    /// A stream to which somebody else may have written.
    pub(super) fn of_stranger(handle: PipeHandle) -> Self {
        Self { undrained: true, ..Self::over(handle) }
    }

    /// A stream that nothing was written to.
    fn over(handle: PipeHandle) -> Self {
        Self {
            handle: Arc::new(handle),
            name: None,
            opened: SystemTime::now(),
            close_timeout: ConnectionOptions::DEFAULT_CLOSE_TIMEOUT,
            undrained: false,
            completing: false,
            written: Written::default(),
            write_grace: 0,
            drain: None,
        }
    }

    /// Sets how long shutting down and [`drained`](Self::drained) wait for the peer to read. The
    /// default is 5 s; a connection that comes from a `Listener` or from `connect` has
    /// [`ConnectionOptions::close_timeout`].
    #[must_use]
    pub const fn with_close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// Sets how long on Windows a write goes on, once the stream is dropped, that still waits for
    /// room in the pipe; elsewhere none does. The default is 10 s; a connection that comes from a
    /// `Listener` or from `connect` has [`ConnectionOptions::linger`].
    #[must_use]
    pub fn with_linger(self, time: Duration) -> Self {
        self.handle.set_linger(time);
        self
    }

    /// Sets how many bytes can be written to a peer that has left, and are lost, until a write fails.
    /// The default is 0: the first one fails, with `BrokenPipe`.
    ///
    /// HTTP/2 and others acknowledge and take leave whether the peer still listens or not, and over
    /// TCP, which takes what is written until it has heard from the peer, that is no failure. What was
    /// written a moment before the peer left is lost without a word in any case: a write is done when
    /// it is queued. Reading tells that the peer has left, as ever.
    #[must_use]
    pub const fn with_write_grace(mut self, bytes: usize) -> Self {
        self.write_grace = bytes;
        self
    }

    /// Closes the pipe at once, whatever the peer does: no handle, no instance, no name and no write
    /// is left behind.
    ///
    /// On Windows a server's end is disconnected: the client finds its connection reset, and what
    /// it has not read is discarded. Any other end discards what waits for room in the pipe; what
    /// the operating system has taken before, up to the pipe's buffer, the peer can still read.
    ///
    /// On Windows the operating system has closed the handle when the runtime has next looked for
    /// finished I/O, and on Unix when this returns.
    pub fn abort(self) {
        self.handle.abort();
    }

    /// Returns what does the same as [`abort`](Self::abort), from anywhere. It does not keep the pipe
    /// open.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        let handle = Arc::downgrade(&self.handle);
        AbortHandle::new(move || {
            if let Some(handle) = handle.upgrade() {
                handle.abort();
            }
        })
    }

    /// Returns the connection over it, which knows the peer's process if anybody is to be told.
    pub(super) fn into_connection(
        self,
        options: &ConnectionOptions,
        id: Option<u64>,
        retries: u32,
    ) -> Connection<Self> {
        let pipe = self.name.clone();
        let (role, local) = (self.role(), pipe.as_ref().is_none_or(PipeName::is_local));
        let stream = self.with_close_timeout(options.close_timeout).with_linger(options.linger);
        let origin = Origin { pipe, role: Some(role), id, retries };
        let connection = Connection::over_transport(stream, options, origin);
        // Another machine's process ids say nothing here, and asking takes as long as its network.
        if local && !connection.span().is_disabled() {
            if let Some(peer) = connection.get_ref().handle.peer_process_id() {
                connection.span().record("peer", peer);
            }
        }
        connection
    }

    fn role(&self) -> Role {
        match self.is_server() {
            true => Role::Server,
            false => Role::Client,
        }
    }

    pub(super) fn is_server(&self) -> bool {
        self.handle.is_server()
    }

    pub(super) fn handle(&self) -> &Arc<PipeHandle> {
        &self.handle
    }

    /// Returns by when the pipe was open at both ends: who was created later has opened neither.
    pub(super) const fn opened(&self) -> SystemTime {
        self.opened
    }

    /// Returns the name of the pipe; `None` if the stream was made from a bare handle.
    #[must_use]
    pub fn name(&self) -> Option<&PipeName> {
        self.name.as_ref()
    }

    /// Returns whether the other end is on this machine: it always is where no path leads elsewhere.
    fn is_local(&self) -> bool {
        self.name.as_ref().is_none_or(PipeName::is_local)
    }

    /// Fails only at the moment in which an [`AbortHandle`] or a `PeerHandle` uses the handle too.
    pub(super) fn into_handle(self) -> Result<PipeHandle, Self> {
        Arc::try_unwrap(self.handle).map_err(|handle| Self { handle, ..self })
    }
}

impl fmt::Debug for PipeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.is_server() { "server" } else { "client" };
        f.debug_struct("PipeStream").field("end", &end).field("name", &self.name).finish()
    }
}

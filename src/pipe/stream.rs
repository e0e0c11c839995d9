//! Either end of a pipe as one type, so that one function can serve both roles.

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
/// A write is done when it is handed over to the operating system or, on Windows, to the runtime.
/// Flushing does nothing, as with Tokio's own handles.
///
/// Shutting down waits until the peer has read everything or has left, for the [close
/// timeout](Self::with_close_timeout) at most. After that time it fails with `TimedOut`. It closes
/// nothing on any system: a stream that was shut down can still be written to.
/// [`drained`](Self::drained) tells whether the peer has read everything or has left.
///
/// # Dropping it
///
/// Dropping does not wait. The peer can read what the operating system has taken, at any later
/// time. On Windows a write that still waits for room in the pipe goes on while the runtime lives,
/// for the [linger time](Self::with_linger) at most, and is then cancelled. A stream with such a
/// write that is dropped after its runtime keeps its handle until the process ends. On Unix a write
/// that waits has not begun. [`abort`](Self::abort) leaves nothing behind.
///
/// A write of no bytes does nothing. [`close_write`](Self::close_write) ends the direction.
///
/// Reading fails with `ConnectionReset` if the other end has disconnected the pipe, or on Unix has
/// closed it, and had not read everything. The bytes that it had not read are lost.
pub struct PipeStream {
    handle: Arc<PipeHandle>,
    name: Option<PipeName>,
    /// A moment at which the pipe was already open at both ends.
    opened: SystemTime,
    close_timeout: Duration,
    /// Something was written, and it is not known whether the peer has read it.
    undrained: bool,
    /// The peer has read everything, but the runtime may not have reported the end of the last
    /// write yet.
    completing: bool,
    written: Written,
    /// How many bytes may still be written to a peer that has left.
    write_grace: usize,
    /// Bytes were written to a peer that has left.
    has_lost: bool,
    drain: Option<Box<Drain>>,
}

impl PipeStream {
    pub(super) fn of_server(arrival: Arrival, name: PipeName, keeps_messages: bool) -> Self {
        let Arrival { server, place, seen } = arrival;
        let handle = PipeHandle::of_server(server, Some(keeps_messages)).in_place(place);
        Self { name: Some(name), opened: seen, ..Self::over(handle) }
    }

    pub(super) fn of_client(handle: PipeHandle, name: PipeName) -> Self {
        Self { name: Some(name), ..Self::over(handle) }
    }

    /// Returns a stream to which other code may have written.
    pub(super) fn of_stranger(handle: PipeHandle) -> Self {
        Self { undrained: true, ..Self::over(handle) }
    }

    /// Returns a stream to which nothing was written.
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
            has_lost: false,
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

    /// Sets how long a write that still waits for room in the pipe goes on after the stream is
    /// dropped. This concerns Windows only: on other systems no write goes on. The default is 10 s;
    /// a connection that comes from a `Listener` or from `connect` has
    /// [`ConnectionOptions::linger`].
    #[must_use]
    pub fn with_linger(self, time: Duration) -> Self {
        self.handle.set_linger(time);
        self
    }

    /// Sets how many bytes can be written to a peer that has left until a write fails. These bytes
    /// are lost. The default is 0: the first one fails, with `BrokenPipe`.
    ///
    /// Protocols such as HTTP/2 send acknowledgements and a goodbye also if the peer no longer
    /// listens. Over TCP this is no failure: TCP takes what is written until it has heard from the
    /// peer. Bytes that were written just before the peer left are lost without an error in any
    /// case, because a write is done when it is handed over. Reading still tells that the peer has
    /// left.
    #[must_use]
    pub const fn with_write_grace(mut self, bytes: usize) -> Self {
        self.write_grace = bytes;
        self
    }

    /// Closes the pipe at once, whatever the peer does. No handle, no instance, no name and no
    /// write is left behind.
    ///
    /// On Windows a server's end is disconnected: the client finds its connection reset, and what
    /// it has not read is discarded. Any other end discards what waits for room in the pipe. The
    /// peer can still read what the operating system has taken before, up to the pipe's buffer.
    ///
    /// On Windows the handle is closed when the runtime has next looked for finished I/O. On Unix
    /// it is closed when this returns.
    pub fn abort(self) {
        self.handle.abort();
    }

    /// Returns a handle that does the same as [`abort`](Self::abort), from anywhere. The handle
    /// does not keep the pipe open.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        let handle = Arc::downgrade(&self.handle);
        AbortHandle::new(move || {
            if let Some(handle) = handle.upgrade() {
                handle.abort();
            }
        })
    }

    /// Returns the connection over this stream, as a `Listener` or `connect` makes it: with these
    /// options, with the pipe's name in its errors, and with each frame in a write of its own if
    /// the pipe is of message type.
    ///
    /// So you can exchange something else over the stream first, and messages after that.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use npipes::{ConnectionOptions, connect_stream};
    /// use tokio::io::AsyncWriteExt;
    ///
    /// let mut stream = connect_stream("orders").await?;
    /// stream.write_all(b"orders/2\n").await?;
    /// let mut orders = stream.into_connection(&ConnectionOptions::new());
    /// orders.send("two coffees").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn into_connection(self, options: &ConnectionOptions) -> Connection<Self> {
        let options = self.in_messages(options);
        self.into_numbered_connection(&options, None, 0)
    }

    /// Does the same as [`into_connection`](Self::into_connection), and records the connection's
    /// number and the attempts that failed before. Its span names the peer's process if the span is
    /// enabled.
    pub(super) fn into_numbered_connection(
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
        // Process ids of another machine have no meaning here, and asking takes as long as its
        // network.
        if local && !connection.span().is_disabled() {
            if let Some(peer) = connection.get_ref().handle.peer_process_id() {
                connection.span().record("peer", peer);
            }
        }
        connection
    }

    /// Returns the options with each frame in a write of its own if the pipe is of message type.
    pub(super) fn in_messages(&self, options: &ConnectionOptions) -> ConnectionOptions {
        let keeps_messages = self.handle.keeps_messages().is_ok_and(|keeps| keeps);
        match keeps_messages {
            true => options.clone().frame_per_write(true),
            false => options.clone(),
        }
    }

    fn role(&self) -> Role {
        match self.is_server() {
            true => Role::Server,
            false => Role::Client,
        }
    }

    /// Returns whether this is the server's end.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.handle.is_server()
    }

    pub(super) fn handle(&self) -> &Arc<PipeHandle> {
        &self.handle
    }

    /// Returns a moment at which the pipe was already open at both ends. A process that was created
    /// later has opened neither.
    pub(super) const fn opened(&self) -> SystemTime {
        self.opened
    }

    /// Returns the name of the pipe; `None` if the stream was made from a bare handle.
    #[must_use]
    pub fn name(&self) -> Option<&PipeName> {
        self.name.as_ref()
    }

    /// Returns whether the other end is on this machine. That is always so on systems whose paths
    /// name no other machine.
    fn is_local(&self) -> bool {
        self.name.as_ref().is_none_or(PipeName::is_local)
    }

    /// Fails only while an [`AbortHandle`] or a `PeerHandle` uses the handle too.
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

//! Either end of a pipe as one type, so that users write one function for both roles.

mod closing;
mod end;
mod handle;
mod io;
mod linger;
mod split;

use std::{
    fmt,
    os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, RawHandle},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer, PipeMode};

use self::end::End;
pub(super) use self::handle::PipeHandle;
pub use self::split::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
use super::{
    drain::{Drain, Locality},
    places::Arrival,
    sys::{PipeType, token},
};
use crate::{
    connection::{AbortHandle, Connection, ConnectionOptions, Origin, Role, Written},
    name::PipeName,
};

/// One end of an open pipe: Tokio's `NamedPipeServer` or `NamedPipeClient`.
///
/// A write is done when it is queued, and flushing does nothing, as with Tokio's own handles.
/// Shutting down waits until the peer has read everything or has left, for the
/// [close timeout](Self::with_close_timeout) at most, which it reports as `TimedOut`. It closes
/// nothing: a stream that was shut down can still be written to. [`drained`](Self::drained) tells a
/// peer that has read from one that has left.
///
/// # Dropping it
///
/// Dropping does not wait. What the operating system has taken can be read by the peer for as long
/// as the peer likes. A write that still waits for room in the pipe goes on for the
/// [linger time](Self::with_linger) at most, as long as the runtime lives, and is then cancelled.
/// [`abort`](Self::abort) leaves nothing behind.
///
/// A write of no bytes does nothing here; [`close_write`](Self::close_write) sends an empty message.
///
/// Reading from a pipe that the other end has disconnected fails with `ConnectionReset`: what this
/// end had sent and the other had not read is lost.
pub struct PipeStream {
    handle: Arc<PipeHandle>,
    name: Option<PipeName>,
    /// If the system has told when the pipe was opened.
    pipe_type: Option<PipeType>,
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
    /// The bytes that the pipe holds in a direction, once they were asked for.
    quota: Option<u32>,
    drain: Option<Box<Drain>>,
}

impl PipeStream {
    pub(super) fn of_server(arrival: Arrival, name: PipeName) -> Self {
        let Arrival { server, place, seen } = arrival;
        let handle = PipeHandle::new(End::Server(server)).in_place(place);
        Self { name: Some(name), opened: seen, ..Self::over(handle) }
    }

    pub(super) fn of_client(
        handle: NamedPipeClient,
        pipe_type: Option<PipeType>,
        name: PipeName,
    ) -> Self {
        Self { name: Some(name), pipe_type, ..Self::over(PipeHandle::new(End::Client(handle))) }
    }

    /// A stream that nothing was written to.
    fn over(handle: PipeHandle) -> Self {
        Self {
            handle: Arc::new(handle),
            name: None,
            pipe_type: None,
            opened: SystemTime::now(),
            close_timeout: ConnectionOptions::DEFAULT_CLOSE_TIMEOUT,
            undrained: false,
            completing: false,
            written: Written::default(),
            write_grace: 0,
            quota: None,
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

    /// Sets how long a write goes on, once the stream is dropped, that still waits for room in the
    /// pipe. The default is 10 s; a connection that comes from a `Listener` or from `connect` has
    /// [`ConnectionOptions::linger`].
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
    /// A server's end is disconnected: the client finds its connection reset, and what it has not
    /// read is discarded. A client's end discards what waits for room in the pipe; what the operating
    /// system has taken before, up to the pipe's buffer, the server can still read.
    ///
    /// The operating system has closed the handle when the runtime has next looked for finished I/O.
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
            let handle = connection.get_ref().as_handle();
            let peer = match role {
                Role::Server => token::client_process_id(handle),
                Role::Client => token::server_process_id(handle),
            };
            if let Ok(peer) = peer {
                connection.span().record("peer", peer);
            }
        }
        connection
    }

    fn role(&self) -> Role {
        match self.handle.end() {
            End::Server(_) => Role::Server,
            End::Client(_) => Role::Client,
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

    /// Returns the type of the pipe, which its server has chosen.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn pipe_type(&self) -> std::io::Result<PipeType> {
        if let Some(pipe_type) = self.pipe_type {
            return Ok(pipe_type);
        }
        Ok(match self.handle.end().info()?.mode {
            PipeMode::Message => PipeType::Message,
            _ => PipeType::Byte,
        })
    }

    fn locality(&self) -> Locality {
        match &self.name {
            Some(name) if !name.is_local() => Locality::Remote,
            _ => Locality::Local,
        }
    }

    /// Returns Tokio's handle if this is the server's end.
    ///
    /// From then on a listener's [`max_instances`](crate::ListenerOptions::max_instances) does not
    /// count the client. Its instance is still one of the pipe's: at the limit the next client gets in
    /// when the handle is closed, which the listener is not told and looks for.
    ///
    /// # Errors
    ///
    /// The stream itself if it is the client's end.
    pub fn into_server(self) -> Result<NamedPipeServer, Self> {
        match self.is_server() {
            true => self.into_end().map(|end| match end {
                End::Server(handle) => handle,
                End::Client(_) => unreachable!("it is the server's"),
            }),
            false => Err(self),
        }
    }

    /// Returns Tokio's handle if this is the client's end.
    ///
    /// # Errors
    ///
    /// The stream itself if it is the server's end.
    pub fn into_client(self) -> Result<NamedPipeClient, Self> {
        match self.is_server() {
            true => Err(self),
            false => self.into_end().map(|end| match end {
                End::Client(handle) => handle,
                End::Server(_) => unreachable!("it is the client's"),
            }),
        }
    }

    /// Fails only at the moment in which an [`AbortHandle`] or a `PeerHandle` uses the handle too.
    fn into_end(self) -> Result<End, Self> {
        match Arc::try_unwrap(self.handle) {
            Ok(handle) => Ok(handle.into_end()),
            Err(handle) => Err(Self { handle, ..self }),
        }
    }
}

impl From<NamedPipeServer> for PipeStream {
    fn from(handle: NamedPipeServer) -> Self {
        Self { undrained: true, ..Self::over(PipeHandle::new(End::Server(handle))) }
    }
}

impl From<NamedPipeClient> for PipeStream {
    fn from(handle: NamedPipeClient) -> Self {
        Self { undrained: true, ..Self::over(PipeHandle::new(End::Client(handle))) }
    }
}

impl AsHandle for PipeStream {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

impl AsRawHandle for PipeStream {
    fn as_raw_handle(&self) -> RawHandle {
        self.as_handle().as_raw_handle()
    }
}

impl fmt::Debug for PipeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.handle.end() {
            End::Server(_) => "server",
            End::Client(_) => "client",
        };
        f.debug_struct("PipeStream").field("end", &end).field("name", &self.name).finish()
    }
}

//! Either end of a pipe as one type, so that users write one function for both roles.

use std::{
    fmt,
    io::{self, IoSlice},
    os::windows::io::{AsHandle, BorrowedHandle},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::windows::named_pipe::{NamedPipeClient, NamedPipeServer, PipeMode},
};

use super::{
    drain::{Drain, Place},
    sys::{self, Code, PipeType, token},
};
use crate::{
    connection::{Connection, ConnectionOptions, Origin, Role},
    name::PipeName,
    unread::Written,
};

/// One end of an open pipe: Tokio's `NamedPipeServer` or `NamedPipeClient`.
///
/// A write is done when it is queued, and flushing does nothing, as with Tokio's own handles.
/// Shutting down waits until the peer has read everything, for the
/// [close deadline](Self::with_close_deadline) at most, which it reports as `TimedOut`; that the
/// peer has left before is `BrokenPipe` or `ConnectionReset`. It closes nothing: a stream that was
/// shut down can still be written to.
///
/// Dropping it does not wait. What the operating system has taken can be read by the peer for as
/// long as the peer likes; a write that waits for room in the pipe goes on as long as the runtime
/// lives, and is lost with the process.
///
/// A write of no bytes does nothing here; [`close_write`](Self::close_write) sends an empty message.
///
/// Reading from a pipe that the other end has disconnected fails with `ConnectionReset`: what this
/// end had sent and the other had not read is lost.
pub struct PipeStream {
    end: End,
    name: Option<PipeName>,
    close_deadline: Duration,
    /// Something was written that the peer is not known to have read.
    undrained: bool,
    written: Written,
    /// The bytes that the pipe holds in a direction, once they were asked for.
    quota: Option<u32>,
    drain: Option<Box<Drain>>,
}

enum End {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

impl PipeStream {
    /// So few bytes, that fit into almost any pipe, are not worth asking for its quota.
    const UNASKED: u64 = 64 * 1024;

    pub(super) fn server(handle: NamedPipeServer, name: PipeName) -> Self {
        Self { name: Some(name), ..Self::fresh(End::Server(handle)) }
    }

    pub(super) fn client(handle: NamedPipeClient, name: PipeName) -> Self {
        Self { name: Some(name), ..Self::fresh(End::Client(handle)) }
    }

    /// A stream that nothing was written to.
    fn fresh(end: End) -> Self {
        Self {
            end,
            name: None,
            close_deadline: ConnectionOptions::DEFAULT_CLOSE_DEADLINE,
            undrained: false,
            written: Written::default(),
            quota: None,
            drain: None,
        }
    }

    /// Sets how long shutting down and [`drained`](Self::drained) wait for the peer to read. The
    /// default is 5 s; a connection that comes from a `Listener` or from `connect` has
    /// [`ConnectionOptions::close_deadline`].
    #[must_use]
    pub const fn with_close_deadline(mut self, deadline: Duration) -> Self {
        self.close_deadline = deadline;
        self
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
        let stream = self.with_close_deadline(options.close_deadline);
        let origin = Origin { pipe, role: Some(role), id, retries };
        let connection = Connection::with_origin(stream, options, origin);
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
        match self.end {
            End::Server(_) => Role::Server,
            End::Client(_) => Role::Client,
        }
    }

    pub(super) fn is_server(&self) -> bool {
        matches!(self.end, End::Server(_))
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
    pub fn pipe_type(&self) -> io::Result<PipeType> {
        let info = match &self.end {
            End::Server(handle) => handle.info(),
            End::Client(handle) => handle.info(),
        };
        Ok(match info?.mode {
            PipeMode::Message => PipeType::Message,
            _ => PipeType::Byte,
        })
    }

    fn place(&self) -> Place {
        match &self.name {
            Some(name) if !name.is_local() => Place::AnotherMachine,
            _ => Place::Here,
        }
    }

    /// Returns how many bytes the peer has not read at most; `None` if that is not known, as on a pipe
    /// of another machine, where more hold data on the way.
    pub(super) fn unread_at_most(&mut self) -> Option<u64> {
        if self.written.total() <= Self::UNASKED {
            return Some(self.written.total());
        }
        if self.quota.is_none() && self.place() == Place::Here {
            self.quota = sys::largest_quota(self.end.as_handle());
        }
        Some(self.written.unread_at_most(self.quota?.into()))
    }

    fn note_write(&mut self, begun: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &begun {
            self.written.note(*count);
        }
        begun.map_err(classify)
    }

    /// Writes no bytes, which is a message on a message-type pipe.
    pub(super) fn poll_write_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.undrained = true;
        self.poll_write_through(cx, &[]).map_ok(|_| ())
    }

    fn poll_write_through(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let begun = match &mut self.end {
            End::Server(handle) => Pin::new(handle).poll_write(cx, buf),
            End::Client(handle) => Pin::new(handle).poll_write(cx, buf),
        };
        self.note_write(begun)
    }

    pub(super) fn stop_draining(&mut self) {
        self.drain = None;
    }

    /// Returns Tokio's handle if this is the server's end.
    ///
    /// # Errors
    ///
    /// The stream itself if it is the client's end.
    pub fn into_server(self) -> Result<NamedPipeServer, Self> {
        match self.end {
            End::Server(handle) => Ok(handle),
            End::Client(_) => Err(self),
        }
    }

    /// Returns Tokio's handle if this is the client's end.
    ///
    /// # Errors
    ///
    /// The stream itself if it is the server's end.
    pub fn into_client(self) -> Result<NamedPipeClient, Self> {
        match self.end {
            End::Client(handle) => Ok(handle),
            End::Server(_) => Err(self),
        }
    }
}

impl From<NamedPipeServer> for PipeStream {
    fn from(handle: NamedPipeServer) -> Self {
        Self { undrained: true, ..Self::fresh(End::Server(handle)) }
    }
}

impl From<NamedPipeClient> for PipeStream {
    fn from(handle: NamedPipeClient) -> Self {
        Self { undrained: true, ..Self::fresh(End::Client(handle)) }
    }
}

impl AsHandle for PipeStream {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.end.as_handle()
    }
}

impl AsHandle for End {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        match self {
            Self::Server(handle) => handle.as_handle(),
            Self::Client(handle) => handle.as_handle(),
        }
    }
}

/// Rust has no kind for `ERROR_PIPE_NOT_CONNECTED`, which an end sees that the other end has
/// disconnected, so give it one.
fn classify(error: io::Error) -> io::Error {
    match Code::of(&error) {
        Code::Disconnected => io::Error::new(io::ErrorKind::ConnectionReset, error),
        _ => error,
    }
}

impl AsyncRead for PipeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.end {
            End::Server(handle) => Pin::new(handle).poll_read(cx, buf),
            End::Client(handle) => Pin::new(handle).poll_read(cx, buf),
        }
        .map_err(classify)
    }
}

impl AsyncWrite for PipeStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stop_draining();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.undrained = true;
        self.poll_write_through(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stop_draining();
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.undrained = true;
        let begun = match &mut self.end {
            End::Server(handle) => Pin::new(handle).poll_write_vectored(cx, bufs),
            End::Client(handle) => Pin::new(handle).poll_write_vectored(cx, bufs),
        };
        self.note_write(begun)
    }

    /// mio gathers the slices into the one copy that it makes of any write.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.undrained {
            return Poll::Ready(Ok(()));
        }
        let place = this.place();
        let pipe = this.end.as_handle();
        if this.drain.is_none() {
            this.drain = Drain::begin(pipe, place, this.close_deadline)?.map(Box::new);
        }
        if let Some(drain) = &mut this.drain {
            let drained = ready!(drain.poll(pipe, cx));
            this.drain = None;
            drained.map_err(classify)?;
        }
        this.undrained = false;
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for PipeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.end {
            End::Server(_) => "server",
            End::Client(_) => "client",
        };
        f.debug_struct("PipeStream").field("end", &end).field("name", &self.name).finish()
    }
}

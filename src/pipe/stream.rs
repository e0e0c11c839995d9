//! Either end of a pipe as one type, so that users write one function for both roles.

use std::{
    fmt,
    io::{self, IoSlice},
    os::windows::io::{AsHandle, BorrowedHandle},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::windows::named_pipe::{NamedPipeClient, NamedPipeServer},
};

use super::sys::Code;
use crate::name::PipeName;

/// One end of an open pipe: Tokio's `NamedPipeServer` or `NamedPipeClient`.
///
/// A write is done when it is queued, and flushing does nothing, as with Tokio's own handles.
///
/// Reading from a pipe that the other end has disconnected fails with `ConnectionReset`: what this
/// end had sent and the other had not read is lost.
pub struct PipeStream {
    end: End,
    name: Option<PipeName>,
}

enum End {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

impl PipeStream {
    pub(super) fn server(handle: NamedPipeServer, name: PipeName) -> Self {
        Self { end: End::Server(handle), name: Some(name) }
    }

    pub(super) fn client(handle: NamedPipeClient, name: PipeName) -> Self {
        Self { end: End::Client(handle), name: Some(name) }
    }

    /// Returns the name of the pipe; `None` if the stream was made from a bare handle.
    #[must_use]
    pub fn name(&self) -> Option<&PipeName> {
        self.name.as_ref()
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
        Self { end: End::Server(handle), name: None }
    }
}

impl From<NamedPipeClient> for PipeStream {
    fn from(handle: NamedPipeClient) -> Self {
        Self { end: End::Client(handle), name: None }
    }
}

impl AsHandle for PipeStream {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        match &self.end {
            End::Server(handle) => handle.as_handle(),
            End::Client(handle) => handle.as_handle(),
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
        match &mut self.end {
            End::Server(handle) => Pin::new(handle).poll_write(cx, buf),
            End::Client(handle) => Pin::new(handle).poll_write(cx, buf),
        }
        .map_err(classify)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.end {
            End::Server(handle) => Pin::new(handle).poll_write_vectored(cx, bufs),
            End::Client(handle) => Pin::new(handle).poll_write_vectored(cx, bufs),
        }
        .map_err(classify)
    }

    /// mio gathers the slices into the one copy that it makes of any write.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
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

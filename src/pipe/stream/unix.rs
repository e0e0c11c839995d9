//! Between a stream and the sockets of the system and Tokio.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use tokio::net::UnixStream;

use super::{OwnedReadHalf, OwnedWriteHalf, PipeStream};
use crate::pipe::unix::PipeHandle;

#[cfg_attr(docsrs, doc(cfg(unix)))]
impl PipeStream {
    /// On Unix: returns the stream over a connected socket. It is the server's end if the socket
    /// was accepted.
    #[must_use]
    pub fn from_unix(socket: UnixStream, accepted: bool) -> Self {
        Self::of_stranger(match accepted {
            true => PipeHandle::of_server(socket, None),
            false => PipeHandle::of_client(socket),
        })
    }

    /// On Unix: returns Tokio's socket.
    ///
    /// A stream that is dropped shuts its socket down, for every duplicate of it. So this is also
    /// how a socket is handed on to another process.
    ///
    /// From then on a listener's [`max_instances`](crate::ListenerOptions::max_instances) does not
    /// count the client.
    ///
    /// # Errors
    ///
    /// The stream itself, while an `AbortHandle`, a `PeerHandle` or another half uses the socket.
    pub fn into_unix(self) -> Result<UnixStream, Self> {
        self.into_handle().map(PipeHandle::into_stream)
    }
}

#[cfg_attr(docsrs, doc(cfg(unix)))]
impl AsFd for PipeStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle().stream().as_fd()
    }
}

#[cfg_attr(docsrs, doc(cfg(unix)))]
impl AsRawFd for PipeStream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

#[cfg_attr(docsrs, doc(cfg(unix)))]
impl AsFd for OwnedReadHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_ref().as_fd()
    }
}

#[cfg_attr(docsrs, doc(cfg(unix)))]
impl AsFd for OwnedWriteHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_ref().as_fd()
    }
}

//! Tokio's handle of either end.

use std::{
    io::{self, IoSlice},
    os::windows::io::{AsHandle, BorrowedHandle},
    task::{Context, Poll},
};

use tokio::{
    io::{Interest, ReadBuf},
    net::windows::named_pipe::{NamedPipeClient, NamedPipeServer, PipeInfo},
};

/// One end of an open pipe.
pub(in crate::pipe) enum End {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

/// Calls the same method on either handle.
macro_rules! either {
    ($end:expr, $handle:ident => $call:expr) => {
        match $end {
            End::Server($handle) => $call,
            End::Client($handle) => $call,
        }
    };
}

impl End {
    pub(super) fn info(&self) -> io::Result<PipeInfo> {
        either!(self, handle => handle.info())
    }

    /// Waits until a write can begin: until the write before is complete or has failed.
    pub(super) async fn writable(&self) -> io::Result<()> {
        either!(self, handle => handle.writable().await)
    }

    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, handle => handle.poll_read_ready(cx))
    }

    pub(super) fn try_read(&self, buf: &mut ReadBuf<'_>) -> io::Result<usize> {
        either!(self, handle => handle.try_read_buf(buf))
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, handle => handle.poll_write_ready(cx))
    }

    /// Begins a write; `None` if the write before is not complete. mio copies the slices into the one
    /// buffer into which it copies every write.
    pub(super) fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        self.begin_write(|| either!(self, handle => handle.try_write_vectored(bufs)))
    }

    /// Begins a write. The handle becomes writable again when the write ends.
    ///
    /// mio takes a write and reports it as done before it is complete. Tokio then assumes that
    /// another write could begin, and finds out by trying. Here each write clears the readiness, so
    /// that the readiness tells whether a write is under way. `try_io` clears the readiness that it
    /// saw before the write, so it cannot clear the event of the write's completion.
    fn begin_write(&self, write: impl FnOnce() -> io::Result<usize>) -> io::Result<Option<usize>> {
        let mut begun = None;
        let clearing = || {
            begun = Some(write()?);
            Err(io::ErrorKind::WouldBlock.into())
        };
        let tried: io::Result<()> =
            either!(self, handle => handle.try_io(Interest::WRITABLE, clearing));
        match tried {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(e),
            _ => Ok(begun),
        }
    }
}

impl AsHandle for End {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        either!(self, handle => handle.as_handle())
    }
}

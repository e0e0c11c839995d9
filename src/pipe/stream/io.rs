//! Reading, writing, and what a pipe can do for a connection beyond that.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::PipeStream;
use crate::{
    connection::{AbortHandle, Transport, unless_peer_left},
    pipe::imp::{Drain, PipeHandle},
};

/// Up to this many bytes fit into almost any pipe, so the system is not asked about them.
const UNASKED: u64 = 64 * 1024;

impl Transport for PipeStream {
    fn poll_drained(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.undrained {
            let local = this.is_local();
            if this.drain.is_none() {
                this.drain = Drain::begin(&this.handle, local, this.close_timeout)?.map(Box::new);
            }
            if let Some(drain) = &mut this.drain {
                let drained = ready!(drain.poll(&this.handle, cx));
                this.drain = None;
                drained?;
            }
            this.undrained = false;
            this.completing = true;
        }
        // The peer has read everything, so every write is complete, but the runtime may not know it
        // yet. A runtime that ends before it knows leaves the handle open: mio does not close a
        // handle with a write under way.
        if this.completing {
            ready!(this.handle.poll_written(cx))?;
            this.completing = false;
        }
        Poll::Ready(Ok(()))
    }

    fn stop_draining(mut self: Pin<&mut Self>) {
        self.drain = None;
    }

    /// `None` for a pipe of another machine, because data may also be held on the way there.
    fn unread_at_most(self: Pin<&mut Self>) -> Option<u64> {
        if self.has_lost {
            return None;
        }
        let written = self.written.total();
        if written <= UNASKED {
            return Some(written);
        }
        self.is_local().then(|| self.handle.unread_at_most(&self.written)).flatten()
    }

    fn poll_close_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.handle.can_half_close()? {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        }
        self.undrained = true;
        self.handle.poll_close_write(cx)
    }

    fn abort_handle(&self) -> Option<AbortHandle> {
        Some(Self::abort_handle(self))
    }

    fn set_linger(&self, time: Duration) {
        self.handle.set_linger(time);
    }

    fn reader(&self) -> Option<Self> {
        Some(self.second())
    }
}

impl PipeStream {
    fn poll_write_with(
        &mut self,
        len: usize,
        write: impl FnOnce(&PipeHandle) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.drain = None;
        if len == 0 {
            return Poll::Ready(Ok(0));
        }
        self.undrained = true;
        let begun = write(&self.handle);
        match &begun {
            Poll::Ready(Ok(count)) => self.written.note(*count),
            Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::BrokenPipe => {
                let lost = len.min(self.write_grace);
                if lost > 0 {
                    self.write_grace -= lost;
                    self.has_lost = true;
                    return Poll::Ready(Ok(lost));
                }
            }
            _ => {}
        }
        begun
    }
}

impl AsyncRead for PipeStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.handle.poll_read(cx, buf)
    }
}

impl AsyncWrite for PipeStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(buf.len(), |handle| handle.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        self.poll_write_with(len, |handle| handle.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drained(cx).map(|drained| match unless_peer_left(drained) {
            // The system does not tell what the peer has read. That is no failure of a shutdown.
            Err(e) if e.kind() == io::ErrorKind::Unsupported => Ok(()),
            drained => drained,
        })
    }
}

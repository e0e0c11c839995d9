//! Either end of a simulated pipe.

use std::{
    fmt,
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    pipe::Instance,
    wire::{End, Wire},
};
use crate::{
    connection::{Closed, Connection, SendHalf},
    error::{Error, Undrained},
    name::PipeName,
    unread::Written,
};

/// One end of an open simulated pipe: what a `PipeStream` is on Windows.
///
/// A write is done when it is queued; one that finds the buffer overfull waits. Shutting down waits
/// until the other end has read everything, for the
/// [close deadline](crate::ConnectionOptions::close_deadline) at most, which it reports as
/// `TimedOut`; that the other end has left before is `BrokenPipe` or `ConnectionReset`. It closes
/// nothing: dropping does, and what was written then can still be read.
pub struct Stream {
    wire: Wire,
    end: End,
    name: PipeName,
    close_deadline: Duration,
    /// Something was written that the other end is not known to have read.
    undrained: bool,
    written: Written,
    deadline: Option<Pin<Box<Sleep>>>,
    /// The server's end holds the name.
    _instance: Option<Instance>,
}

impl Stream {
    pub(super) fn new(
        wire: Wire,
        end: End,
        name: PipeName,
        close_deadline: Duration,
        instance: Option<Instance>,
    ) -> Self {
        Self {
            wire,
            end,
            name,
            close_deadline,
            undrained: false,
            written: Written::default(),
            deadline: None,
            _instance: instance,
        }
    }

    /// Returns the name of the pipe.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        &self.name
    }

    /// Returns how many bytes the other end has not read at most, by the rule that holds for pipes.
    pub(super) fn unread_at_most(&self) -> u64 {
        self.written.unread_at_most(self.wire.capacity(self.end))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.wire.poll_read(self.end, cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A write begins something new, so it ends a wait.
        self.deadline = None;
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.undrained = true;
        let pieces: Vec<&[u8]> = bufs.iter().map(|buf| &buf[..]).collect();
        let count = ready!(self.wire.poll_write(self.end, cx, &pieces))?;
        self.written.note(count);
        Poll::Ready(Ok(count))
    }

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
        if let Poll::Ready(drained) = this.wire.poll_drained(this.end, cx) {
            this.deadline = None;
            this.undrained = drained.is_err();
            return Poll::Ready(drained);
        }
        let wait = this.close_deadline;
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(wait)));
        ready!(deadline.as_mut().poll(cx));
        this.deadline = None;
        let unread = this.wire.unread(this.end);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Undrained { unread })))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.wire.leave(self.end);
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("end", &self.end).field("name", &self.name).finish()
    }
}

impl Connection<Stream> {
    /// Sends what is queued and waits until the peer has read everything, without closing, as a
    /// connection over a pipe does.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if a write has failed before; [`Error::Io`] for any failure but the
    /// deadline's and the peer's end.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped ends the wait. What was not written stays queued.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with time enabled.
    pub async fn drained(&mut self) -> Result<Closed, Error> {
        self.drain().await
    }
}

impl SendHalf<Stream> {
    /// Sends what is queued and waits until the peer has read everything, as
    /// [`Connection::drained`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::drained`].
    ///
    /// # Cancel safety
    ///
    /// As [`Connection::drained`].
    ///
    /// # Panics
    ///
    /// As [`Connection::drained`].
    pub async fn drained(&mut self) -> Result<Closed, Error> {
        self.drain().await
    }
}

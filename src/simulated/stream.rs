//! Either end of a simulated pipe.

use std::{
    fmt,
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    faults::Cut,
    state::Instance,
    wire::{End, Wire},
};
use crate::{
    connection::{AbortHandle, Transport, Undrained, Written, unless_peer_left},
    name::PipeName,
};

/// One end of an open simulated pipe. A `PipeStream` is the same on Windows.
///
/// A write is done when it is handed over. A write that finds the buffer overfull waits. A shutdown
/// waits until the other end has read everything or has left. If it takes longer than the [close
/// timeout](crate::ConnectionOptions::close_timeout), it returns `TimedOut`. A shutdown does not
/// close the end; a drop does, and what was written can still be read then.
pub struct Stream {
    seat: Arc<Seat>,
    name: PipeName,
    close_timeout: Duration,
    /// Whether something was written that the other end is not known to have read.
    undrained: bool,
    written: Written,
    deadline: Option<Pin<Box<Sleep>>>,
}

/// What the handles of one end share.
struct Seat {
    wire: Wire,
    end: End,
    /// The server's end keeps the name in existence.
    _instance: Option<Instance>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.wire.leave(self.end);
    }
}

impl Stream {
    pub(super) fn new(
        wire: Wire,
        end: End,
        name: PipeName,
        close_timeout: Duration,
        instance: Option<Instance>,
    ) -> Self {
        Self::over(Arc::new(Seat { wire, end, _instance: instance }), name, close_timeout)
    }

    fn over(seat: Arc<Seat>, name: PipeName, close_timeout: Duration) -> Self {
        Self {
            seat,
            name,
            close_timeout,
            undrained: false,
            written: Written::default(),
            deadline: None,
        }
    }

    /// Returns the name of the pipe.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        &self.name
    }

    /// Ends the connection at once: writing and reading fail at both ends. What a client's end has
    /// written can still be read; what a server's end has written is discarded.
    pub fn abort(self) {
        self.seat.abort();
    }
}

impl Seat {
    fn abort(&self) {
        self.wire.cut(match self.end {
            End::Server => Cut::Reset,
            End::Client => Cut::End,
        });
    }
}

impl Transport for Stream {
    fn poll_drained(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.undrained {
            return Poll::Ready(Ok(()));
        }
        let Seat { wire, end, .. } = &*this.seat;
        if let Poll::Ready(drained) = wire.poll_drained(*end, cx) {
            this.deadline = None;
            this.undrained = drained.is_err();
            return Poll::Ready(drained);
        }
        let wait = this.close_timeout;
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(wait)));
        ready!(deadline.as_mut().poll(cx));
        this.deadline = None;
        let unread = wire.unread(*end);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Undrained { unread })))
    }

    fn stop_draining(mut self: Pin<&mut Self>) {
        self.deadline = None;
    }

    /// The same rule as for pipes.
    fn unread_at_most(self: Pin<&mut Self>) -> Option<u64> {
        Some(self.written.unread_at_most(self.seat.wire.capacity(self.seat.end)))
    }

    fn abort_handle(&self) -> Option<AbortHandle> {
        let seat = Arc::downgrade(&self.seat);
        Some(AbortHandle::new(move || {
            if let Some(seat) = seat.upgrade() {
                seat.abort();
            }
        }))
    }

    fn reader(&self) -> Option<Self> {
        Some(Self::over(Arc::clone(&self.seat), self.name.clone(), self.close_timeout))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.seat.wire.poll_read(self.seat.end, cx, buf)
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
        // A write is something new, so it ends a wait.
        self.deadline = None;
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.undrained = true;
        let pieces: Vec<&[u8]> = bufs.iter().map(|buf| &buf[..]).collect();
        let count = ready!(self.seat.wire.poll_write(self.seat.end, cx, &pieces))?;
        self.written.note(count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drained(cx).map(unless_peer_left)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("end", &self.seat.end).field("name", &self.name).finish()
    }
}

//! Waiting until the peer has read everything: what `poll_shutdown` of a pipe does, and `drained`.

use std::{
    future::{Future, poll_fn},
    io,
    os::windows::io::BorrowedHandle,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use super::{
    flusher::{Flush, Flushed},
    stream::PipeStream,
    sys::{self, Code, Look, PipeType},
};
use crate::{
    connection::{Closed, Connection, Transport, Undrained},
    error::{Error, Operation},
};

/// How long after the deadline the waiting thread may take to come back. It is back within
/// milliseconds unless the pipe is another machine's and its network hangs.
const GRACE: Duration = Duration::from_millis(500);

/// A wait under way. Dropped, it ends and leaves nothing behind.
#[derive(Debug)]
pub(super) struct Drain {
    flush: Flush,
    deadline: Pin<Box<Sleep>>,
    /// Bytes unread at the deadline, where known; `None` before the deadline.
    late: Option<Option<u64>>,
    place: Place,
}

/// Where the pipe's other end is. A look at a pipe through the network takes as long as the network
/// does, so there only the waiting thread looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Here,
    AnotherMachine,
}

impl Place {
    fn look(self, pipe: BorrowedHandle<'_>) -> Look {
        match self {
            Self::Here => sys::look(pipe),
            Self::AnotherMachine => Look::NotTold,
        }
    }
}

impl Drain {
    /// Begins to wait; `None` if a look shows that there is nothing to wait for.
    pub(super) fn begin(
        pipe: BorrowedHandle<'_>,
        place: Place,
        deadline: Duration,
    ) -> io::Result<Option<Self>> {
        match place.look(pipe) {
            Look::Empty => return Ok(None),
            Look::Gone => return Err(io::ErrorKind::BrokenPipe.into()),
            Look::Connected { .. } | Look::NotTold => {}
        }
        let flush = Flush::start(pipe.try_clone_to_owned()?)?;
        Ok(Some(Self { flush, deadline: Box::pin(sleep(deadline)), late: None, place }))
    }

    /// Succeeds when the peer has read everything. The failures are those that
    /// [`Closed`] is made of.
    pub(super) fn poll(
        &mut self,
        pipe: BorrowedHandle<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Poll::Ready(flushed) = self.flush.poll(cx) {
                return Poll::Ready(self.verdict(flushed));
            }
            ready!(self.deadline.as_mut().poll(cx));
            if self.late.is_some() {
                return Poll::Ready(Err(timed_out(None)));
            }
            // Counted before the release: if the thread comes back because it was released, there
            // was unread data at that moment, hence now as well, and a peer that has something to
            // read has no read pending that the count would include.
            let unread = match self.place.look(pipe) {
                Look::Connected { unread } => unread,
                Look::Empty | Look::Gone | Look::NotTold => None,
            };
            self.late = Some(unread);
            self.flush.release();
            self.deadline.as_mut().reset(Instant::now() + GRACE);
        }
    }

    /// A flush succeeds as well if the peer had left before it began. So it proves that everything
    /// was read only if the peer is still there afterwards.
    fn verdict(&self, flushed: io::Result<Flushed>) -> io::Result<()> {
        match flushed {
            Ok(Flushed::Done(Look::Empty | Look::Connected { .. } | Look::NotTold)) => Ok(()),
            Ok(Flushed::Done(Look::Gone)) => Err(io::ErrorKind::BrokenPipe.into()),
            Ok(Flushed::Released) => Err(timed_out(self.late.flatten())),
            // Through a handle that cannot write nothing was written.
            Err(e) if Code::of(&e) == Code::AccessDenied => Ok(()),
            Err(e) => Err(e),
        }
    }
}

fn timed_out(unread: Option<u64>) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, Undrained { unread })
}

impl PipeStream {
    /// Waits until the peer has read everything that was written, without closing.
    ///
    /// [`Closed`] says what came of it, and how sure that is. Writing can go on afterwards, whatever
    /// it says.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the wait cannot be begun, or fails for a reason that is not the peer's end.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped ends the wait and leaves nothing behind.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with time enabled.
    pub async fn drained(&mut self) -> Result<Closed, Error> {
        struct Wait<'a>(&'a mut PipeStream);

        impl Drop for Wait<'_> {
            fn drop(&mut self) {
                Pin::new(&mut *self.0).stop_draining();
            }
        }

        let wait = Wait(self);
        let done = poll_fn(|cx| Pin::new(&mut *wait.0).poll_drained(cx)).await;
        Closed::of_drain(done, Operation::Drain, wait.0.name())
    }

    /// Ends this direction and leaves the other open, on a message-type pipe: waits until the peer
    /// has read everything, then sends a message of no bytes.
    ///
    /// A peer that reads messages takes it for the end of the stream: go-winio's `CloseWrite` is
    /// this, and a [`Connection`] reads it as `None`. A peer that does not know it waits on.
    ///
    /// Only after [`Closed::Drained`] was the message sent.
    ///
    /// # Errors
    ///
    /// [`Error::HalfClose`] if the pipe is of the byte type, where a write of no bytes is nothing;
    /// [`Error::Io`] as [`drained`](Self::drained).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has sent nothing.
    ///
    /// # Panics
    ///
    /// As [`drained`](Self::drained).
    pub async fn close_write(&mut self) -> Result<Closed, Error> {
        self.check_half_close()?;
        match self.drained().await? {
            Closed::Drained => {
                let sent = poll_fn(|cx| Pin::new(&mut *self).poll_close_write(cx)).await;
                Closed::of_drain(sent, Operation::Close, self.name())
            }
            closed => Ok(closed),
        }
    }

    fn check_half_close(&self) -> Result<(), Error> {
        match self.pipe_type() {
            Ok(PipeType::Message) => Ok(()),
            Ok(_) => Err(Error::HalfClose { pipe: self.name().cloned() }),
            Err(e) => Err(Error::io(Operation::Close, self.name(), e)),
        }
    }
}

impl Connection<PipeStream> {
    /// Ends the sending direction of a message-type pipe with a message of no bytes, after what is
    /// queued was sent and the peer has read it: see [`PipeStream::close_write`].
    ///
    /// Only after [`Closed::Drained`] was the message sent. Then nothing more can be sent, while
    /// messages can still be received.
    ///
    /// # Errors
    ///
    /// [`Error::HalfClose`] if the pipe is of the byte type, and as [`drained`](Self::drained).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not ended the direction.
    ///
    /// # Panics
    ///
    /// As [`drained`](Self::drained).
    pub async fn close_write(&mut self) -> Result<Closed, Error> {
        self.get_ref().check_half_close()?;
        match self.drained().await? {
            Closed::Drained => self.end_sending().await,
            closed => Ok(closed),
        }
    }
}

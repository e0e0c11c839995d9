//! Waiting until the peer has read everything, for `poll_shutdown` of a pipe and for `drained`.

mod flusher;

use std::{
    future::Future,
    io,
    os::windows::io::{AsHandle, BorrowedHandle},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use self::flusher::{Flush, Flushed};
use super::{
    stream::{PipeHandle, classify},
    sys::{self, Code, PipeState},
};
use crate::connection::Undrained;

/// How long after the deadline the waiting thread may take to come back. It is back within
/// milliseconds unless the pipe is another machine's and its network hangs.
const GRACE: Duration = Duration::from_millis(500);

/// A wait under way. Dropping it ends the wait and leaves nothing behind.
#[derive(Debug)]
pub(in crate::pipe) struct Drain {
    flush: Flush,
    deadline: Pin<Box<Sleep>>,
    /// Bytes unread at the deadline, where known; `None` before the deadline.
    late: Option<Option<u64>>,
    locality: Locality,
}

/// Where the pipe's other end is. Asking for the state of another machine's pipe takes as long as
/// the network does, so there only the waiting thread asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locality {
    Local,
    Remote,
}

impl Locality {
    fn pipe_state(self, pipe: BorrowedHandle<'_>) -> PipeState {
        match self {
            Self::Local => sys::pipe_state(pipe),
            Self::Remote => PipeState::Unknown,
        }
    }
}

impl Drain {
    /// Begins to wait; `None` if the pipe's state shows that there is nothing to wait for.
    pub(in crate::pipe) fn begin(
        pipe: &PipeHandle,
        local: bool,
        timeout: Duration,
    ) -> io::Result<Option<Self>> {
        let pipe = pipe.as_handle();
        let locality = if local { Locality::Local } else { Locality::Remote };
        match locality.pipe_state(pipe) {
            PipeState::Empty => return Ok(None),
            PipeState::Gone => return Err(io::ErrorKind::BrokenPipe.into()),
            PipeState::Connected { .. } | PipeState::Unknown => {}
        }
        let flush = Flush::start(pipe.try_clone_to_owned()?)?;
        Ok(Some(Self { flush, deadline: Box::pin(sleep(timeout)), late: None, locality }))
    }

    /// Succeeds when the peer has read everything. The failures are those that become a
    /// [`DrainOutcome`](crate::DrainOutcome).
    pub(in crate::pipe) fn poll(
        &mut self,
        pipe: &PipeHandle,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        pipe.check_while_draining(cx)?;
        self.poll_read(pipe.as_handle(), cx).map_err(classify)
    }

    fn poll_read(
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
            // Counted before the release. If the thread comes back because it was released, there
            // was unread data at that moment, so there is unread data now too. A peer that has data
            // to read has no pending read, so the count includes none.
            let unread = match self.locality.pipe_state(pipe) {
                PipeState::Connected { unread } => unread,
                PipeState::Empty | PipeState::Gone | PipeState::Unknown => None,
            };
            self.late = Some(unread);
            self.flush.release();
            self.deadline.as_mut().reset(Instant::now() + GRACE);
        }
    }

    /// A flush also succeeds if the peer had left before it began. So it proves that everything was
    /// read only if the peer is still there afterwards.
    fn verdict(&self, flushed: io::Result<Flushed>) -> io::Result<()> {
        match flushed {
            Ok(Flushed::Done(
                PipeState::Empty | PipeState::Connected { .. } | PipeState::Unknown,
            )) => Ok(()),
            Ok(Flushed::Done(PipeState::Gone)) => Err(io::ErrorKind::BrokenPipe.into()),
            Ok(Flushed::Released) => Err(timed_out(self.late.flatten())),
            // Nothing was written through a handle that cannot write.
            Err(e) if Code::of(&e) == Code::AccessDenied => Ok(()),
            Err(e) => Err(e),
        }
    }
}

fn timed_out(unread: Option<u64>) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, Undrained { unread })
}

//! Waiting until the peer has read everything, for `poll_shutdown` of a pipe and for `drained`.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use super::stream::{PipeHandle, Unread};
use crate::connection::Undrained;

/// A wait under way. Dropping it ends the wait and leaves nothing behind.
#[derive(Debug)]
pub(in crate::pipe) struct Drain {
    deadline: Pin<Box<Sleep>>,
}

impl Drain {
    /// Begins to wait; `None` if the socket's state shows that there is nothing to wait for.
    pub(in crate::pipe) fn begin(
        pipe: &PipeHandle,
        _: bool,
        timeout: Duration,
    ) -> io::Result<Option<Self>> {
        match verdict(pipe.unread()?) {
            Some(verdict) => verdict.map(|()| None),
            None => Ok(Some(Self { deadline: Box::pin(sleep(timeout)) })),
        }
    }

    /// Succeeds when the peer has read everything. The failures are those that become a
    /// [`DrainOutcome`](crate::DrainOutcome).
    pub(in crate::pipe) fn poll(
        &mut self,
        pipe: &PipeHandle,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(unread) = pipe.poll_unread(cx) {
            return Poll::Ready(verdict(unread?).unwrap_or(Ok(())));
        }
        ready!(self.deadline.as_mut().poll(cx));
        // The system counts memory, which is more than the unread bytes, so the number of bytes is
        // unknown.
        let late = Undrained { unread: None };
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, late)))
    }
}

/// Returns what is known when the wait is over; `None` if it is not.
fn verdict(unread: Unread) -> Option<io::Result<()>> {
    match unread {
        Unread::Nothing => Some(Ok(())),
        Unread::Something => None,
        Unread::Gone => Some(Err(io::ErrorKind::BrokenPipe.into())),
        Unread::Unknown => Some(Err(io::ErrorKind::Unsupported.into())),
    }
}

//! The end of the sending direction: everything is written, and perhaps read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{State, Writer};
use crate::{
    connection::{DrainOutcome, Undrained, limits::Deadline, transport::Outlet},
    error::{Error, Operation},
};

impl Writer {
    /// Writes everything queued, and waits as [`poll_drain`](Self::poll_drain) does, for a `Sink`.
    ///
    /// If the peer has left and nothing is queued, this is no failure: most conversations end like
    /// that.
    pub(in crate::connection) fn poll_close<W: Outlet>(
        &mut self,
        io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if self.state == State::Closed {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.poll_end(Operation::Close, io, cx))? {
            DrainOutcome::TimedOut { unread } => {
                Poll::Ready(Err(self.late(Operation::Close, unread)))
            }
            DrainOutcome::Drained | DrainOutcome::Flushed | DrainOutcome::PeerGone => {
                self.set_closed();
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Does the same as [`poll_close`](Self::poll_close), and tells the peer if the transport can
    /// end one direction alone.
    pub(in crate::connection) fn poll_close_half<W: Outlet>(
        &mut self,
        mut io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if io.tells_reads() && self.state == State::Open {
            match ready!(self.poll_end(Operation::Close, io.as_mut(), cx))? {
                DrainOutcome::Drained | DrainOutcome::Flushed => {
                    match ready!(self.poll_close_write(io, cx)) {
                        Ok(_) | Err(Error::HalfClose { .. }) => {}
                        Err(e) => return Poll::Ready(Err(e)),
                    }
                }
                DrainOutcome::TimedOut { unread } => {
                    return Poll::Ready(Err(self.late(Operation::Close, unread)));
                }
                DrainOutcome::PeerGone => {}
            }
            self.set_closed();
            return Poll::Ready(Ok(()));
        }
        self.poll_close(io, cx)
    }

    /// Writes everything queued and waits until the peer has read it or the deadline has passed. If
    /// a transport cannot tell what was read, and the `operation` is to close it, it is shut down
    /// instead.
    ///
    /// If the deadline passes, the state does not change.
    pub(in crate::connection) fn poll_drain<W: Outlet>(
        &mut self,
        operation: Operation,
        io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<DrainOutcome, Error>> {
        let outcome = ready!(self.poll_end(operation, io, cx));
        Poll::Ready(outcome.or_else(DrainOutcome::of_failure))
    }

    /// Does the same as [`poll_drain`](Self::poll_drain), but fails if something is queued that
    /// cannot be written.
    fn poll_end<W: Outlet>(
        &mut self,
        operation: Operation,
        io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<DrainOutcome, Error>> {
        let outcome = ready!(self.poll_end_silently(operation, io, cx));
        self.deadline = None;
        self.telemetry.drained(operation, &outcome);
        Poll::Ready(outcome)
    }

    fn poll_end_silently<W: Outlet>(
        &mut self,
        operation: Operation,
        mut io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<DrainOutcome, Error>> {
        let flushed = self.poll_flush(io.as_mut(), cx)?.is_ready();
        if flushed {
            let done = match (io.tells_reads(), operation) {
                (true, _) => io.poll_drained(cx).map_ok(|()| DrainOutcome::Drained),
                (false, Operation::Close) => {
                    io.poll_shutdown(cx).map_ok(|()| DrainOutcome::Flushed)
                }
                (false, _) => Poll::Ready(Ok(DrainOutcome::Flushed)),
            };
            if let Poll::Ready(done) = done {
                return Poll::Ready(done.or_else(|e| match DrainOutcome::told_by(&e) {
                    Some(outcome) => Ok(outcome),
                    None => DrainOutcome::of_failure(self.fail(operation, e)),
                }));
            }
        }
        let deadline = self.deadline.get_or_insert_with(|| Deadline::new(self.close_timeout));
        ready!(deadline.poll(flushed, cx));
        Poll::Ready(Ok(DrainOutcome::TimedOut { unread: None }))
    }

    /// Gives up a drain that is in progress.
    pub(in crate::connection) fn end_drain<W: Outlet>(&mut self, io: Pin<&mut W>) {
        self.deadline = None;
        io.stop_draining();
    }

    /// Ends the direction after a drain.
    pub(in crate::connection) fn poll_close_write<W: Outlet>(
        &mut self,
        mut io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<DrainOutcome, Error>> {
        let Poll::Ready(done) = io.as_mut().poll_close_write(cx) else {
            let deadline = self.deadline.get_or_insert_with(|| Deadline::new(self.close_timeout));
            ready!(deadline.poll(true, cx));
            self.deadline = None;
            return Poll::Ready(Ok(DrainOutcome::TimedOut { unread: None }));
        };
        self.deadline = None;
        Poll::Ready(match done {
            Ok(()) => {
                self.set_closed();
                Ok(if io.tells_reads() { DrainOutcome::Drained } else { DrainOutcome::Flushed })
            }
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                Err(Error::HalfClose { pipe: self.pipe.clone() })
            }
            Err(e) => DrainOutcome::of_failure(self.fail(Operation::Close, e)),
        })
    }

    /// Returns the error for a peer that has not read everything in time.
    fn late(&self, operation: Operation, unread: Option<u64>) -> Error {
        let late = io::Error::new(io::ErrorKind::TimedOut, Undrained { unread });
        Error::io(operation, self.pipe.as_ref(), late)
    }

    fn set_closed(&mut self) {
        // open -> closed, or failed -> closed if it was the peer who had left
        self.state = State::Closed;
    }
}

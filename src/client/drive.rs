//! What moves a client: whichever method is polled, the connection is brought about, what is kept
//! goes out, and a loss is written into the account.

use std::{
    future::Future,
    io, mem,
    ops::RangeInclusive,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::{Client, Connect, DeliveredWhen, MessageId, link::Link};
use crate::{
    connection::{Closed, NotTold, Undrained},
    error::{Error, Operation, WithoutContent},
    frame::FrameError,
};

impl<C: Connect> Client<C> {
    /// Waits for a connection.
    pub(super) fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            if self.poll_shut(cx) {
                return Poll::Ready(Err(Error::Closed));
            }
            match &mut self.link {
                Link::Up { .. } => return Poll::Ready(Ok(())),
                Link::Salvaging { .. } => {
                    if let Some(message) = ready!(self.poll_salvage(cx)) {
                        self.inbox.push_back(message);
                        if self.inbox.iter().map(BytesMut::len).sum::<usize>()
                            >= self.options.buffer
                        {
                            self.drop_link();
                        }
                    }
                }
                Link::Down => {
                    let connection = ready!(self.dialer.poll_connect(cx))?;
                    self.link = Link::Up { connection, since: Instant::now(), proven: false };
                }
            }
        }
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(cancelled) = &mut self.shutdown {
            if cancelled.as_mut().poll(cx).is_ready() {
                self.shutdown = None;
                self.is_shut = true;
                self.dialer.rest();
            }
        }
        self.is_shut
    }

    /// Waits until the buffer has room for one message more.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.poll_shut(cx) {
            return Poll::Ready(Err(Error::Closed));
        }
        self.report()?;
        if self.ledger.held() >= self.options.buffer {
            ready!(self.poll_hand_over(cx))?;
            // What the transport has no room for, the peer has read; often that is enough.
            let is_full = self.ledger.held() >= self.options.buffer;
            if is_full && self.options.delivered_when == DeliveredWhen::Read {
                ready!(self.poll_read(cx))?;
            }
        }
        if self.ledger.held() < self.options.buffer {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(match self.ledger.has_returned() {
            true => {
                self.ledger.take_unreported();
                self.returned()
            }
            false => Error::Unacknowledged { messages: self.ledger.unsettled() },
        }))
    }

    /// Hands over everything that is kept, on as many connections as it takes.
    pub(super) fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            if self.link.up().is_none() && self.ledger.kept().is_none() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_up(cx))?;
            match ready!(self.poll_carry(cx)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) => self.lose(&error),
            }
        }
    }

    /// Moves everything that is kept through the connection. An error is the connection's end.
    fn poll_carry(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(connection) = self.link.up() else {
            return Poll::Ready(Err(Error::Closed));
        };
        let mut connection = Pin::new(connection);
        while let Some(message) = self.ledger.kept() {
            ready!(connection.as_mut().poll_ready(cx))?;
            match connection.as_mut().start_send(message) {
                Ok(()) => self.ledger.feed(),
                Err(error @ Error::TooLarge { .. }) => {
                    self.ledger.refuse();
                    self.refusal = Some(error);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        ready!(connection.poll_flush(cx))?;
        self.deliver_what_was_read();
        Poll::Ready(Ok(()))
    }

    /// Writes into the account what the peer must have read, as far as that is known without waiting.
    fn deliver_what_was_read(&mut self) {
        let Link::Up { connection, .. } = &mut self.link else {
            return;
        };
        if self.options.delivered_when != DeliveredWhen::Read {
            return;
        }
        let Some(unread) = connection.unread_at_most() else {
            return;
        };
        let written = self.ledger.written(connection.unwritten());
        if self.ledger.deliver(written.saturating_sub(unread)) {
            self.link.prove();
        }
    }

    /// Hands over everything and waits until the peer has read it.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            ready!(self.poll_hand_over(cx))?;
            if self.link.up().is_none() || self.ledger.unsettled() == 0 {
                return Poll::Ready(Ok(()));
            }
            match ready!(self.poll_drain(cx)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) if leaves_connection(&error) => return Poll::Ready(Err(error)),
                Err(error) => self.lose(&error),
            }
        }
    }

    /// Waits until the peer has read what the transport has.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Link::Up { connection, .. } = &mut self.link else {
            return Poll::Ready(Err(Error::Closed));
        };
        loop {
            let written = self.ledger.written(connection.unwritten());
            let target = *self.draining_to.get_or_insert(written);
            let drained = ready!(connection.poll_drained(cx));
            self.draining_to = None;
            let failure = match drained? {
                Closed::Drained => None,
                Closed::Flushed => Some(io::Error::new(io::ErrorKind::Unsupported, NotTold)),
                Closed::TimedOut { unread } => {
                    Some(io::Error::new(io::ErrorKind::TimedOut, Undrained { unread }))
                }
                Closed::PeerGone => Some(io::ErrorKind::BrokenPipe.into()),
            };
            if let Some(source) = failure {
                return Poll::Ready(Err(Error::io(Operation::Drain, None, source)));
            }
            if self.options.delivered_when == DeliveredWhen::Read {
                self.ledger.deliver(target);
            }
            // A wait that an earlier call began does not cover what was written since.
            if target == written {
                self.link.prove();
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Returns the next message, a report, or `None` after shutdown.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BytesMut, Error>>> {
        loop {
            if let Some(message) = self.inbox.pop_front() {
                return Poll::Ready(Some(Ok(message)));
            }
            if self.poll_shut(cx) {
                return Poll::Ready(None);
            }
            if let Link::Salvaging { .. } = self.link {
                match ready!(self.poll_salvage(cx)) {
                    Some(message) => return Poll::Ready(Some(Ok(message))),
                    None => continue,
                }
            }
            if let Err(report) = self.report() {
                return Poll::Ready(Some(Err(report)));
            }
            if let Err(error) = ready!(self.poll_up(cx)) {
                return Poll::Ready(if self.is_shut { None } else { Some(Err(error)) });
            }
            if let Poll::Ready(Err(error)) = self.poll_carry(cx) {
                self.lose(&error);
                continue;
            }
            let Some(connection) = self.link.up() else {
                continue;
            };
            match ready!(Pin::new(connection).poll_next(cx)) {
                Some(Ok(message)) => {
                    self.link.prove();
                    return Poll::Ready(Some(Ok(message)));
                }
                Some(Err(Error::Frame(error))) if error.is_skippable() => {
                    return Poll::Ready(Some(Err(error.into())));
                }
                Some(Err(error)) => {
                    self.lose(&error);
                    let is_peers_fault = match error {
                        Error::Frame(FrameError::Truncated { .. }) => false,
                        Error::Frame(_) => true,
                        _ => false,
                    };
                    if is_peers_fault {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                None => self.lose(&Error::Closed),
            }
        }
    }

    /// Reads what is left of a lost connection; `None` is its end.
    fn poll_salvage(&mut self, cx: &mut Context<'_>) -> Poll<Option<BytesMut>> {
        let Link::Salvaging { connection, grace } = &mut self.link else {
            return Poll::Ready(None);
        };
        loop {
            match Pin::new(&mut *connection).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => return Poll::Ready(Some(message)),
                Poll::Ready(Some(Err(Error::Frame(error)))) if error.is_skippable() => {}
                Poll::Ready(Some(Err(_)) | None) => break,
                Poll::Pending => {
                    ready!(grace.as_mut().poll(cx));
                    break;
                }
            }
        }
        self.drop_link();
        Poll::Ready(None)
    }

    /// Writes the loss of the connection into the account.
    fn lose(&mut self, cause: &Error) {
        self.draining_to = None;
        self.deliver_what_was_read();
        let Link::Up { connection, since, proven } = mem::replace(&mut self.link, Link::Down)
        else {
            return;
        };
        let before = self.ledger.came_back();
        self.ledger.lose(connection.unwritten());
        let returned = self.ledger.came_back() - before;
        let (kept, cause) = (self.ledger.kept_count(), WithoutContent(cause));
        connection.span().in_scope(|| debug!(%cause, returned, kept, "session lost"));
        self.dialer.lost(proven || since.elapsed() >= self.options.backoff.cap());
        if !connection.is_terminated() {
            let grace = Box::pin(sleep(Link::<C::Io>::GRACE));
            self.link = Link::Salvaging { connection, grace };
        } else {
            self.past = self.past.plus(connection.counters());
        }
    }

    fn drop_link(&mut self) {
        self.past = self.past.plus(self.link.counters());
        self.link = Link::Down;
    }

    pub(super) fn acknowledge_range(&mut self, ids: RangeInclusive<MessageId>) {
        let written = self.ledger.written(self.link.unwritten());
        if self.ledger.acknowledge(ids, written) {
            self.link.prove();
        }
    }

    /// Closes as `Sink` wants it: everything accepted is sent first, if need be after a reconnect.
    pub(super) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.is_shut {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_hand_over(cx))?;
        let closed = match self.link.up() {
            Some(_) => ready!(self.poll_close_link(cx)),
            None => Ok(Closed::Drained),
        };
        let unwritten = self.link.unwritten();
        self.ledger.abandon(unwritten);
        self.drop_link();
        self.is_shut = true;
        self.dialer.rest();
        Poll::Ready(closed.map(|_| ()))
    }

    /// Sends what is kept on the present connection and closes it.
    pub(super) fn poll_close_link(&mut self, cx: &mut Context<'_>) -> Poll<Result<Closed, Error>> {
        if self.link.up().is_none() {
            return Poll::Ready(Err(Error::Closed));
        }
        let outcome = ready!(self.poll_close_steps(cx));
        Poll::Ready(outcome.or_else(|error| match error {
            Error::Closed => Err(error),
            e if e.is_timeout() => Ok(Closed::TimedOut { unread: None }),
            e if e.is_closed() => Ok(Closed::PeerGone),
            e => Err(e),
        }))
    }

    /// Each step is done at once when it is polled again, so no record is kept of it.
    fn poll_close_steps(&mut self, cx: &mut Context<'_>) -> Poll<Result<Closed, Error>> {
        ready!(self.poll_carry(cx))?;
        let when_read = self.options.delivered_when == DeliveredWhen::Read;
        if when_read && self.ledger.unsettled() > 0 {
            match ready!(self.poll_drain(cx)) {
                // The close may tell more.
                Err(error) if is_unsupported(&error) => {}
                drained => drained?,
            }
        }
        match self.link.up() {
            Some(connection) => connection.poll_end(cx),
            None => Poll::Ready(Err(Error::Closed)),
        }
    }
}

fn leaves_connection(error: &Error) -> bool {
    error.is_timeout() || is_unsupported(error)
}

fn is_unsupported(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::Unsupported)
}

//! A connected client: what goes over the connection, and what is known of the peer.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{Connect, Delivered, DeliveredWhen, arrivals::Arrival, drive::Drive};
use crate::{
    connection::{Connection, DrainOutcome},
    error::Error,
    frame::FrameError,
};

pub(super) struct Session<T> {
    pub(super) connection: Connection<T>,
    pub(super) since: Instant,
    /// Whether the transport cannot tell what the peer has read.
    is_blind: bool,
    /// Whether everything that was fed has been written.
    is_flushed: bool,
    /// The place up to which the peer has read when the present wait is over.
    draining_to: Option<u64>,
    /// Whether the inbox is full.
    pub(super) is_held_back: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Session<T> {
    pub(super) fn new(connection: Connection<T>) -> Self {
        Self {
            connection,
            since: Instant::now(),
            is_blind: false,
            is_flushed: true,
            draining_to: None,
            is_held_back: false,
        }
    }
}

impl<C: Connect> Drive<C> {
    /// Reads and writes until the connection was closed in good order. An error is the loss of the
    /// connection.
    pub(super) fn poll_session(
        &mut self,
        session: &mut Session<C::Io>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Result<DrainOutcome, Error>, Error>> {
        let mut more_is_coming = false;
        loop {
            self.count(session);
            self.learn(session.connection.unwritten(), cx);
            more_is_coming |= self.news.has_admitted;
            let flushed = self.poll_send(session, more_is_coming, cx)?;
            session.is_flushed = flushed.is_ready();
            self.deliver_what_was_read(session);
            let is_closing = self.news.is_closing;
            let mut is_peer_gone = false;
            if !is_closing && self.wants_drain() {
                match self.poll_drain(session, cx)? {
                    // The pipe is asked again for as long as somebody waits for the answer.
                    Poll::Ready(DrainOutcome::TimedOut { .. }) => continue,
                    Poll::Ready(DrainOutcome::PeerGone) => is_peer_gone = true,
                    Poll::Ready(_) | Poll::Pending => {}
                }
            }
            let closed = match is_closing {
                true => self.poll_close(session, cx),
                false => Poll::Pending,
            };
            let lost = self.poll_receive(session, cx);
            if let Poll::Ready(closed) = closed {
                return Poll::Ready(Ok(closed));
            }
            if let Poll::Ready(cause) = lost {
                return Poll::Ready(Err(cause));
            }
            if is_peer_gone {
                return Poll::Ready(Err(Error::Closed));
            }
            if !self.outbox.has_freed() && !self.is_flush_told_late(session) {
                return Poll::Pending;
            }
        }
    }

    /// Records the numbers of the present connection.
    pub(super) fn count(&mut self, session: &Session<C::Io>) {
        self.traffic = self.past.plus(session.connection.stats());
    }

    /// Returns whether somebody waits until everything is handed over, and everything now is.
    fn is_flush_told_late(&mut self, session: &Session<C::Io>) -> bool {
        self.news.is_flushing && session.is_flushed && mem::take(&mut self.news.is_flushing)
    }

    /// Feeds the connection with everything that is kept, and flushes it. It does not flush while
    /// senders that have got room have yet to run. An error ends the session.
    fn poll_send(
        &mut self,
        session: &mut Session<C::Io>,
        more_is_coming: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let mut connection = Pin::new(&mut session.connection);
        while let Some(message) = self.outbox.kept() {
            ready!(connection.as_mut().poll_ready(cx))?;
            match connection.start_send_kept(message) {
                Ok(()) => self.outbox.feed(),
                Err(error @ Error::TooLarge { .. }) => {
                    self.outbox.refuse(&Arc::new(error), &mut self.pages);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if more_is_coming {
            // Waiting for these senders makes fewer and longer writes.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        connection.poll_flush(cx)
    }

    /// Records in the outbox what the peer must have read, as far as that is known without waiting.
    /// If the transport cannot tell that, it records what the transport has taken.
    pub(super) fn deliver_what_was_read(&mut self, session: &mut Session<C::Io>) {
        if self.shared.options.delivered_when != DeliveredWhen::Read || !self.outbox.has_fed() {
            return;
        }
        let written = self.outbox.written(session.connection.unwritten());
        if let Some(unread) = session.connection.unread_at_most() {
            let read = written.saturating_sub(unread);
            self.outbox.deliver(read, Delivered::Read, &mut self.pages);
        }
        if session.is_blind && session.is_flushed {
            self.outbox.deliver(written, Delivered::HandedOver, &mut self.pages);
        }
    }

    /// Returns whether somebody waits for something that happens only when the peer reads.
    fn wants_drain(&self) -> bool {
        self.shared.options.delivered_when == DeliveredWhen::Read
            && (self.news.is_full || self.news.wanted > self.outbox.settled())
    }

    /// Waits until the peer has read everything, if everything was written. When it is ready, there
    /// is nothing more to wait for, or [`DrainOutcome`] says why.
    fn poll_drain(
        &mut self,
        session: &mut Session<C::Io>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<DrainOutcome, Error>> {
        while session.is_flushed && self.outbox.has_fed() && !session.is_blind {
            let written = self.outbox.written(session.connection.unwritten());
            let target = *session.draining_to.get_or_insert(written);
            let drained = ready!(session.connection.poll_drained(cx));
            session.draining_to = None;
            match drained? {
                // A wait that began earlier does not cover later writes.
                DrainOutcome::Drained => {
                    self.outbox.deliver(target, Delivered::Read, &mut self.pages);
                }
                DrainOutcome::Flushed => {
                    session.is_blind = true;
                    self.deliver_what_was_read(session);
                }
                undecided => return Poll::Ready(Ok(undecided)),
            }
        }
        Poll::Ready(Ok(DrainOutcome::Drained))
    }

    /// Reads until nothing more has arrived or the inbox is full. When it is ready, nothing more
    /// will come, and the result says why.
    pub(super) fn poll_receive(
        &mut self,
        session: &mut Session<C::Io>,
        cx: &mut Context<'_>,
    ) -> Poll<Error> {
        loop {
            let mut room = self.shared.inbox_room(self.news.is_full, cx);
            session.is_held_back = room == 0;
            if session.is_held_back {
                return Poll::Pending;
            }
            let outcome = loop {
                let arrival = match Pin::new(&mut session.connection).poll_next(cx) {
                    Poll::Ready(Some(Ok(message))) => Arrival::Message(message),
                    Poll::Ready(Some(Err(Error::Frame(error)))) if error.is_skippable() => {
                        Arrival::Fault(error.into())
                    }
                    Poll::Ready(Some(Err(error))) => {
                        match error {
                            Error::Frame(FrameError::Truncated { .. }) => {}
                            Error::Frame(fault) => self.batch.push(Arrival::Fault(fault.into())),
                            _ => {}
                        }
                        break Some(Poll::Ready(error));
                    }
                    Poll::Ready(None) => break Some(Poll::Ready(Error::Closed)),
                    Poll::Pending => break Some(Poll::Pending),
                };
                room = room.saturating_sub(arrival.cost());
                self.batch.push(arrival);
                if room == 0 {
                    break None;
                }
            };
            self.shared.arrive(&mut self.batch);
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
    }

    /// Waits until the peer has everything, and closes the connection.
    fn poll_close(
        &mut self,
        session: &mut Session<C::Io>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<DrainOutcome, Error>> {
        if self.is_closing_late(cx) {
            return Poll::Ready(Ok(DrainOutcome::TimedOut { unread: None }));
        }
        // What is kept was fed before that.
        if !session.is_flushed {
            return Poll::Pending;
        }
        if self.shared.options.delivered_when == DeliveredWhen::Read {
            match ready!(self.poll_drain(session, cx))? {
                DrainOutcome::Drained | DrainOutcome::Flushed => {}
                undecided => return Poll::Ready(Ok(undecided)),
            }
        }
        session.connection.poll_end(cx)
    }
}

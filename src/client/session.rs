//! A client that is connected: what goes over the connection, and what is learned of the peer.

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

use super::{Connect, Delivered, DeliveredWhen, driver::Drive, inbox::Arrival};
use crate::{
    connection::{Connection, DrainOutcome},
    error::Error,
    frame::FrameError,
};

pub(super) struct Session<T> {
    pub(super) connection: Connection<T>,
    pub(super) since: Instant,
    /// The transport cannot tell what the peer has read.
    is_blind: bool,
    /// Everything that was fed has been written.
    is_flushed: bool,
    /// The place up to which the peer has read when the wait under way is over.
    draining_to: Option<u64>,
    /// The inbox is full.
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
    /// Reads and writes until the connection was closed in good order, or is lost, which is the error.
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
                    // It is asked again, for as long as somebody waits for the answer.
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

    /// Returns whether somebody waits until everything is handed over, and it is now.
    fn is_flush_told_late(&mut self, session: &Session<C::Io>) -> bool {
        self.news.is_flushing && session.is_flushed && mem::take(&mut self.news.is_flushing)
    }

    /// Feeds the connection with everything that is kept, and flushes it unless senders that were
    /// given room have yet to run. An error is its end.
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
            // Together it makes fewer writes, all of them long.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        connection.poll_flush(cx)
    }

    /// Writes into the account what the peer must have read, as far as that is known without waiting,
    /// or what the transport has taken if it can never tell more.
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

    /// Returns whether somebody waits for what only the peer's reading brings.
    fn wants_drain(&self) -> bool {
        self.shared.options.delivered_when == DeliveredWhen::Read
            && (self.news.is_full || self.news.wanted > self.outbox.settled())
    }

    /// Waits until the peer has read everything, if everything was written. Ready, there is nothing
    /// more to wait for, or [`DrainOutcome`] says why.
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
                // A wait that began earlier does not cover what was written since.
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

    /// Reads until nothing has arrived or the inbox is full. Ready, nothing more will come, and why.
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
        if !session.is_flushed || self.outbox.kept().is_some() {
            return Poll::Pending;
        }
        let counts_reads = self.shared.options.delivered_when == DeliveredWhen::Read;
        if counts_reads {
            match ready!(self.poll_drain(session, cx))? {
                DrainOutcome::Drained | DrainOutcome::Flushed => {}
                undecided => return Poll::Ready(Ok(undecided)),
            }
        }
        let written = self.outbox.written(session.connection.unwritten());
        let closed = ready!(session.connection.poll_end(cx))?;
        let how = match closed {
            DrainOutcome::Drained => Some(Delivered::Read),
            DrainOutcome::Flushed => Some(Delivered::HandedOver),
            _ => None,
        };
        if let Some(how) = how.filter(|_| counts_reads) {
            self.outbox.deliver(written, how, &mut self.pages);
        }
        Poll::Ready(Ok(closed))
    }
}

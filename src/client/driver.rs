//! The driver: it owns the connection from the first attempt to the end.
//!
//! Whenever it wakes, it first learns what the handles want. Then it reads and writes. A wait for
//! one never stops the other.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::FusedStream;
use tokio::time::{Sleep, sleep};
use tracing::debug;

use super::{
    Connect, DeliveredWhen,
    arrivals::Arrival,
    dialer::Dialer,
    drive::{Drive, GRACE, Shutdown},
    end::End,
    session::Session,
    shared::Shared,
};
use crate::{
    connection::{Connection, DrainOutcome},
    error::{Error, WithoutContent},
};

/// The driver of a [`Client`](crate::Client): a future that ends when the client has ended.
///
/// [`ClientBuilder::spawn`](crate::client::ClientBuilder::spawn) spawns it;
/// [`ClientBuilder::build`](crate::client::ClientBuilder::build) returns it. Nothing happens unless
/// it is polled. Dropping it before it is ready ends the client at once: its connection is dropped,
/// and every message whose fate is not known comes back.
#[must_use = "a client's driver does nothing unless it is polled"]
pub struct Driver(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Driver {
    pub(super) fn new<C: Connect>(
        dialer: Dialer<C>,
        shared: Arc<Shared>,
        shutdown: Shutdown,
    ) -> Self {
        Self(Box::pin(Drive::new(dialer, shared, shutdown).run()))
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl<C: Connect> Drive<C> {
    async fn run(mut self) {
        let end = self.live().await;
        self.end(end);
    }

    async fn live(&mut self) -> End {
        self.dialer.begin();
        loop {
            let connection = match poll_fn(|cx| self.poll_connect(cx)).await {
                // dialing -> in session
                Ok(connection) => connection,
                // dialing -> gave up, or closed
                Err(end) => return end,
            };
            let mut session = Session::new(connection);
            let end = match poll_fn(|cx| self.poll_session(&mut session, cx)).await {
                // in session -> closed
                Ok(closed) => Some(self.leave(&session, End::closed(closed))),
                // in session -> dialing, or salvaging first
                Err(cause) => self.lose(session, cause).await,
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Waits for a connection, or for the reason to want no connection.
    fn poll_connect(&mut self, cx: &mut Context<'_>) -> Poll<Result<Connection<C::Io>, End>> {
        loop {
            self.learn(0, cx);
            if self.news.is_closing {
                let is_wanted = self.dialer.is_dialing() && self.outbox.kept().is_some();
                if !is_wanted || self.is_closing_late(cx) {
                    return Poll::Ready(Err(End::closed(Err(Error::Closed))));
                }
            }
            if let Poll::Ready(outcome) = self.dialer.poll_connect(cx) {
                return Poll::Ready(outcome.map_err(End::gave_up));
            }
            if self.news.is_closing && !self.dialer.is_dialing() {
                continue;
            }
            if !self.outbox.has_freed() {
                return Poll::Pending;
            }
        }
    }

    /// Records in the outbox that the connection was closed.
    fn leave(&mut self, session: &Session<C::Io>, end: End) -> End {
        self.count(session);
        if let (Ok(DrainOutcome::TimedOut { .. }), Some(handle)) =
            (&end.closed, session.connection.abort_handle())
        {
            handle.abort();
        }
        let unwritten = session.connection.unwritten();
        self.outbox.lose(unwritten, u32::MAX, &end.cause, &mut self.pages);
        end
    }

    /// Records in the outbox that the connection was lost, and reads what the peer had sent.
    async fn lose(&mut self, mut session: Session<C::Io>, cause: Error) -> Option<End> {
        self.deliver_what_was_read(&mut session);
        let lasted = session.since.elapsed();
        let cause = Arc::new(cause);
        let unwritten = session.connection.unwritten();
        let max_tries = self.shared.options.max_tries;
        let returned = self.outbox.lose(unwritten, max_tries, &cause, &mut self.pages);
        let kept = self.outbox.kept_count();
        session.connection.span().in_scope(|| {
            let cause = WithoutContent(&cause);
            debug!(%cause, returned, kept, "session lost");
        });
        if self.shared.options.delivered_when == DeliveredWhen::Read {
            self.outbox.decide(self.outbox.losses(), &mut self.pages);
        }
        let gave_up = self.dialer.lost(lasted, &cause);
        if !session.connection.is_terminated() {
            let mut grace = Box::pin(sleep(GRACE));
            poll_fn(|cx| self.poll_salvage(&mut session, grace.as_mut(), cx)).await;
        }
        self.count(&session);
        self.past = self.traffic;
        if self.outbox.is_in_doubt() {
            self.shared.arrive(&mut vec![Arrival::Loss(self.outbox.losses())]);
        }
        if self.news.is_closing {
            let closed = if cause.is_closed() {
                Ok(DrainOutcome::PeerGone)
            } else {
                Err(Arc::clone(&cause))
            };
            return Some(End { closed, cause, report: None });
        }
        gave_up.err().map(End::gave_up)
    }

    /// Reads the rest of a lost connection.
    fn poll_salvage(
        &mut self,
        session: &mut Session<C::Io>,
        grace: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            self.learn(0, cx);
            if self.news.is_closing && self.is_closing_late(cx) {
                return Poll::Ready(());
            }
            if self.poll_receive(session, cx).is_ready() {
                return Poll::Ready(());
            }
            if !self.outbox.has_freed() {
                break;
            }
        }
        // What has arrived waits for room without a limit. What may still come has a limit.
        match session.is_held_back {
            true => Poll::Pending,
            false => grace.poll(cx),
        }
    }
}

//! The driver: it owns the connection from the first attempt to the end.
//!
//! Whenever it wakes, it first learns what the handles want. Then it reads and writes. A wait for
//! one never stops the other.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::FusedStream;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::debug;

use super::{
    ClientState, ClientStats, Connect, DeliveredWhen, Settlement,
    dialer::Dialer,
    end::End,
    exchange::News,
    inbox::Arrival,
    outbox::Outbox,
    receipt::Pages,
    session::Session,
    shared::{Shared, wake},
};
use crate::{
    connection::{Connection, ConnectionStats, DrainOutcome},
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
        let driver = Drive {
            dialer,
            shared,
            shutdown,
            news: News::default(),
            outbox: Outbox::default(),
            pages: Pages::default(),
            batch: Vec::new(),
            past: ConnectionStats::default(),
            traffic: ConnectionStats::default(),
            grace: None,
            closing: None,
            has_ended: false,
        };
        Self(Box::pin(driver.run()))
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

pub(super) type Shutdown = Option<Pin<Box<WaitForCancellationFutureOwned>>>;

/// How long a connection is still read after writing to it has failed. For the same time, the fate
/// of its handed-over messages may stay open. A pipe ends by itself after such a failure; another
/// transport may stay open.
const GRACE: std::time::Duration = std::time::Duration::from_secs(1);

pub(super) struct Drive<C: Connect> {
    pub(super) dialer: Dialer<C>,
    pub(super) shared: Arc<Shared>,
    shutdown: Shutdown,
    pub(super) news: News,
    pub(super) outbox: Outbox,
    pub(super) pages: Pages,
    /// Arrivals that were read and not handed over yet.
    pub(super) batch: Vec<Arrival>,
    /// The numbers of past connections.
    past: ConnectionStats,
    /// The numbers of all connections.
    pub(super) traffic: ConnectionStats,
    /// Runs while the receiving end does not ask for the next message and a loss is undecided.
    grace: Option<Pin<Box<Sleep>>>,
    /// Runs while the client closes.
    closing: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
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

    /// Learns what the handles want, and tells them the fates of their messages. The connection
    /// still holds `unwritten` bytes.
    pub(super) fn learn(&mut self, unwritten: usize, cx: &mut Context<'_>) {
        if let Some(shutdown) = &mut self.shutdown {
            if shutdown.as_mut().poll(cx).is_ready() {
                self.shutdown = None;
                self.shared.begin_closing();
            }
        }
        let (freed, counters) = (self.outbox.take_freed(), self.stats());
        self.shared.exchange(freed, counters, &mut self.news, &mut self.pages.woken, cx);
        self.take_over();
        for ids in mem::take(&mut self.news.acknowledged) {
            self.outbox.acknowledge(&ids, &mut self.pages);
        }
        if self.shared.options.delivered_when == DeliveredWhen::Acknowledged {
            self.decide(cx);
        }
        if self.news.is_flushing {
            let end = self.outbox.handed_over(self.outbox.written(unwritten));
            self.shared.tell_handed_over(end, &mut self.pages.woken);
        }
        self.pages.drop_before(self.outbox.settled());
        wake(self.pages.woken.drain(..));
    }

    fn take_over(&mut self) {
        self.pages.add(self.news.pages.drain(..));
        for message in self.news.messages.drain(..) {
            self.outbox.accept(message);
        }
    }

    /// Decides the messages in doubt, if what has arrived can no longer contain their
    /// acknowledgements.
    fn decide(&mut self, cx: &mut Context<'_>) {
        if !self.outbox.is_in_doubt() {
            self.grace = None;
            return;
        }
        let progress = self.shared.receiving(cx);
        self.outbox.decide(progress.passed, &mut self.pages);
        let Some(loss) = progress.next.filter(|_| self.outbox.is_in_doubt()) else {
            self.grace = None;
            return;
        };
        let grace = self.grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
        if grace.as_mut().poll(cx).is_ready() {
            self.grace = None;
            self.outbox.decide(loss, &mut self.pages);
        }
    }

    fn stats(&self) -> ClientStats {
        let (connections, failed_attempts) = self.dialer.counts();
        let (delivered, returned) = self.outbox.counts();
        let traffic = self.traffic;
        ClientStats { connections, failed_attempts, delivered, returned, traffic, accepted: 0 }
    }

    /// Records the numbers of the present connection.
    pub(super) fn count(&mut self, session: &Session<C::Io>) {
        self.traffic = self.past.plus(session.connection.stats());
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

    /// Returns whether the client's time to close is over. The time begins with the first call.
    pub(super) fn is_closing_late(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.shared.options.close_timeout;
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(deadline)));
        closing.as_mut().poll(cx).is_ready()
    }

    /// Settles every message and tells every handle.
    fn end(&mut self, end: End) {
        self.has_ended = true;
        self.shared.stop(&end.cause, &mut self.news);
        self.take_over();
        for ids in mem::take(&mut self.news.acknowledged) {
            self.outbox.acknowledge(&ids, &mut self.pages);
        }
        self.pages.list = Some(Vec::new());
        self.outbox.abandon(0, &end.cause, &mut self.pages);
        let settlement = Settlement {
            closed: end.closed,
            returned: self.pages.list.take().unwrap_or_default(),
            stats: self.stats(),
        };
        self.shared.arrive(&mut end.report.map(Arrival::Fault).into_iter().collect());
        self.shared.end_arrivals();
        self.shared.state.send_replace(ClientState::Ended);
        self.shared.end(settlement, &mut self.pages.woken);
        wake(self.pages.woken.drain(..));
    }
}

/// A dropped driver ends the client too, so that nobody waits for ever.
impl<C: Connect> Drop for Drive<C> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end(End::closed(Err(Error::Closed)));
        }
    }
}

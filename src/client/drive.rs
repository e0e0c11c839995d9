//! What the driver keeps over all connections, and its exchange with the handles.

use std::{future::Future, mem, pin::Pin, sync::Arc, task::Context};

use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    ClientState, ClientStats, Connect, DeliveredWhen, Settlement,
    arrivals::Arrival,
    dialer::Dialer,
    end::End,
    exchange::News,
    outbox::Outbox,
    receipt::Pages,
    shared::{Shared, wake},
};
use crate::{connection::ConnectionStats, error::Error};

pub(super) type Shutdown = Option<Pin<Box<WaitForCancellationFutureOwned>>>;

/// How long a connection is still read after writing to it has failed. For the same time, the fate
/// of its handed-over messages may stay open. A pipe ends by itself after such a failure; another
/// transport may stay open.
pub(super) const GRACE: std::time::Duration = std::time::Duration::from_secs(1);

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
    pub(super) past: ConnectionStats,
    /// The numbers of all connections.
    pub(super) traffic: ConnectionStats,
    /// Runs while the receiving end does not ask for the next message and a loss is undecided.
    grace: Option<Pin<Box<Sleep>>>,
    /// Runs while the client closes.
    closing: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
}

impl<C: Connect> Drive<C> {
    pub(super) fn new(dialer: Dialer<C>, shared: Arc<Shared>, shutdown: Shutdown) -> Self {
        Self {
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

    /// Returns whether the client's time to close is over. The time begins with the first call.
    pub(super) fn is_closing_late(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.shared.options.close_timeout;
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(deadline)));
        closing.as_mut().poll(cx).is_ready()
    }

    /// Settles every message and tells every handle.
    pub(super) fn end(&mut self, end: End) {
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

//! What the handles and the driver share: messages on their way to the driver, room, and requests.
//!
//! A lock is held for a few instructions. It is never held across an await, or while the code of
//! others runs: wakers are called, and messages encoded, after it is released.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::{
    ClientState, Settlement,
    arrivals::Arrivals,
    cost::cost,
    options::ClientOptions,
    receipt::{Page, Receipt, WantFate},
    room::{Ticket, Waiters},
    stats::ClientStats,
};
use crate::error::Error;

/// The most bytes, in [`cost`], that wait until the driver takes them over. A sender that reaches
/// this limit lets the driver run while the messages are still in the processor's cache.
const HANDFUL: usize = 512 * 1024;

pub(super) struct Shared {
    pub(super) options: ClientOptions,
    pub(super) state: watch::Sender<ClientState>,
    /// The number of clients that are clones of each other.
    handles: AtomicUsize,
    outgoing: Mutex<Outgoing>,
    pub(super) arrivals: Mutex<Arrivals>,
}

/// What goes from the handles to the driver.
pub(super) struct Outgoing {
    pub(super) this: Weak<Shared>,
    /// Messages that were accepted, and that the driver has not taken over.
    pub(super) waiting: Vec<Bytes>,
    pub(super) waiting_cost: usize,
    pub(super) next: u64,
    /// The page on which the next message is.
    pub(super) page: Arc<Page>,
    pub(super) new_pages: Vec<Arc<Page>>,
    /// The cost in bytes at which nothing more is accepted.
    pub(super) limit: usize,
    /// The cost in bytes of the accepted messages whose fate is not known.
    pub(super) held: usize,
    /// The cost in bytes of the messages that may still be sent with the unused permits.
    pub(super) reserved: usize,
    pub(super) waiters: Waiters,
    pub(super) acknowledged: Vec<RangeInclusive<u64>>,
    /// The first number after the messages whose fate somebody waits for.
    pub(super) wanted: u64,
    /// The first number after the messages that were handed over, as far as somebody waits for
    /// them.
    pub(super) handed_over: u64,
    /// The wakers of those that wait until everything before a number is handed over.
    pub(super) flushing: Vec<(u64, Waker)>,
    pub(super) driver: Option<Waker>,
    pub(super) phase: Phase,
    pub(super) closing: Vec<Waker>,
    pub(super) counters: ClientStats,
}

pub(super) enum Phase {
    Open,
    /// Nothing more is accepted, for this reason.
    Closing(Arc<Error>),
    Ended(Arc<Error>, Box<Settlement>),
}

impl Shared {
    pub(super) fn new(options: ClientOptions) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            state: watch::Sender::new(ClientState::Connecting { attempt: 1 }),
            handles: AtomicUsize::new(1),
            outgoing: Mutex::new(Outgoing {
                this: Weak::clone(this),
                waiting: Vec::new(),
                waiting_cost: 0,
                next: 0,
                page: Page::new(this.clone(), 0),
                new_pages: Vec::new(),
                limit: options.outbox,
                held: 0,
                reserved: 0,
                waiters: Waiters::default(),
                acknowledged: Vec::new(),
                wanted: 0,
                handed_over: 0,
                flushing: Vec::new(),
                driver: None,
                phase: Phase::Open,
                closing: Vec::new(),
                counters: ClientStats::default(),
            }),
            arrivals: Mutex::default(),
            options,
        })
    }

    pub(super) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the client if this was the last handle.
    pub(super) fn drop_handle(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.begin_closing();
        }
    }

    pub(super) fn acknowledge(&self, ids: RangeInclusive<u64>) {
        let mut outgoing = self.outgoing();
        outgoing.acknowledged.push(ids);
        let driver = outgoing.driver.take();
        drop(outgoing);
        driver.inspect(Waker::wake_by_ref);
    }

    pub(super) fn next_id(&self) -> u64 {
        self.outgoing().next
    }

    /// Waits until each message with a number below `end` was handed over, or its fate is known.
    pub(super) fn poll_handed_over(&self, end: u64, cx: &mut Context<'_>) -> Poll<()> {
        let mut outgoing = self.outgoing();
        if outgoing.handed_over >= end || matches!(outgoing.phase, Phase::Ended(..)) {
            return Poll::Ready(());
        }
        if !outgoing
            .flushing
            .iter()
            .any(|(known, waker)| *known == end && waker.will_wake(cx.waker()))
        {
            outgoing.flushing.push((end, cx.waker().clone()));
        }
        let driver = outgoing.driver.take();
        drop(outgoing);
        driver.inspect(Waker::wake_by_ref);
        Poll::Pending
    }

    /// Accepts nothing more, and lets the driver finish.
    pub(super) fn begin_closing(&self) {
        let mut outgoing = self.outgoing();
        if !matches!(outgoing.phase, Phase::Open) {
            return;
        }
        outgoing.phase = Phase::Closing(Arc::new(Error::Closed));
        let mut woken = outgoing.waiters.wakers();
        woken.extend(outgoing.driver.take());
        drop(outgoing);
        wake(woken);
    }

    pub(super) fn poll_settlement(&self, cx: &mut Context<'_>) -> Poll<Settlement> {
        let mut outgoing = self.outgoing();
        if let Phase::Ended(_, settlement) = &outgoing.phase {
            return Poll::Ready((**settlement).clone());
        }
        if !outgoing.closing.iter().any(|waker| waker.will_wake(cx.waker())) {
            outgoing.closing.push(cx.waker().clone());
        }
        Poll::Pending
    }

    pub(super) fn stats(&self) -> ClientStats {
        let outgoing = self.outgoing();
        ClientStats { accepted: outgoing.next, ..outgoing.counters }
    }
}

impl WantFate for Shared {
    fn want_fate(&self, id: u64) {
        let mut outgoing = self.outgoing();
        outgoing.wanted = outgoing.wanted.max(id + 1);
        let driver = outgoing.driver.take();
        drop(outgoing);
        driver.inspect(Waker::wake_by_ref);
    }
}

impl Outgoing {
    pub(super) fn closed(&self) -> Option<Arc<Error>> {
        match &self.phase {
            Phase::Open => None,
            Phase::Closing(cause) | Phase::Ended(cause, _) => Some(Arc::clone(cause)),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.is_below_limit() && self.waiting_cost < HANDFUL
    }

    pub(super) fn is_below_limit(&self) -> bool {
        self.held + self.reserved < self.limit
    }

    pub(super) fn accept(&mut self, message: Bytes) -> (Receipt, Option<Waker>) {
        let id = self.next;
        if id % Page::LEN == 0 {
            if id > 0 {
                self.page = Page::new(self.this.clone(), id);
            }
            self.new_pages.push(Arc::clone(&self.page));
        }
        self.next += 1;
        let cost = cost(&message);
        self.held += cost;
        self.waiting_cost += cost;
        self.waiting.push(message);
        (self.page.receipt(id), self.driver.take())
    }

    /// Admits waiting senders in turn, as far as there is room. Returns whether one was admitted.
    pub(super) fn admit(&mut self, woken: &mut Vec<Waker>) -> bool {
        let mut has_admitted = false;
        while self.has_room() {
            let Some((cost, waker)) = self.waiters.pop() else {
                break;
            };
            self.reserved += cost;
            woken.push(waker);
            has_admitted = true;
        }
        has_admitted
    }

    /// Ends a wait, or gives back the room with which the sender was admitted.
    pub(super) fn leave(&mut self, ticket: Ticket, cost: usize) {
        if !self.waiters.leave(ticket) {
            self.reserved -= cost;
        }
    }
}

pub(super) fn wake(woken: impl IntoIterator<Item = Waker>) {
    for waker in woken {
        waker.wake();
    }
}

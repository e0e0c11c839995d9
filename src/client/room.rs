//! The senders that wait for room in the outbox, first come, first served.

use std::{collections::VecDeque, task::Waker};

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

struct Waiter {
    ticket: Ticket,
    /// The bytes to reserve when the sender is admitted.
    cost: usize,
    waker: Waker,
}

#[derive(Default)]
pub(super) struct Waiters {
    /// In the order of their tickets.
    queue: VecDeque<Waiter>,
    next: u64,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn join(&mut self, cost: usize, waker: &Waker) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.queue.push_back(Waiter { ticket, cost, waker: waker.clone() });
        ticket
    }

    /// Replaces the waker of a ticket, and returns whether the ticket still waits.
    pub(super) fn renew(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        let Ok(at) = self.find(ticket) else {
            return false;
        };
        self.queue[at].waker.clone_from(waker);
        true
    }

    /// Ends a wait, and returns whether the ticket still waited.
    pub(super) fn leave(&mut self, ticket: Ticket) -> bool {
        let found = self.find(ticket);
        found.map(|at| self.queue.remove(at)).is_ok()
    }

    /// Takes the first waiter out of the queue. Returns the bytes that it needs, and its waker.
    pub(super) fn pop(&mut self) -> Option<(usize, Waker)> {
        self.queue.pop_front().map(|waiter| (waiter.cost, waiter.waker))
    }

    /// Returns the wakers of all waiters, and leaves the waiters in the queue.
    pub(super) fn wakers(&self) -> Vec<Waker> {
        self.queue.iter().map(|waiter| waiter.waker.clone()).collect()
    }

    fn find(&self, ticket: Ticket) -> Result<usize, usize> {
        self.queue.binary_search_by_key(&ticket, |waiter| waiter.ticket)
    }
}

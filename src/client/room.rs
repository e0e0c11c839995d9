//! Who waits for room in the outbox, first come, first served.

use std::{collections::VecDeque, task::Waker};

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

struct Waiter {
    ticket: Ticket,
    /// What is reserved when it is admitted, in bytes.
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

    /// Records whom to wake, and returns whether the ticket still waits.
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

    /// Takes the first one out of the queue: what it needs, and whom to wake.
    pub(super) fn pop(&mut self) -> Option<(usize, Waker)> {
        self.queue.pop_front().map(|waiter| (waiter.cost, waiter.waker))
    }

    /// Returns everybody to be woken, and leaves them in the queue.
    pub(super) fn wakers(&self) -> Vec<Waker> {
        self.queue.iter().map(|waiter| waiter.waker.clone()).collect()
    }

    fn find(&self, ticket: Ticket) -> Result<usize, usize> {
        self.queue.binary_search_by_key(&ticket, |waiter| waiter.ticket)
    }
}

//! How a message gets into the outbox: at once, in turn, or with a permit.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::{
    cost::{ENTRY_COST, cost},
    receipt::{Receipt, Returned},
    room::Ticket,
    shared::{Shared, wake},
};
use crate::error::Error;

/// The bytes reserved for a message of unknown length.
pub(super) const UNKNOWN: usize = ENTRY_COST;

/// A message that was not accepted at once.
pub(super) struct Offered {
    pub(super) message: Bytes,
    /// Why nothing more is accepted. `None` if there is only no room.
    pub(super) closed: Option<Arc<Error>>,
}

impl Shared {
    /// Accepts a message if there is room and no other sender waits for room.
    pub(super) fn offer(&self, message: Bytes) -> Result<Receipt, Offered> {
        let mut outgoing = self.outgoing();
        if let Some(cause) = outgoing.closed() {
            return Err(Offered { message, closed: Some(cause) });
        }
        if !outgoing.waiters.is_empty() || !outgoing.is_below_limit() {
            return Err(Offered { message, closed: None });
        }
        let (receipt, driver) = outgoing.accept(message);
        drop(outgoing);
        driver.inspect(Waker::wake_by_ref);
        Ok(receipt)
    }

    /// Waits for room in turn, and accepts the message. The message is taken then. Senders that
    /// wait let the driver run now and then.
    pub(super) fn poll_send(
        &self,
        message: &mut Bytes,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Receipt, Arc<Error>>> {
        let mut outgoing = self.outgoing();
        if let Some(cause) = outgoing.closed() {
            if let Some(ticket) = ticket.take() {
                outgoing.leave(ticket, cost(message));
            }
            return Poll::Ready(Err(cause));
        }
        let (receipt, driver) = match *ticket {
            Some(known) if outgoing.waiters.renew(known, cx.waker()) => return Poll::Pending,
            None if !outgoing.waiters.is_empty() || !outgoing.has_room() => {
                *ticket = Some(outgoing.waiters.join(cost(message), cx.waker()));
                let driver = outgoing.driver.take();
                drop(outgoing);
                driver.inspect(Waker::wake_by_ref);
                return Poll::Pending;
            }
            // `admit` has reserved the room.
            Some(_) => {
                *ticket = None;
                outgoing.reserved -= cost(message);
                outgoing.accept(mem::take(message))
            }
            None => outgoing.accept(mem::take(message)),
        };
        drop(outgoing);
        driver.inspect(Waker::wake_by_ref);
        Poll::Ready(Ok(receipt))
    }

    /// Accepts a message with a permit that was given for `reserved` bytes.
    pub(super) fn redeem(&self, message: Bytes, reserved: usize) -> Result<Receipt, Returned> {
        let mut outgoing = self.outgoing();
        outgoing.reserved -= reserved;
        if let Some(cause) = outgoing.closed() {
            return Err(Returned::not_accepted(message, cause));
        }
        let (receipt, driver) = outgoing.accept(message);
        let mut woken = Vec::new();
        outgoing.admit(&mut woken);
        drop(outgoing);
        driver.inspect(Waker::wake_by_ref);
        wake(woken);
        Ok(receipt)
    }

    /// Waits for room in turn. When it is ready, `cost` bytes are reserved.
    pub(super) fn poll_room(
        &self,
        ticket: &mut Option<Ticket>,
        cost: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Arc<Error>>> {
        let mut outgoing = self.outgoing();
        if let Some(cause) = outgoing.closed() {
            if let Some(ticket) = ticket.take() {
                outgoing.leave(ticket, cost);
            }
            return Poll::Ready(Err(cause));
        }
        match *ticket {
            Some(known) if outgoing.waiters.renew(known, cx.waker()) => Poll::Pending,
            // `admit` has reserved the room.
            Some(_) => {
                *ticket = None;
                Poll::Ready(Ok(()))
            }
            None if outgoing.waiters.is_empty() && outgoing.has_room() => {
                outgoing.reserved += cost;
                Poll::Ready(Ok(()))
            }
            None => {
                *ticket = Some(outgoing.waiters.join(cost, cx.waker()));
                let driver = outgoing.driver.take();
                drop(outgoing);
                driver.inspect(Waker::wake_by_ref);
                Poll::Pending
            }
        }
    }

    /// Ends a wait that was not ready.
    pub(super) fn leave(&self, ticket: Ticket, cost: usize) {
        let mut outgoing = self.outgoing();
        outgoing.leave(ticket, cost);
        let mut woken = Vec::new();
        outgoing.admit(&mut woken);
        drop(outgoing);
        wake(woken);
    }

    /// Gives back the room of a permit that is not used.
    pub(super) fn give_up(&self, reserved: usize) {
        let mut outgoing = self.outgoing();
        outgoing.reserved -= reserved;
        let mut woken = Vec::new();
        outgoing.admit(&mut woken);
        drop(outgoing);
        wake(woken);
    }
}

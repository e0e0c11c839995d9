//! Room for one message, reserved before the message is sent.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;

use super::{
    cost::cost,
    receipt::{Receipt, Returned},
    room::Ticket,
    shared::Shared,
};
use crate::error::Error;

/// Room for one message in the outbox of a [`Client`](crate::Client), from
/// [`reserve`](crate::Client::reserve).
///
/// Dropping it gives the room back.
#[must_use = "it holds room until it is used or dropped"]
pub struct Permit<'a> {
    shared: &'a Shared,
    /// The number of reserved bytes.
    cost: usize,
}

impl Permit<'_> {
    /// Sends one message, without waiting.
    ///
    /// The messages are sent, and numbered, in the order of these calls.
    ///
    /// # Errors
    ///
    /// The message, not sent, if the client is closed or has ended meanwhile.
    pub fn send(mut self, message: impl Into<Bytes>) -> Result<Receipt, Returned> {
        let cost = mem::take(&mut self.cost);
        self.shared.redeem(message.into(), cost)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.cost > 0 {
            self.shared.give_up(self.cost);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// Waits for room, in turn.
pub(super) struct Room<'a> {
    shared: &'a Shared,
    cost: usize,
    ticket: Option<Ticket>,
}

impl<'a> Room<'a> {
    pub(super) fn new(shared: &'a Shared, cost: usize) -> Self {
        Self { shared, cost, ticket: None }
    }
}

impl<'a> Future for Room<'a> {
    type Output = Result<Permit<'a>, Arc<Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        ready!(this.shared.poll_room(&mut this.ticket, this.cost, cx))?;
        Poll::Ready(Ok(Permit { shared: this.shared, cost: this.cost }))
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.leave(ticket, self.cost);
        }
    }
}

/// Waits for room, in turn, and sends one message. It is written out as a type since it is moved
/// for each message: the future of an `async fn` with both steps is four times as large.
pub(super) struct Sending<'a> {
    shared: &'a Shared,
    message: Bytes,
    ticket: Option<Ticket>,
}

impl<'a> Sending<'a> {
    #[inline]
    pub(super) fn new(shared: &'a Shared, message: Bytes) -> Self {
        Self { shared, message, ticket: None }
    }
}

impl Future for Sending<'_> {
    type Output = Result<Receipt, Returned>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let sent = ready!(this.shared.poll_send(&mut this.message, &mut this.ticket, cx));
        Poll::Ready(
            sent.map_err(|cause| Returned::not_accepted(mem::take(&mut this.message), cause)),
        )
    }
}

impl Drop for Sending<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.leave(ticket, cost(&self.message));
        }
    }
}

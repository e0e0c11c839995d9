//! Messages received: one queue from the driver to one receiving end.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use futures_core::Stream;

use super::{outbox::cost, shared::Shared};
use crate::{connection::read_text, error::Error};

/// What came from a connection.
pub(super) enum Arrival {
    Message(BytesMut),
    /// What the peer sent that is no message, or why the client has ended.
    Fault(Error),
    /// Nothing more comes from a connection whose loss has this number.
    Loss(u64),
}

impl Arrival {
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Message(message) => cost(message),
            Self::Fault(_) => cost(&[]),
            Self::Loss(_) => 0,
        }
    }
}

#[derive(Default)]
pub(super) struct Arrivals {
    queue: VecDeque<Arrival>,
    /// What the queue costs, in bytes.
    held: usize,
    receiver: Option<Waker>,
    /// To be woken when there is room, or a loss has been reached.
    driver: Option<Waker>,
    /// The last loss up to which everything was received, and more asked for.
    passed: u64,
    is_unwanted: bool,
    has_ended: bool,
}

/// How far the receiving end is, as the driver sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// The last loss that has been passed.
    pub(super) passed: u64,
    /// The loss that comes next, with nothing left to receive before it.
    pub(super) next: Option<u64>,
}

impl Arrivals {
    fn pop(&mut self) -> Option<Arrival> {
        let arrival = self.queue.pop_front()?;
        self.held -= arrival.cost();
        Some(arrival)
    }
}

impl Shared {
    fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The driver's side: returns how many bytes there is room for, and has the driver woken later if
    /// there is none.
    ///
    /// While senders wait for room there is more: the task that is to receive may be one of them, and
    /// the peer may not read before it can write.
    pub(super) fn inbox_room(&self, senders_wait: bool, cx: &mut Context<'_>) -> usize {
        let mut arrivals = self.arrivals();
        if arrivals.is_unwanted {
            return usize::MAX;
        }
        let more = if senders_wait { self.options.outbox } else { 0 };
        let room = self.options.inbox.saturating_add(more).saturating_sub(arrivals.held);
        if room == 0 {
            arrivals.driver = Some(cx.waker().clone());
        }
        room
    }

    /// The driver's side: hands over what has arrived.
    pub(super) fn arrive(&self, batch: &mut Vec<Arrival>) {
        if batch.is_empty() {
            return;
        }
        let mut arrivals = self.arrivals();
        if arrivals.is_unwanted {
            drop(arrivals);
            batch.clear();
            return;
        }
        arrivals.held += batch.iter().map(Arrival::cost).sum::<usize>();
        arrivals.queue.extend(batch.drain(..));
        let receiver = arrivals.receiver.take();
        drop(arrivals);
        receiver.inspect(Waker::wake_by_ref);
    }

    /// The driver's side: says how far the receiving end is, and has the driver woken when it has
    /// come further.
    pub(super) fn receiving(&self, cx: &mut Context<'_>) -> Progress {
        let mut arrivals = self.arrivals();
        if arrivals.is_unwanted {
            return Progress { passed: u64::MAX, next: None };
        }
        arrivals.driver = Some(cx.waker().clone());
        let next = match arrivals.queue.front() {
            Some(Arrival::Loss(loss)) => Some(*loss),
            _ => None,
        };
        Progress { passed: arrivals.passed, next }
    }

    /// The driver's side: nothing more comes.
    pub(super) fn end_arrivals(&self) {
        let mut arrivals = self.arrivals();
        arrivals.has_ended = true;
        let receiver = arrivals.receiver.take();
        drop(arrivals);
        receiver.inspect(Waker::wake_by_ref);
    }

    fn poll_arrival(&self, cx: &mut Context<'_>) -> Poll<Option<Result<BytesMut, Error>>> {
        let mut arrivals = self.arrivals();
        let mut was_passed = false;
        let arrival = loop {
            match arrivals.pop() {
                Some(Arrival::Message(message)) => break Poll::Ready(Some(Ok(message))),
                Some(Arrival::Fault(error)) => break Poll::Ready(Some(Err(error))),
                Some(Arrival::Loss(loss)) => {
                    arrivals.passed = loss;
                    was_passed = true;
                }
                None if arrivals.has_ended => break Poll::Ready(None),
                None => {
                    arrivals.receiver = Some(cx.waker().clone());
                    break Poll::Pending;
                }
            }
        };
        let loss_is_next = matches!(arrivals.queue.front(), Some(Arrival::Loss(_)));
        // Half of the room, so that a slow receiver does not wake the driver for each message.
        let has_room = arrivals.held <= self.options.inbox / 2;
        let driver = match was_passed || loss_is_next || has_room {
            true => arrivals.driver.take(),
            false => None,
        };
        drop(arrivals);
        driver.inspect(Waker::wake_by_ref);
        arrival
    }
}

/// The receiving end of a [`Client`](crate::Client): a [`Stream`], with methods of its own.
///
/// It holds messages up to [a limit](crate::client::ClientOptions::inbox); when it is full, the
/// peer is held back. Nothing that has arrived is dropped, whatever becomes of the connection, and
/// what comes from one connection comes before anything of the next. It ends when the client has.
///
/// It is no handle: it does not keep the client going. Dropping it says that nobody wants what the
/// peer sends: that is read and dropped from then on.
pub struct Inbox {
    shared: Arc<Shared>,
}

impl Inbox {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Returns the next message, or `None` when the client has ended and everything was received.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`] for a corrupt frame, or for a peer that does not keep to the format, with whom
    /// the client connects anew; the next call goes on. [`Error::GaveUp`] once if the client has ended
    /// because it found no server.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a future that is dropped has taken no message.
    pub async fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        poll_fn(|cx| self.shared.poll_arrival(cx)).await.transpose()
    }

    /// Returns the next message as a text, in the client's
    /// [encoding](crate::client::ClientOptions::text_encoding).
    ///
    /// # Errors
    ///
    /// [`Error::TextDecode`] hands a message back that is no such text; the next call returns the next
    /// one. Otherwise as [`receive`](Self::receive).
    ///
    /// # Cancel safety
    ///
    /// As [`receive`](Self::receive).
    pub async fn receive_text(&mut self) -> Result<Option<String>, Error> {
        let message = self.receive().await?;
        message.map(|payload| read_text(self.shared.options.text, payload.freeze())).transpose()
    }
}

impl Stream for Inbox {
    type Item = Result<BytesMut, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.shared.poll_arrival(cx)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut arrivals = self.shared.arrivals();
        arrivals.is_unwanted = true;
        let unread = std::mem::take(&mut arrivals.queue);
        arrivals.held = 0;
        let driver = arrivals.driver.take();
        drop(arrivals);
        drop(unread);
        driver.inspect(Waker::wake_by_ref);
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

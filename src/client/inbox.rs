//! Received messages: one queue from the driver to one receiving end.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use futures_core::Stream;

use super::{
    arrivals::{Arrival, Arrivals, Progress},
    shared::Shared,
};
use crate::{connection::read_text, error::Error};

impl Shared {
    fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the driver: returns how many bytes there is room for. If there is none, the driver is
    /// woken later.
    ///
    /// While senders wait for room, the inbox has more room: the receiving task may be one of these
    /// senders, and the peer may not read before it can write.
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

    /// For the driver: hands over what has arrived.
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

    /// For the driver: returns how far the receiving end has come. The driver is woken when it has
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

    /// For the driver: records that nothing more comes.
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
        // The driver is woken at half of the room, so that a slow receiver does not wake it for
        // each message.
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

/// The receiving end of a [`Client`](crate::Client): a [`Stream`], with inherent methods.
///
/// It holds messages up to [a limit](crate::client::ClientOptions::inbox). When it is full, the
/// client stops reading, which holds the peer back. Nothing that has arrived is dropped, even if
/// the connection is lost. Everything from one connection comes before anything from the next one.
/// The stream ends when the client has ended.
///
/// An inbox is not a handle: it does not keep the client running. If it is dropped, the client
/// still reads what the peer sends, and discards it.
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
    /// [`Error::Frame`] for a corrupt frame, or for a peer that does not keep to the format. In the
    /// second case the client reconnects. In both cases the next call goes on. [`Error::GaveUp`],
    /// once, if the client has ended because it found no server.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a dropped future has taken no message.
    pub async fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        poll_fn(|cx| self.shared.poll_arrival(cx)).await.transpose()
    }

    /// Returns the next message as a text, in the client's
    /// [encoding](crate::client::ClientOptions::text_encoding).
    ///
    /// # Errors
    ///
    /// [`Error::TextDecode`] returns a message that is not a text in this encoding, and the next
    /// call returns the message after it. Other errors are those of [`receive`](Self::receive).
    ///
    /// # Cancel safety
    ///
    /// The same as [`receive`](Self::receive).
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

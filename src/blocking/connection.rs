//! One connection, blocking.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{
    halves::{ReceiveHalf, SendHalf},
    runtime::{Calls, block_on},
};
use crate::{
    connection::{self, Batch, DrainOutcome},
    error::{Error, Operation},
    name::PipeName,
    pipe::stream::PipeStream,
};

/// Messages over a pipe: [`npipes::Connection`](crate::Connection), blocking.
///
/// A call that times out returns [`Error::Io`] with `TimedOut` and leaves the connection usable. A
/// receive that times out loses nothing. After a send that times out, the message may or may not be
/// sent, but never only a part of it.
#[derive(Debug)]
pub struct Connection {
    pub(super) inner: connection::Connection<PipeStream>,
    pub(super) calls: Calls,
}

impl Connection {
    pub(super) fn new(inner: connection::Connection<PipeStream>) -> Self {
        let pipe = inner.get_ref().name().cloned();
        Self { inner, calls: Calls { pipe, timeout: None } }
    }

    /// Sets how long each call may take. The default is `None`: for ever. [`close`](Self::close)
    /// uses the timeout of the options.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.calls.timeout = timeout;
    }

    /// Sends one message: [`Connection::send`](crate::Connection::send).
    ///
    /// # Errors
    ///
    /// As [`Connection::send`](crate::Connection::send), [`Error::Io`] with `TimedOut`, and
    /// [`Error::BlockingInRuntime`] inside a runtime.
    pub fn send(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.send(message))
    }

    /// Sends one message that is a text: [`Connection::send_text`](crate::Connection::send_text).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and [`Error::TextEncode`].
    pub fn send_text(&mut self, text: &str) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.send_text(text))
    }

    /// Queues one message, so that several share a write:
    /// [`Connection::feed`](crate::Connection::feed).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn feed(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.feed(message))
    }

    /// Queues one message that is copied:
    /// [`Connection::feed_slice`](crate::Connection::feed_slice).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn feed_slice(&mut self, message: &[u8]) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.feed_slice(message))
    }

    /// Writes everything that was queued.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn flush(&mut self) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.flush())
    }

    /// Returns the next message, or `None` when the peer has closed its end:
    /// [`Connection::receive`](crate::Connection::receive).
    ///
    /// # Errors
    ///
    /// As [`Connection::receive`](crate::Connection::receive), [`Error::Io`] with `TimedOut`, and
    /// [`Error::BlockingInRuntime`] inside a runtime.
    pub fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        self.calls.block_on(Operation::Read, self.inner.receive())
    }

    /// Returns the next message as a text:
    /// [`Connection::receive_text`](crate::Connection::receive_text).
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive), and [`Error::TextDecode`].
    pub fn receive_text(&mut self) -> Result<Option<String>, Error> {
        self.calls.block_on(Operation::Read, self.inner.receive_text())
    }

    /// Returns all messages that have arrived, or `None` when the peer has closed its end:
    /// [`Connection::receive_batch`](crate::Connection::receive_batch).
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_batch(&mut self) -> Result<Option<Batch<'_>>, Error> {
        self.calls.block_on(Operation::Read, self.inner.receive_batch())
    }

    /// Sends what is queued and waits until the peer has read it:
    /// [`Connection::drained`](crate::Connection::drained).
    ///
    /// This uses the close timeout of the options, as [`close`](Self::close) does.
    ///
    /// # Errors
    ///
    /// As [`Connection::drained`](crate::Connection::drained), and [`Error::BlockingInRuntime`]
    /// inside a runtime.
    pub fn drained(&mut self) -> Result<DrainOutcome, Error> {
        block_on(self.calls.without_timeout(Operation::Drain), self.inner.drained())
    }

    /// Ends the sending direction and leaves the other open:
    /// [`Connection::close_write`](crate::Connection::close_write).
    ///
    /// # Errors
    ///
    /// As [`Connection::close_write`](crate::Connection::close_write), and
    /// [`Error::BlockingInRuntime`] inside a runtime.
    pub fn close_write(&mut self) -> Result<DrainOutcome, Error> {
        block_on(self.calls.without_timeout(Operation::Close), self.inner.close_write())
    }

    /// Sends what is queued, waits until the peer has read it, and closes:
    /// [`Connection::close`](crate::Connection::close).
    ///
    /// # Errors
    ///
    /// As [`Connection::close`](crate::Connection::close), and [`Error::BlockingInRuntime`] inside a
    /// runtime, after which the connection is dropped.
    pub fn close(self) -> Result<DrainOutcome, Error> {
        block_on(self.calls.without_timeout(Operation::Close), self.inner.close())
    }

    /// Splits the connection into two halves, for two threads.
    #[must_use]
    pub fn split(self) -> (SendHalf, ReceiveHalf) {
        let Self { inner, calls } = self;
        let (send, receive) = inner.split();
        let send = SendHalf { inner: send, calls: calls.clone() };
        (send, ReceiveHalf { inner: receive, calls })
    }

    /// Returns the name of the pipe.
    #[must_use]
    pub fn name(&self) -> Option<&PipeName> {
        self.inner.name()
    }
}

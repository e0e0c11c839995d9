//! The halves of a connection, for two threads.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Connection, runtime::Calls};
use crate::{
    connection,
    error::{Error, Operation},
    pipe::stream::PipeStream,
};

/// The sending half of a [`Connection`]. The pipe closes when both halves are dropped.
#[derive(Debug)]
pub struct SendHalf {
    pub(super) inner: connection::SendHalf<PipeStream>,
    pub(super) calls: Calls,
}

/// The receiving half of a [`Connection`]. The pipe closes when both halves are dropped.
#[derive(Debug)]
pub struct ReceiveHalf {
    pub(super) inner: connection::ReceiveHalf<PipeStream>,
    pub(super) calls: Calls,
}

impl SendHalf {
    /// Sets how long each call may take, as [`Connection::set_timeout`] does.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.calls.timeout = timeout;
    }

    /// Sends one message, as [`Connection::send`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.send(message))
    }

    /// Queues one message, as [`Connection::feed`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn feed(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.feed(message))
    }

    /// Writes everything that was queued.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.flush())
    }

    /// Puts the connection together again, with the timeout of this half.
    ///
    /// # Panics
    ///
    /// If `half` comes from another connection.
    #[must_use]
    pub fn reunite(self, half: ReceiveHalf) -> Connection {
        let Self { inner, calls } = self;
        Connection { inner: inner.reunite(half.inner), calls }
    }
}

impl ReceiveHalf {
    /// Sets how long each call may take, as [`Connection::set_timeout`] does.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.calls.timeout = timeout;
    }

    /// Returns the next message, as [`Connection::receive`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::receive`].
    pub fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        self.calls.block_on(Operation::Read, self.inner.receive())
    }
}

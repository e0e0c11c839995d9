//! The halves of a connection, for two threads.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{
    Connection,
    runtime::{Limit, block_on},
};
use crate::{
    connection,
    error::{Error, Operation},
    name::PipeName,
    pipe::stream::PipeStream,
};

/// The sending half of a [`Connection`]. The pipe closes when both halves are dropped.
#[derive(Debug)]
pub struct SendHalf {
    pub(super) inner: connection::SendHalf<PipeStream>,
    pub(super) name: Option<PipeName>,
    pub(super) timeout: Option<Duration>,
}

/// The receiving half of a [`Connection`]. The pipe closes when both halves are dropped.
#[derive(Debug)]
pub struct ReceiveHalf {
    pub(super) inner: connection::ReceiveHalf<PipeStream>,
    pub(super) name: Option<PipeName>,
    pub(super) timeout: Option<Duration>,
}

impl SendHalf {
    /// Sets how long each call may take, as [`Connection::set_timeout`] does.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Sends one message, as [`Connection::send`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        let limit = Limit::new(Operation::Write, self.name.as_ref(), self.timeout);
        block_on(limit, self.inner.send(message))
    }

    /// Queues one message, as [`Connection::feed`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn feed(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        let limit = Limit::new(Operation::Write, self.name.as_ref(), self.timeout);
        block_on(limit, self.inner.feed(message))
    }

    /// Writes everything that was queued.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn flush(&mut self) -> Result<(), Error> {
        let limit = Limit::new(Operation::Write, self.name.as_ref(), self.timeout);
        block_on(limit, self.inner.flush())
    }

    /// Puts the connection together again, with the timeout of this half.
    ///
    /// # Panics
    ///
    /// If `half` comes from another connection.
    #[must_use]
    pub fn reunite(self, half: ReceiveHalf) -> Connection {
        let Self { inner, name, timeout } = self;
        Connection { inner: inner.reunite(half.inner), name, timeout }
    }
}

impl ReceiveHalf {
    /// Sets how long each call may take, as [`Connection::set_timeout`] does.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Returns the next message, as [`Connection::receive`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::receive`].
    pub fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        let limit = Limit::new(Operation::Read, self.name.as_ref(), self.timeout);
        block_on(limit, self.inner.receive())
    }
}
